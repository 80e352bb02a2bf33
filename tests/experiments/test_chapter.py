"""The lessons print the book's output, draw their figures, and find what they say. Each runs once."""

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from jaxcnn import data

CHAPTER = Path(__file__).parents[2] / "experiments" / "chapter"

SECTIONS = sorted(path.stem for path in CHAPTER.glob("section_*.py"))

VGG_SHAPES = ("112x112x64", "56x56x128", "28x28x256", "14x14x512", "7x7x512")

PRINTED = {
    "section_4_01_convolution": [
        "[[19. 25.]\n [37. 43.]]",
        "\n".join(f"{'[[' if row == 0 else ' ['} 0.  1.  0.  0.  0. -1.  0.]" for row in range(6)) + "]",
        "with the rotated kernel is the same: True",
        "edges in the image on its side: 0\n",
        *(f"step {step:2}, loss" for step in (5, 10, 15, 20, 25, 30)),
    ],
    "section_4_02_padding_and_stride": [
        "3x3, padding 1:                     (8, 8)",
        "5x3, padding (2, 1):                (8, 8)",
        "3x3, padding 1, stride 2:           (4, 4)",
        "3x5, padding (0, 1), stride (3, 4): (2, 2)",
        "(8 + 0 + 0 - 11) // 1 + 1 = -2 rows",
        "'SAME' less padding ((0, 1), (0, 1)): 0.000 at most",
        "LeNet    before its dense layers: 16x16 pixels of 28x28",
    ],
    "section_4_03_channels": [
        "[[ 56.  72.]\n [104. 120.]]",
        "the same by vmap: True",
        "the same by ops.corr2d_multi_in: True",
        "[[[ 56.  72.]\n  [104. 120.]]\n\n [[ 76. 100.]\n  [148. 172.]]\n\n [[ 96. 128.]\n  [192. 224.]]]",
    ],
    "section_4_04_pooling": [
        "[[4. 5.]\n [7. 8.]]",
        "[[2. 3.]\n [5. 6.]]",
        "gradient of its maximum:\n[[0. 1.]\n [0. 0.]]",
        "gradient of its mean:\n[[0.25 0.25]\n [0.25 0.25]]",
        "window 3:\n[[10.]]",
        "window 3, padding 1, stride 2:\n[[ 5.  7.]\n [13. 15.]]",
        "[[ 1.  3.]\n [ 9. 11.]\n [13. 15.]]",
        "[[[ 5.  7.]\n  [13. 15.]]\n\n [[ 6.  8.]\n  [14. 16.]]]",
    ],
    "section_4_05_lenet": ["conv2          8x8x16", "flatten        256", "parameters: 44,426", "epoch 12: loss"],
    "section_4_06_alexnet": [
        "conv1          54x54x96",
        "flatten        6400",
        "parameters: 46,764,746",
        "epoch 16: loss",
    ],
    "section_4_07_vgg": [
        "block1         112x112x16",
        "block5         7x7x128",
        "parameters: 8,060,234",
        *(f"block{block}         {shape} at full width" for block, shape in enumerate(VGG_SHAPES, start=1)),
        "epoch 8: loss",
    ],
    "section_4_08_nin": [
        "block1         54x54x96",
        "block2         26x26x256",
        "block3         12x12x384",
        "dropout        5x5x384",
        "block4         5x5x10",
        "parameters: 1,992,166",
        "epoch 10: loss",
    ],
    "section_4_09_googlenet": [
        "inception3b    12x12x480",
        "inception4e    6x6x832",
        "inception5b    3x3x1024",
        "1x12x12x192 -> 1x12x12x256",
        "parameters: 5,977,530, the library's network has 5,977,530",
        "models.summarize counts as many: True",
        "epoch 3: loss",
    ],
    "section_4_11_resnet": [
        "conv1          112x112x64",
        "stage1_block2  56x56x64",
        "stage2_block2  28x28x128",
        "stage3_block2  14x14x256",
        "stage4_block2  7x7x512",
        "with a scale of 0 the block returns its input: True",
        "parameters: 11,178,378, the library's network has 11,178,378",
    ],
    "section_4_12_densenet": [
        "block1         24x24x192",
        "transition1    12x12x96",
        "block2         12x12x224",
        "transition2    6x6x112",
        "block3         6x6x240",
        "transition3    3x3x120",
        "block4         3x3x248",
        "the first 64 channels are the input: True",
        "parameters: 758,226, the library's network has 758,226",
        "block1: the convolutions read 64, 96, 128, 160 channels, the output has 192",
        "DenseNet: expected images of at least 29x29 pixels, got 28x28",
        "with the window clipped, block4 gives 1x1x248",
        "epoch 3: loss",
    ],
    "section_4_10_batch_normalization": [
        "after one batch: moving mean [0.3 3. ], a tenth of [ 3. 30.]",
        "after  batch norm: mean [0. 0. 0. 0. 0. 0.], deviation [1. 1. 1. 1. 1. 1.]",
        "parameters: 44,878, those of the recipe lenet_bn_scratch: 44,878",
        "epoch 10: loss",
        "scale of the first layer:",
    ],
}

PLATEAUS = {"section_4_09_googlenet"}
"""Sections whose loss does not decrease within a few steps."""

FIGURES = {
    "section_4_01_convolution": 3,
    "section_4_02_padding_and_stride": 2,
    "section_4_03_channels": 2,
    "section_4_04_pooling": 3,
    "section_4_05_lenet": 3,
    "section_4_06_alexnet": 4,
    "section_4_07_vgg": 4,
    "section_4_08_nin": 4,
    "section_4_09_googlenet": 3,
    "section_4_10_batch_normalization": 5,
    "section_4_11_resnet": 2,
    "section_4_12_densenet": 2,
}
"""The number of figures of each section."""


CHECKS: dict[str, list[Callable[[dict[str, Any]], None]]] = {}
"""What must hold for the global variables of each section."""


def check_of(section):
    """Add a function of the global variables to the checks of a section."""
    return lambda check: CHECKS.setdefault(section, []).append(check)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_prints_draws_and_finds_what_it_says(section, sample, tmp_path, monkeypatch, capsys, subtests):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setattr(data, "load_fashion_mnist", lambda: sample)
    names = runpy.run_path(str(CHAPTER / f"{section}.py"), run_name="__main__")
    plt.close("all")
    printed = capsys.readouterr().out
    for expected in PRINTED[section]:
        with subtests.test(expected):
            assert expected in printed
    with subtests.test("figures"):
        figures = re.findall(r"^figure: (.*)$", printed, re.MULTILINE)
        assert len(figures) == FIGURES[section]
        assert sorted(figures) == sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png"))
    if "losses" in names and section not in PLATEAUS:
        with subtests.test("losses"):
            assert names["losses"][-1] < names["losses"][0]
    for check in CHECKS[section]:
        with subtests.test(check.__name__):
            check(names)


def assert_builds_the_network_of_the_library(names):
    assert names["num_parameters"] == names["recipe"].num_parameters
    assert names["difference"] <= 1e-6


@check_of("section_4_01_convolution")
def the_convolutions_of_the_lesson_equal_the_librarys(names):
    assert names["largest_difference"] < 1e-6
    assert names["layer_difference"] == 0


@check_of("section_4_01_convolution")
def the_edge_is_learned_from_twenty_initial_kernels(names):
    losses, params = names["all_losses"], names["all_variables"]["params"]
    assert losses.shape == (20, 30)
    assert losses[:, -1].max() < 0.1
    assert 0.001 < np.median(losses[:, -1]) < 0.02  # .007 in the book
    np.testing.assert_allclose(params["kernel"], np.broadcast_to([1.0, -1.0], (20, 1, 2)), atol=0.1)
    np.testing.assert_allclose(params["bias"], np.zeros(20), atol=0.1)


@check_of("section_4_01_convolution")
def the_loss_falls_by_the_books_factor_per_five_steps(names):
    losses = np.asarray(names["losses"])
    np.testing.assert_allclose(losses[14:25:5] / losses[19:30:5], 0.88**-10, rtol=0.12)  # 3.6


@check_of("section_4_01_convolution")
def random_pixels_teach_a_kernel_faster_than_a_photograph(names):
    for name, steps in (("photograph", 1000), ("random pixels", 10)):
        eigenvalues, kernels, _ = names["learned"][name]
        np.testing.assert_allclose(kernels[steps - 1], names["SOBEL"], atol=0.05)
        assert (eigenvalues[-1] / eigenvalues[0] > 100) == (name == "photograph")
    assert np.abs(names["learned"]["photograph"][1][99] - names["SOBEL"]).max() > 0.25


@check_of("section_4_02_padding_and_stride")
def padding_and_stride_of_the_lesson_equal_the_librarys(names):
    assert max(names["differences"]) < 1e-5


@check_of("section_4_02_padding_and_stride")
def measured_receptive_fields_equal_the_formula(names):
    assert names["sizes"] == [(size, size) for size in (3, 7, 13, 29)]


@check_of("section_4_02_padding_and_stride")
def a_pixel_is_used_as_often_as_kernels_cover_it(names):
    uses = names["uses"]
    assert [counts[0, 0] for counts in uses.values()] == [1, 4, 1, 1]
    assert [int(counts.sum()) for counts in uses.values()] == [36 * 9, 22**2, 11**2, 6 * 9]


@check_of("section_4_03_channels")
def channels_of_the_lesson_equal_the_librarys(names):
    assert max(names["layout_differences"].values()) < 1e-5


@check_of("section_4_03_channels")
def matrix_product_equals_the_1x1_correlation_and_the_dense_layer(names):
    assert names["difference"] <= 1e-6
    assert names["dense_difference"] <= 1e-6


@check_of("section_4_03_channels")
def a_1x1_convolution_decorrelates_the_colors(names):
    assert abs(names["correlations"]["before"][0, 1]) > 0.8
    assert abs(names["correlations"]["after"][0, 1]) < 0.01


@check_of("section_4_04_pooling")
def pooling_of_the_lesson_equals_the_librarys(names):
    assert max(names["differences"]) < 1e-6


@check_of("section_4_04_pooling")
def pooling_reduces_the_change_by_a_shift_and_stride_alone_does_not(names):
    after_one_pixel = {name: values[1] for name, values in names["changes"].items()}
    assert after_one_pixel["every second pixel"] > 0.95 * after_one_pixel["all pixels"]
    assert after_one_pixel["maximum, 2x2, stride 2"] < 0.75 * after_one_pixel["all pixels"]
    assert after_one_pixel["maximum, 4x4, stride 4"] < 0.75 * after_one_pixel["maximum, 2x2, stride 2"]


@check_of("section_4_04_pooling")
def pooling_keeps_most_responses_to_a_shifted_edge(names):
    assert names["of_edges"] == 0
    assert names["of_maxima"] > 2 / 3


@check_of("section_4_05_lenet")
def sigmoids_make_the_first_gradient_of_lenet_small(names):
    assert_builds_the_network_of_the_library(names)
    sizes = names["gradient_sizes"]
    assert sizes["sigmoid"]["conv1"] < sizes["sigmoid"]["dense3"] / 1000
    assert sizes["relu"]["conv1"] > sizes["relu"]["dense3"] / 10


@check_of("section_4_06_alexnet")
def alexnet_trains_with_relus_and_dropout_keeps_the_mean(names):
    assert_builds_the_network_of_the_library(names)
    assert names["all_losses"]["relu"][-1] < 2 < names["all_losses"]["sigmoid"][-1]
    assert names["between_modes"] > 1e-3
    assert names["error"] < 0.1


@check_of("section_4_07_vgg")
def vgg_sees_150_pixels_and_trains_from_he_initialization(names):
    assert_builds_the_network_of_the_library(names)
    assert (names["stack"] > 0).sum() == (names["single"] > 0).sum() == 49
    assert names["measured"] == names["fields"][-1] == 150
    assert names["spreads"]["He's"] > 10 * names["spreads"]["PyTorch's"]
    assert names["all_losses"]["He's"][-1] < names["all_losses"]["PyTorch's"][-1]


@check_of("section_4_08_nin")
def a_dead_class_of_nin_has_no_gradient_and_stays_dead(names):
    assert_builds_the_network_of_the_library(names)
    assert names["pixel_difference"] < 1e-6
    assert names["dead_at_first"].min() > 0
    assert names["gradient_norms"]["with the last relu"][names["DEAD"]] == 0
    assert names["gradient_norms"]["without it"][names["DEAD"]] > 0
    assert names["recalls"]["He's, one class dead"][names["DEAD"]] == 0


@check_of("section_4_09_googlenet")
def only_he_initialization_keeps_the_images_apart_in_googlenet(names):
    assert names["difference"] < 1e-5
    (*_, of_pytorch), (*_, of_he) = names["between"]
    assert of_pytorch < 1e-5
    assert of_he > 0.1
    assert np.mean(names["losses"][-6:]) > 2.2
    assert np.mean(names["he_losses"][-6:]) < 2.0


@check_of("section_4_10_batch_normalization")
def batch_norm_of_the_lesson_equals_the_librarys(names):
    assert max(names["differences"]) < 1e-5
    assert names["network_difference"] < 1e-6


@check_of("section_4_10_batch_normalization")
def batch_norm_keeps_the_differences_between_images(names):
    without, with_norm = (names["deviations"][name] for name in ("without batch norm", "with batch norm"))
    assert without[0] > 5 * without[1] > 25 * without[2] > 125 * without[3]
    np.testing.assert_allclose(with_norm, 1, atol=0.15)


@check_of("section_4_10_batch_normalization")
def batch_norm_shortens_the_plateau(names):
    last = {name: losses[-1] for name, (losses, _, _) in names["runs"].items()}
    for rate in (0.001, 0.01):
        assert last["with batch norm", rate] < last["without batch norm", rate] - 0.5


@check_of("section_4_10_batch_normalization")
def moving_statistics_are_behind_those_of_the_batch_at_first(names):
    accuracies = names["runs"]["with batch norm", 0.001][2][:5].mean(0)
    assert accuracies[0] > accuracies[1] + 0.05


@check_of("section_4_10_batch_normalization")
def the_first_step_along_the_gradient_gains_more_with_batch_norm(names):
    best = names["best_changes"]
    assert best["with batch norm"][0] < 2 * best["without batch norm"][0] < 0


@check_of("section_4_11_resnet")
def more_blocks_help_only_with_shortcuts(names):
    assert names["difference"] < 1e-5
    final = {tower: losses[-8:].mean() for tower, losses in names["tower_losses"].items()}
    assert final["plain", 20] > final["plain", 4] + 0.2
    assert final["residual", 20] < final["residual", 4] - 0.1
    growth = {tower: norms[0] / norms[-1] for tower, norms in names["norms"].items()}
    assert growth["plain", 20] > 100
    assert growth["residual", 20] < 10


@check_of("section_4_12_densenet")
def densenet_of_the_lesson_equals_the_librarys(names):
    assert names["difference"] < 1e-5
