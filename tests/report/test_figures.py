import base64
import io
import os
import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from jaxcnn.report import backend, default_pyplot, figures
from jaxcnn.training import RangeTest

NAMES = ["$10_x^$", "[red] shirt", "<b>a & b</b>", "图像"]


def drawn_images(svg):
    """The images in an SVG file, as arrays (H, W, RGBA)."""
    found = re.findall(r"data:image/png;base64,([^\"]+)", svg)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")) for data in found]


@pytest.mark.parametrize("color", [(200, 100, 50), (200, 100, 50, 255)])
def test_images_are_drawn_in_their_colors(color):
    image = np.tile(np.uint8(color), (4, 4, 1))
    for svg in (figures.draw_pictures(image[None], ["title"]), figures.draw_feature_maps(image, [])):
        (drawn, *_) = drawn_images(svg)
        np.testing.assert_array_equal(drawn[0, 0], (200, 100, 50, 255))


def test_gray_images_are_drawn_in_gray():
    (drawn,) = drawn_images(figures.draw_pictures(np.full((1, 4, 4, 1), 128, np.uint8), ["title"]))
    np.testing.assert_array_equal(drawn[0, 0], (128, 128, 128, 255))


def test_kernels_of_color_images_are_drawn_in_color():
    kernel = np.zeros((3, 3, 3, 2), np.float32)
    kernel[:, :, 0, 0], kernel[:, :, 2, 1] = 1, -1
    first, second = drawn_images(figures.draw_kernels(kernel))
    np.testing.assert_array_equal(first[0, 0], (255, 127, 127, 255))
    np.testing.assert_array_equal(second[0, 0], (127, 127, 0, 255))


def test_names_are_drawn_literally():
    svg = figures.draw_confusion(np.eye(4, dtype=int), NAMES)
    for name in ("$10_x^$", "[red] shirt", "&lt;b&gt;a &amp; b&lt;/b&gt;", "图像"):
        assert f">{name}</text>" in svg


def test_figures_ignore_the_settings_of_the_user():
    expected = figures.draw_confusion(np.eye(4, dtype=int), NAMES)
    with mpl.rc_context({"text.usetex": True, "font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert figures.draw_confusion(np.eye(4, dtype=int), NAMES) == expected
        assert default_pyplot().rcParams["text.usetex"] is False


def test_the_backend_of_another_environment_is_no_error():
    """`import matplotlib` raises for it, in a process that has not imported it."""
    code = f"import runpy; print(runpy.run_path({backend.__file__!r})['default_pyplot']().get_backend())"
    environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    shown = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert shown.stdout


@pytest.mark.parametrize("decades", [0.5, 8])
def test_a_range_test_is_a_png_also_if_a_member_diverges(decades):
    rates = np.geomspace(1e-6, 1e-6 * 10**decades, 50)
    losses = np.stack([np.linspace(2, 1, 50), np.linspace(2, 0.1, 50)])
    losses[0, 30:], losses[1, 40:] = np.inf, 9.0
    assert RangeTest(rates, losses).suggestion is not None
    image = Image.open(io.BytesIO(figures.draw_range_test(RangeTest(rates, losses), "LeNet of $x_1$ \u7f51")))
    assert image.size == (900, 600)
    colors = set(map(tuple, np.asarray(image.convert("RGB")).reshape(-1, 3).tolist()))
    assert {(0, 114, 178), (213, 94, 0)} <= colors  # the curve and the suggestion
