import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import drawn_variables
from safetensors import safe_open
from safetensors.numpy import load_file

from jaxcnn import InputError, interop, models
from jaxcnn.interop import NetworkInfo, export_network, read_safetensors
from jaxcnn.interop.metadata import as_strings, make_metadata
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


def test_metadata_of_onnx_and_safetensors_is_read_back(variables, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="jax2onnx is not installed: pip install '.[onnx]'")
    about = NetworkInfo("LeNet", 1175, "Fashion-MNIST", ("Schürze", "bag"), light_on_dark=True, test_accuracy=0.76)
    for kind in ("onnx", "safetensors"):
        path = tmp_path / f"network.{kind}"
        export_network(NETWORK.apply, variables, path, format=kind, image_shape=(28, 28, 1), about=about)
    with safe_open(tmp_path / "network.safetensors", "numpy") as file:
        found = file.metadata()
    assert found == onnxruntime.InferenceSession(tmp_path / "network.onnx").get_modelmeta().custom_metadata_map
    assert found == as_strings(make_metadata(about, (28, 28, 1)))
    assert json.loads(found["class_names"]) == ["Schürze", "bag"]
    assert json.loads(found["preprocessing"])["layout"] == "NHWC"


def test_onnx_without_jax2onnx_names_the_command_to_install_it(variables, tmp_path, monkeypatch, record_fault):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    with pytest.raises(InputError) as raised:
        export_network(NETWORK.apply, variables, tmp_path / "network", format="onnx", image_shape=(28, 28, 1))
    assert list(tmp_path.iterdir()) == []
    record_fault("an export to ONNX without jax2onnx", "an `InputError`, nothing written", str(raised.value))


def test_safetensors_round_trip_is_exact(variables, tmp_path):
    path = tmp_path / "network.safetensors"
    assert export_network(NETWORK.apply, variables, path, format="safetensors", image_shape=(28, 28, 1)) == 0
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


def test_a_web_page_of_a_large_network_is_refused(variables, tmp_path, record_fault):
    large = {**variables, "table": jnp.zeros(2_500_000)}
    with pytest.raises(InputError) as raised:
        export_network(NETWORK.apply, large, tmp_path / "page.html", format="web", image_shape=(28, 28, 1))
    assert list(tmp_path.iterdir()) == []
    record_fault("an export of a large network to a web page", "an `InputError`, nothing written", str(raised.value))


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


@pytest.mark.parametrize("image_shape", [(20, 28, 1), (28, 28, 4)])
def test_a_web_page_takes_square_images_in_gray_or_color(variables, tmp_path, image_shape):
    with pytest.raises(InputError, match=r"the web format takes square images with 1 or 3 channels; use onnx instead"):
        export_network(NETWORK.apply, variables, tmp_path / "page.html", format="web", image_shape=image_shape)
    assert list(tmp_path.iterdir()) == []


def test_an_export_of_logits_that_are_not_finite_is_not_written(variables, tmp_path):
    infinite = jax.tree.map(lambda leaf: leaf * jnp.nan, variables)
    path = tmp_path / "network.safetensors"
    with pytest.raises(InputError, match="is not written: the network's logits are not finite"):
        export_network(NETWORK.apply, infinite, path, format="safetensors", image_shape=(28, 28, 1))
    assert list(tmp_path.iterdir()) == []
