"""The chapter's sections, run as a reader runs them, print what is documented."""

import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from jaxcnn import data

CHAPTER = Path(__file__).parents[2] / "experiments" / "chapter"

SECTIONS = sorted(path.stem for path in CHAPTER.glob("*.py"))

PRINTED = {
    "section_4_01_convolution": [
        "[[19. 25.]\n [37. 43.]]",
        "\n".join(f"{'[[' if row == 0 else ' ['} 0.  1.  0.  0.  0. -1.  0.]" for row in range(6)) + "]",
        "edges in the image on its side: 0\n",
        *(f"step {step:2}, loss" for step in (5, 10, 15, 20, 25, 30)),
    ],
    "section_4_02_padding_and_stride": [
        "3x3, padding 1:                     (8, 8)",
        "5x3, padding (2, 1):                (8, 8)",
        "3x3, padding 1, stride 2:           (4, 4)",
        "3x5, padding (0, 1), stride (3, 4): (2, 2)",
        "(8 + 0 + 0 - 11) // 1 + 1 = -2 rows",
        "'SAME' and padding ((0, 1), (0, 1)): 0.000",
    ],
    "section_4_03_channels": [
        "[[ 56.  72.]\n [104. 120.]]",
        "the same by vmap: True",
        "[[[ 56.  72.]\n  [104. 120.]]\n\n [[ 76. 100.]\n  [148. 172.]]\n\n [[ 96. 128.]\n  [192. 224.]]]",
    ],
    "section_4_04_pooling": [
        "[[4. 5.]\n [7. 8.]]",
        "[[2. 3.]\n [5. 6.]]",
        "window 3:\n[[10.]]",
        "window 3, padding 1, stride 2:\n[[ 5.  7.]\n [13. 15.]]",
        "[[ 1.  3.]\n [ 9. 11.]\n [13. 15.]]",
        "[[[ 5.  7.]\n  [13. 15.]]\n\n [[ 6.  8.]\n  [14. 16.]]]",
    ],
    "section_4_10_batch_normalization": [
        "after one batch: moving mean [0.3 3. ], a tenth of [ 3. 30.]",
        "after  batch norm: mean [0. 0. 0. 0. 0. 0.], deviation [1. 1. 1. 1. 1. 1.]",
    ],
}

FIGURES = {"section_4_01_convolution", "section_4_04_pooling", "section_4_10_batch_normalization"}


@pytest.fixture
def run(monkeypatch, tmp_path, sample):
    """Runs a section in an empty folder, on the images that come with the tests; gives its names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setattr(data, "load_fashion_mnist", lambda: sample)
    yield lambda section: runpy.run_path(str(CHAPTER / f"{section}.py"), run_name="__main__")
    plt.close("all")


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_prints_what_is_documented(section, run, capsys, tmp_path):
    run(section)
    printed = capsys.readouterr().out
    for expected in PRINTED[section]:
        assert expected in printed
    figures = list(tmp_path.glob("runs/chapter/*.png"))
    assert len(figures) == (section in FIGURES)
    for figure in figures:
        assert f"figure: {figure.relative_to(tmp_path)}" in printed


@pytest.fixture
def learned(run):
    return run("section_4_01_convolution")


def test_the_edge_is_learned_from_twenty_starts(learned):
    losses, params = learned["all_losses"], learned["all_variables"]["params"]
    assert losses.shape == (20, 30)
    assert losses[:, -1].max() < 0.1
    assert 0.001 < np.median(losses[:, -1]) < 0.02  # .007 is documented
    np.testing.assert_allclose(params["kernel"], np.broadcast_to([1.0, -1.0], (20, 1, 2)), atol=0.1)
    np.testing.assert_allclose(params["bias"], np.zeros(20), atol=0.1)


def test_the_loss_falls_by_the_documented_factor_every_five_steps(learned):
    losses = np.asarray(learned["losses"])
    np.testing.assert_allclose(losses[9:25:5] / losses[14:30:5], 0.88**-10, rtol=0.1)  # 3.6


def test_one_matrix_product_is_the_one_pixel_correlation(run):
    assert run("section_4_03_channels")["difference"] <= 1e-6


def test_pooling_keeps_most_of_a_shifted_edge_where_it_was(run):
    names = run("section_4_04_pooling")
    assert names["of_edges"] == 0
    assert names["of_maxima"] > 2 / 3
