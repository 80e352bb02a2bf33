import os
import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np

from jaxcnn.report import backend, default_pyplot, drawing, figures


def test_figures_ignore_the_settings_of_the_user():
    expected = figures.draw_confusion(np.eye(2, dtype=int), ["cat", "dog"])
    with mpl.rc_context({"text.usetex": True, "font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert figures.draw_confusion(np.eye(2, dtype=int), ["cat", "dog"]) == expected
        assert default_pyplot().rcParams["text.usetex"] is False


def test_the_backend_of_another_environment_is_no_error():
    """`import matplotlib` raises for it, in a process that has not imported it."""
    code = f"import runpy; print(runpy.run_path({backend.__file__!r})['default_pyplot']().get_backend())"
    environment = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    shown = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert shown.stdout


def luminance(color):
    """The relative luminance of #rrggbb, as the Web Content Accessibility Guidelines define it."""
    channels = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_color_is_readable_on_light_and_dark_pages():
    svg = figures.draw_norm(np.ones(2), np.ones(2))
    for color in (drawing.INK, drawing.BLUE, drawing.GREEN, drawing.ORANGE):
        (lighter,) = re.findall(rf'"fill: {color}"\] {{fill: (#\w+) !important}}', svg)
        assert contrast(color, "#ffffff") > 3
        assert contrast(lighter, "#16181c") > 5


def test_figures_have_no_background():
    svg = figures.draw_norm(np.ones(2), np.ones(2))
    (patch,) = re.findall(r'<g id="patch_1">\s*<path[^>]*style="([^"]*)"', svg)
    assert "fill: none" in patch
