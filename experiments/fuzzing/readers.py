"""Fuzz what reads a stranger's files and weights, guided by coverage: only `InputError` may come out.

pip install atheris && python experiments/fuzzing/readers.py idx -max_total_time=60
pip install atheris && python experiments/fuzzing/readers.py weights -max_total_time=60

Options are libFuzzer's. What it finds it leaves as crash-* in the working directory; given as an argument, it runs that
again.
"""

import importlib
import sys
import tempfile
from pathlib import Path

atheris = importlib.import_module("atheris")  # which has no types, and is not always installed

with atheris.instrument_imports(include=["jaxcnn", "gzip"]):
    import numpy as np

    from jaxcnn import InputError, models
    from jaxcnn.data import read_idx
    from jaxcnn.interop import torch_layout, torch_weights

FOLDER = Path(tempfile.mkdtemp())
NETWORK, IMAGE_SHAPE = models.LeNet(), (28, 28, 1)
TENSORS = torch_layout.find_tensors(NETWORK, IMAGE_SHAPE)[0]
TYPES = ["f4", "f8", "f2", "i8", "u1", "?", "c8", "O", "U3", "M8[s]"]


def read_file(content: bytes) -> None:
    """The bytes as a file, gzipped or not, as their first one says."""
    path = FOLDER / ("file.gz" if content[:1] > b"\x7f" else "file")
    path.write_bytes(content[1:])
    read_idx(path)


def read_weights(content: bytes) -> None:
    """LeNet's tensors with one of them changed: its type, its shape or its values."""
    data = atheris.FuzzedDataProvider(content)
    weights = {tensor.name: np.zeros(tensor.shape, np.float32) for tensor in TENSORS}
    name = data.PickValueInList(list(weights))
    shape = data.PickValueInList([weights[name].shape, (), (data.ConsumeIntInRange(0, 40), 1)])
    tensor = np.zeros(shape, data.PickValueInList(TYPES))
    if tensor.dtype.kind == "f" and tensor.size:
        tensor.flat[data.ConsumeIntInRange(0, tensor.size - 1)] = data.ConsumeFloat()
    weights[data.PickValueInList([name, "another"])] = tensor
    torch_weights.variables_from_torch(NETWORK, weights, IMAGE_SHAPE)


def main() -> None:
    """Fuzz the reader that the first argument names."""
    read = {"idx": read_file, "weights": read_weights}[sys.argv.pop(1)]

    def try_one(content: bytes) -> None:
        try:
            read(content)
        except InputError as error:
            if "\n" in str(error):
                raise AssertionError("more than one line") from error

    atheris.Setup(sys.argv, try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
