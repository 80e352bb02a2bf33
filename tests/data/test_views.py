import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import InputError
from jaxcnn.data import Views, parse_views


def test_the_views_are_shifted_and_mirrored_copies():
    image = np.arange(1, 13, dtype=np.uint8).reshape(1, 3, 4, 1)
    views = np.asarray(Views(flip=True, shift=1)(jnp.asarray(image)))
    expected = [image]
    for axis, step in ((1, -1), (1, 1), (2, -1), (2, 1)):  # up, down, left, right
        moved = np.roll(image, step, axis)
        np.moveaxis(moved, axis, 0)[0 if step == 1 else -1] = 0
        expected.append(moved)
    expected += [view[:, :, ::-1] for view in expected]
    np.testing.assert_array_equal(views, np.stack(expected))


@pytest.mark.parametrize(
    ("text", "expected"), [("flip", Views(True)), ("shift", Views(shift=1)), ("shift:2,flip", Views(True, 2))]
)
def test_views_have_names(text, expected):
    assert parse_views(text) == expected


@pytest.mark.parametrize(
    "text", ["", "flop", "flip:1", "flip,flip", "shift:0", "shift:x", "shift:", "shift:-1", "erase"]
)
def test_other_names_raise(text):
    with pytest.raises(InputError, match=f"--tta {text}: expected flip, shift:PIXELS"):
        parse_views(text)


def test_a_shift_out_of_view_raises():
    with pytest.raises(InputError, match="shift 3: expected less than 3 pixels, the size of the images"):
        Views(shift=3)(jnp.zeros((1, 3, 4, 1)))
