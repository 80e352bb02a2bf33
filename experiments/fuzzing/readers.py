"""Fuzz the readers of untrusted files and weights, guided by coverage. They may raise only `InputError`.

pip install atheris && python experiments/fuzzing/readers.py idx -max_total_time=60
pip install atheris && python experiments/fuzzing/readers.py weights -max_total_time=60

The options are libFuzzer's. It writes failing inputs to files crash-* in the working directory. To reproduce a failure,
give such a file as an argument.
"""

import importlib
import sys
import tempfile
from pathlib import Path

atheris = importlib.import_module("atheris")  # it has no types, and may not be installed

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
    """Read the bytes as a file. The first byte decides whether its name ends with .gz."""
    path = FOLDER / ("file.gz" if content[:1] > b"\x7f" else "file")
    path.write_bytes(content[1:])
    read_idx(path)


def read_weights(content: bytes) -> None:
    """Read LeNet's weights after changing the type, the shape or a value of one tensor."""
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
    """Fuzz the reader named by the first argument."""
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
