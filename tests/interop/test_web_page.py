"""The page of an exported network: its JavaScript in Node.js, and the whole page in Chromium."""

import base64
import io
import json
import shutil
import subprocess

import numpy as np
import pytest
from browser import find_chromium, open_browser
from PIL import Image

from jaxcnn.data import read_image, read_pictures
from jaxcnn.interop import NetworkInfo, export_network
from jaxcnn.interop.web_page import read_script
from jaxcnn.interop.web_runtime import runtime_archive
from jaxcnn.runs import TrainedRun

SIZES = [(28, 28), (1, 1), (5, 3), (28, 40), (200, 31), (97, 140), (300, 300)]

PREPARE = """
const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
const prepared = cases.map(({ rgba, width, height, preprocessing, background }) => {
  const data = new Uint8ClampedArray(Buffer.from(rgba, "base64"));
  return Array.from(prepareImage({ data, width, height }, preprocessing, background));
});
console.log(JSON.stringify(prepared));
"""


@pytest.fixture(scope="module")
def prepare():
    """A function that prepares images as the page does, in one process of Node.js."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js")

    def run(images, preprocessing, background="auto"):
        cases = [
            {
                "rgba": base64.b64encode(image.convert("RGBA").tobytes()).decode(),
                "width": image.width, "height": image.height, "preprocessing": preprocessing, "background": background,
            }
            for image in images
        ]  # fmt: skip
        program = read_script("preprocess.js") + PREPARE
        printed = subprocess.run([node, "-e", program], input=json.dumps(cases), capture_output=True, text=True)
        assert printed.stderr == ""
        return json.loads(printed.stdout)

    return run


def draw(mode, size, seed=0):
    """Draw an image of smooth and rough parts, with every transparency if the mode has any."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, (*size[::-1], len(Image.new(mode, (1, 1)).getbands())), np.uint8)
    values[: size[1] // 2] //= 3
    return Image.fromarray(values.squeeze(2) if values.shape[2] == 1 else values, mode)


def saved(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    file.seek(0)
    return file


@pytest.mark.parametrize("background", ["auto", "dark", "light"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_the_page_pads_and_inverts_as_read_image_does(prepare, tmp_path, mode, background):
    images = [draw(mode, size, seed) for seed, size in enumerate(SIZES)]
    found = prepare(images, {"fit": "pad", "height": 28, "channels": 1}, background)
    for number, image in enumerate(images):
        (tmp_path / f"{number}.png").write_bytes(saved(image).read())
        expected = read_image(
            tmp_path / f"{number}.png", dark_on_light={"auto": None, "dark": False, "light": True}[background]
        )
        np.testing.assert_array_equal(found[number], expected.ravel())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_the_page_crops_and_resizes_as_read_pictures_does(prepare, mode, channels):
    images = [draw(mode, size, seed) for seed, size in enumerate(SIZES)]
    found = prepare(images, {"fit": "crop", "height": 32, "channels": channels})
    expected = read_pictures([("image", saved(image)) for image in images], 32, channels=channels)
    for row, image in zip(found, expected, strict=True):
        np.testing.assert_array_equal(row, image.ravel())


@pytest.fixture(scope="module")
def run(finished_run):
    return TrainedRun.open(finished_run)


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """The page of the finished run, with the runtime from the user's cache."""
    pytest.importorskip("jax2onnx", reason="jax2onnx is not installed: pip install '.[onnx]'")
    if not runtime_archive().exists():
        pytest.skip("onnxruntime-web is not in jaxcnn's cache: jaxcnn export RUN --format web")
    path = tmp_path_factory.mktemp("web") / "page.html"
    about = NetworkInfo("LeNet </script>", 16, "sample", run.config.data.class_names, light_on_dark=True)
    export_network(
        run.state.apply_fn, run.state.eval_variables, path, format="web", image_shape=(28, 28, 1), about=about
    )
    return path


@pytest.fixture(scope="module")
def page(exported, tmp_path_factory):
    """The exported page in Chromium, ready."""
    if find_chromium() is None:
        pytest.skip("needs Chromium")
    with open_browser(tmp_path_factory.mktemp("profile")) as page:
        page.open(exported.as_uri())
        page.wait_for("document.getElementById('status')?.textContent === 'Ready'")
        yield page


def shown_classes(page):
    """The classes that the page shows, with their probabilities."""
    rows = "[...document.querySelectorAll('#classes li')]"
    return dict(page.evaluate(f"{rows}.map(row => [row.firstChild.textContent, +row.querySelector('data').value])"))


def test_the_page_loads_nothing_and_has_no_errors(page):
    requested = [event["params"]["request"]["url"] for event in page.events if "request" in event["params"]]
    assert {url.partition(":")[0] for url in requested} == {"file", "blob"}
    assert [event for event in page.events if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")] == []
    assert page.evaluate("document.querySelector('h1').textContent") == "LeNet </script>"


ROTATED = Image.Exif()
ROTATED[0x0112] = 6  # the orientation: a quarter turn
FILES = {
    "gray.png": ("L", {}),
    "color.jpg": ("RGB", {"quality": 90}),
    "rotated.jpg": ("L", {"exif": ROTATED}),
    "transparent.png": ("LA", {}),
    "palette.gif": ("P", {}),
}


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("file", FILES)
def test_the_page_predicts_as_jaxcnn_does(page, run, sample, tmp_path, file, inverted):
    mode, options = FILES[file]
    image = Image.fromarray(255 - sample.test_images[0, :, :, 0] if inverted else sample.test_images[0, :, :, 0])
    image = image.resize((45, 40)).convert(mode)
    if mode == "LA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    path = tmp_path / f"{inverted}-{file}"
    image.save(path, **options)
    page.choose_file("#file", path)
    page.wait_for(f"document.getElementById('status').textContent.startsWith('{path.name}')")
    expected = dict(zip(sample.class_names, run.predict(read_image(path)[None])[0], strict=True))
    found = shown_classes(page)
    assert list(found.values()) == pytest.approx(sorted(expected.values(), reverse=True)[:5], abs=1e-3)
    assert found == pytest.approx({name: expected[name] for name in found}, abs=1e-3)


def test_a_drawing_is_classified(page):
    left, top = page.evaluate(
        "(({left, top}) => [left, top])(document.getElementById('drawing').getBoundingClientRect())"
    )
    page.drag((left + 50, top + 50), (left + 50, top + 200), (left + 200, top + 200))
    page.wait_for("document.getElementById('status').textContent.startsWith('Drawing: ')")
    assert sum(shown_classes(page).values()) <= 1


def test_a_file_that_is_no_image_is_named(page, tmp_path):
    (tmp_path / "notes.png").write_text("words")
    page.choose_file("#file", tmp_path / "notes.png")
    message = page.wait_for(
        "document.getElementById('status').textContent.match('notes.png cannot be read .*: choose a PNG')?.[0]"
    )
    assert shown_classes(page) == {}, message
