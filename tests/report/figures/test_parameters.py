import numpy as np
import pytest
from drawings import drawn_images

from jaxcnn.report import figures


@pytest.mark.parametrize("channels", [3, 4])
def test_kernels_of_color_images_are_drawn_in_color(channels):
    kernel = np.zeros((3, 3, channels, 2), np.float32)
    kernel[:, :, 0, 0], kernel[:, :, 2, 1] = 1, -1
    first, second = drawn_images(figures.draw_kernels(kernel))
    np.testing.assert_array_equal(first[0, 0], (255, 127, 127, 255))
    np.testing.assert_array_equal(second[0, 0], (127, 127, 0, 255))


def test_kernels_of_other_images_show_the_first_input_channel():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype(np.float32)
    changed = kernel.copy()
    changed[:, :, 1] = 0
    assert figures.draw_kernels(kernel) == figures.draw_kernels(changed)
