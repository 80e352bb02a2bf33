import numpy as np
import pytest
from drawings import drawn_images, drawn_texts

from jaxcnn.report import figures


@pytest.mark.parametrize("color", [(200, 100, 50), (200, 100, 50, 255)])
def test_images_are_drawn_in_their_colors(color):
    image = np.tile(np.uint8(color), (4, 4, 1))
    for svg in (figures.draw_pictures(image[None], ["title"]), figures.draw_feature_maps(image, [])):
        (drawn, *_) = drawn_images(svg)
        np.testing.assert_array_equal(drawn[0, 0], (200, 100, 50, 255))


def test_gray_images_are_drawn_in_gray():
    (drawn,) = drawn_images(figures.draw_pictures(np.full((1, 4, 4, 1), 128, np.uint8), ["title"]))
    np.testing.assert_array_equal(drawn[0, 0], (128, 128, 128, 255))


def test_long_titles_are_wrapped():
    svg = figures.draw_pictures(np.zeros((1, 4, 4, 1), np.uint8), ["a title of many words that is long"], columns=5)
    assert max(map(len, drawn_texts(svg))) <= 14
