"""The look of a page in a browser."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from jaxcnn.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browse(finished_run, sample, tmp_path_factory):
    """Return a function that opens a report in a frame of a width, and returns the output of Chromium."""
    folder = tmp_path_factory.mktemp("browser")
    write_report(finished_run, sample, folder / "report.html")

    def run(width, *options):
        (folder / "frame.html").write_text(
            f"<body style='margin: 0'><iframe src=report.html width={width} height=3000 style='border: 0'></iframe>"
            "<script>onload = () => document.title = frames[0].document.documentElement.scrollWidth</script>"
        )
        command = [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            "--hide-scrollbars", "--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}",
            f"--window-size={max(width, 500)},3000", *options, (folder / "frame.html").as_uri(),
        ]  # fmt: skip
        return subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=folder, text=True).stdout

    return run


@pytest.mark.parametrize("width", [390, 1280])
def test_a_page_does_not_scroll_sideways(browse, width):
    (title,) = re.findall("<title>(.*)</title>", browse(width, "--dump-dom"))
    assert int(title) <= width


@pytest.mark.parametrize(
    ("scheme", "paper", "blue"), [(1, (255, 255, 255), (0, 114, 178)), (0, (22, 24, 28), (86, 180, 233))]
)
def test_a_page_follows_the_color_scheme(browse, tmp_path, scheme, paper, blue):
    picture = tmp_path / "page.png"
    browse(1280, f"--screenshot={picture}", f"--blink-settings=preferredColorScheme={scheme}")
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert tuple(pixels[0, 0]) == paper
    assert (pixels == blue).all(axis=-1).any()
