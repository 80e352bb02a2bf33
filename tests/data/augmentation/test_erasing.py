import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import InputError
from jaxcnn.data import Cutout, RandomErasing


def rectangle_of(erased):
    """The rows and columns of the zeros in an image that had none before; it fails if they are not a rectangle."""
    rows, columns = np.nonzero(erased.all(-1) == 0)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    assert (erased[top:bottom, left:right] == 0).all()
    assert len(rows) == (bottom - top) * (right - left)
    return top, bottom, left, right


erase = jax.jit(RandomErasing(1.0, 0.1, 0.3, 2.0))
cut = jax.jit(Cutout(4))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_rectangle_is_erased_within_its_limits(dtype):
    images = np.random.default_rng(0).integers(1, 256, (200, 24, 30, 2)).astype(dtype)
    erased = np.asarray(erase(jax.random.key(0), jnp.asarray(images)))
    assert erased.dtype == dtype
    np.testing.assert_array_equal(erased[erased > 0], images[erased > 0])
    found = np.array([rectangle_of(image) for image in erased])
    height, width = found[:, 1] - found[:, 0], found[:, 3] - found[:, 2]
    share = height * width / (24 * 30)
    assert 0.08 < share.min() < 0.12
    assert 0.27 < share.max() < 0.33
    assert 0.4 < (height / width).min() < (height / width).max() < 2.5
    assert found.min() == 0
    assert found[:, 1].max() == 24
    assert found[:, 3].max() == 30


def test_sides_are_clipped_to_those_of_the_image():
    images = jnp.ones((50, 3, 40, 1), jnp.uint8)
    erased = np.asarray(jax.jit(RandomErasing(1.0, 0.9, 1.0, 3.3))(jax.random.key(0), images))
    assert all(rectangle_of(image)[:2] == (0, 3) for image in erased)


def test_the_probability_of_erasing():
    images = jnp.ones((5000, 4, 4, 1), jnp.uint8)
    for probability in (0.0, 0.3, 1.0):
        erased = np.asarray(jax.jit(RandomErasing(probability))(jax.random.key(0), images))
        assert (erased == 0).any((1, 2, 3)).mean() == pytest.approx(probability, abs=0.02)


def test_cutout_is_centered_on_a_pixel_of_the_image():
    images = np.random.default_rng(0).integers(1, 256, (500, 6, 9, 1), np.uint8)
    erased = np.asarray(cut(jax.random.key(0), jnp.asarray(images)))
    np.testing.assert_array_equal(erased[erased > 0], images[erased > 0])
    found = {rectangle_of(image) for image in erased}
    assert found == {
        (max(row - 2, 0), min(row + 2, 6), max(column - 2, 0), min(column + 2, 9))
        for row in range(6)
        for column in range(9)
    }


@pytest.mark.parametrize("areas", [(0.0, 0.5), (0.5, 0.4), (0.5, 1.5)])
def test_invalid_areas_raise(areas):
    with pytest.raises(InputError, match="min_area <= max_area <= 1"):
        RandomErasing(0.5, *areas)
    with pytest.raises(InputError, match=r"max_aspect 0\.5: expected 1 or more"):
        RandomErasing(0.5, max_aspect=0.5)
