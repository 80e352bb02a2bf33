"""The page of an exported network: its JavaScript in Node.js, and the whole page in Chromium."""

import base64
import io
import json
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data import read_image, read_pictures
from jaxcnn.interop.web_page import read_script

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
