import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import drawn_variables
from safetensors.numpy import load_file

from jaxcnn import InputError, interop, models
from jaxcnn.data.pipeline import prepare_images
from jaxcnn.interop import export_network, read_safetensors
from jaxcnn.layers import library_batch_norm

NETWORK = models.LeNet(norm=library_batch_norm)

LOADER = """
import sys
from pathlib import Path
import jax, numpy as np
network = jax.export.deserialize(bytearray(Path(sys.argv[1]).read_bytes()))
images = np.load(sys.argv[2])
np.save(sys.argv[3], network.call(images))
assert not [name for name in sys.modules if name.startswith(("jaxcnn", "flax"))]
"""


@pytest.fixture
def variables():
    return drawn_variables(NETWORK, (1, 28, 28, 1))


def test_stablehlo_runs_without_jaxcnn_on_any_batch_size(variables, tmp_path):
    path = tmp_path / "network.stablehlo"
    assert export_network(NETWORK.apply, variables, path, format="stablehlo", image_shape=(28, 28, 1)) <= 1e-5
    images = np.random.default_rng(1).random((7, 28, 28, 1), np.float32)
    np.save(tmp_path / "images.npy", images)
    arguments = [str(path), str(tmp_path / "images.npy"), str(tmp_path / "logits.npy")]
    subprocess.run([sys.executable, "-c", LOADER, *arguments], check=True, cwd=tmp_path)
    expected = np.asarray(NETWORK.apply(variables, images, train=False))
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), expected, atol=1e-5)


def test_stablehlo_supports_every_platform_and_resizes(variables, tmp_path):
    path = tmp_path / "network.stablehlo"
    export_network(NETWORK.apply, variables, path, format="stablehlo", image_shape=(14, 14, 1), image_size=28)
    program = jax.export.deserialize(bytearray(path.read_bytes()))
    assert program.platforms == ("cpu", "cuda", "tpu")
    assert program.call(jnp.zeros((2, 14, 14, 1), jnp.float32)).shape == (2, 10)


@pytest.mark.parametrize("image_size", [None, 28])
def test_onnx_gives_the_networks_logits(variables, tmp_path, image_size):
    onnxruntime = pytest.importorskip("onnxruntime", reason="jax2onnx is not installed: pip install '.[onnx]'")
    path, shape = tmp_path / "network.onnx", (28, 28, 1) if image_size is None else (14, 14, 1)
    options = {"image_shape": shape, "image_size": image_size, "batch_size": 3, "about": {"network": "LeNet"}}
    assert export_network(NETWORK.apply, variables, path, format="onnx", **options) <= 1e-5
    session = onnxruntime.InferenceSession(path)
    assert session.get_modelmeta().custom_metadata_map == {"network": "LeNet"}
    images = np.random.default_rng(1).random((3, *shape), np.float32)
    (logits,) = session.run(["logits"], {"images": images})
    expected = np.asarray(NETWORK.apply(variables, prepare_images(images, image_size), train=False))
    np.testing.assert_allclose(np.asarray(logits), expected, atol=1e-5)


def test_onnx_without_jax2onnx_names_the_command_to_install_it(variables, tmp_path, monkeypatch, record_fault):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    with pytest.raises(InputError) as raised:
        export_network(NETWORK.apply, variables, tmp_path / "network", format="onnx", image_shape=(28, 28, 1))
    assert list(tmp_path.iterdir()) == []
    record_fault("an export to ONNX without jax2onnx", "an `InputError`, nothing written", str(raised.value))


def test_safetensors_round_trip_is_exact(variables, tmp_path):
    path = tmp_path / "network.safetensors"
    about = {"network": "LeNet"}
    assert (
        export_network(NETWORK.apply, variables, path, format="safetensors", image_shape=(28, 28, 1), about=about) == 0
    )
    jax.tree.map(np.testing.assert_array_equal, read_safetensors(path.read_bytes()), variables)
    np.testing.assert_array_equal(load_file(path)["params/conv1/kernel"], variables["params"]["conv1"]["kernel"])


def test_export_with_other_logits_is_not_written(variables, tmp_path, monkeypatch, record_fault):
    def read_changed(content):
        return jax.tree.map(lambda leaf: leaf * 1.01, read_safetensors(content))

    monkeypatch.setattr(interop.export, "read_safetensors", read_changed)
    path = tmp_path / "network.safetensors"
    with pytest.raises(InputError, match="is not written: its logits differ") as raised:
        export_network(NETWORK.apply, variables, path, format="safetensors", image_shape=(28, 28, 1))
    assert list(tmp_path.iterdir()) == []
    seen = str(raised.value).partition(" by ")[0]
    record_fault("an export whose logits differ from the run's", "nothing written", seen)


@pytest.mark.parametrize(
    ("what", "name", "kind"),
    [
        ("to an unknown format", "network.pt", "pickle"),
        ("over an existing file", "existing", "safetensors"),
        ("into a missing folder", "missing/network", "safetensors"),
    ],
)
def test_invalid_export_raises_and_writes_nothing(variables, tmp_path, record_fault, what, name, kind):
    (tmp_path / "existing").write_text("precious")
    with pytest.raises(InputError) as raised:
        export_network(NETWORK.apply, variables, tmp_path / name, format=kind, image_shape=(28, 28, 1))
    assert (tmp_path / "existing").read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 1
    record_fault(f"an export {what}", "an `InputError`, nothing written", str(raised.value))
