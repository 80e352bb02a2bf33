import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from jaxcnn import InputError
from jaxcnn.data import Augmentation, Rotation


@functools.cache
def augment(flip, shift):
    return jax.jit(Augmentation(flip, shift))


def shifted(image, rows, columns):
    """The image moved down and to the right, computed pixel by pixel."""
    moved = np.zeros_like(image)
    height, width = image.shape[:2]
    for row in range(height):
        for column in range(width):
            if 0 <= row - rows < height and 0 <= column - columns < width:
                moved[row, column] = image[row - rows, column - columns]
    return moved


@given(
    flip=st.booleans(),
    shift=st.integers(0, 3),
    size=st.sampled_from([(4, 4), (4, 5)]),  # each size is compiled
    seed=st.integers(0, 99),
)
def test_each_image_is_flipped_and_shifted_within_the_limit(flip, shift, size, seed):
    images = np.random.default_rng(seed).integers(1, 256, (4, *size, 2), dtype=np.uint8)
    changed = np.asarray(augment(flip, shift)(jax.random.key(seed), jnp.asarray(images)))
    assert changed.dtype == np.uint8
    assert changed.shape == images.shape
    distances = range(-shift, shift + 1)
    for image, result in zip(images, changed, strict=True):
        sides = (image, image[:, ::-1]) if flip else (image,)
        assert any(
            np.array_equal(result, shifted(side, rows, columns))
            for side in sides
            for rows in distances
            for columns in distances
        )


def test_flips_have_probability_half_and_shifts_are_uniform():
    images = jnp.zeros((20_000, 5, 5, 1), jnp.uint8).at[:, 2, 2].set(1).at[:, 2, 3].set(2)
    changed = np.asarray(jax.jit(Augmentation(flip=True, shift=1))(jax.random.key(0), images))[..., 0]
    rows, columns = (np.nonzero(changed == 1)[axis] for axis in (1, 2))
    for positions in (rows, columns):
        np.testing.assert_allclose(np.bincount(positions)[1:4] / 20_000, 1 / 3, atol=0.015)
    mirrored = np.nonzero(changed == 2)[2] < columns
    assert mirrored.mean() == pytest.approx(0.5, abs=0.015)


def test_the_result_depends_only_on_the_key(sample):
    images = jnp.asarray(sample.train_images[:8])
    augment = jax.jit(Augmentation(flip=True, shift=2))
    once, again, other = (np.asarray(augment(jax.random.key(seed), images)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


def test_str_lists_the_transformations():
    assert [str(Augmentation(*arguments)) for arguments in ((True, 2), (True, 0), (False, 1))] == [
        "flips, shifts to 2", "flips", "shifts to 1"
    ]  # fmt: skip


def test_each_image_is_rotated_by_its_own_angle():
    images = np.random.default_rng(0).integers(0, 256, (6, 9, 12, 3), np.uint8)
    key, rotation = jax.random.key(0), Rotation(40.0)
    turned = np.asarray(jax.jit(rotation)(key, jnp.asarray(images)))
    angles = np.asarray(jax.random.uniform(key, (6,), jnp.float32, np.deg2rad(-40), np.deg2rad(40)))
    assert turned.dtype == np.uint8
    assert len({*angles.tolist()}) == 6
    for image, result, angle in zip(images, turned, angles, strict=True):
        matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        center = np.array([4.0, 5.5])
        for channel in range(3):
            expected = ndimage.affine_transform(
                image[..., channel].astype(float), matrix, center - matrix @ center, order=1, mode="grid-constant"
            )
            np.testing.assert_allclose(result[..., channel], expected, atol=0.51)


def test_rotations_are_uniform_in_their_range():
    line = jnp.zeros((4000, 41, 41, 1), jnp.float32).at[:, 20, 40].set(1.0)  # a point to the right of the center
    turned = np.asarray(jax.jit(Rotation(30.0))(jax.random.key(0), line))[..., 0]
    rows = (turned * np.arange(41)[None, :, None]).sum((1, 2)) / turned.sum((1, 2))
    angles = np.rad2deg(np.arcsin((rows - 20) / 20))
    assert abs(angles).max() < 31
    np.testing.assert_allclose(np.histogram(angles, 4, (-30, 30))[0] / 4000, 0.25, atol=0.03)


def test_a_shift_out_of_view_raises():
    with pytest.raises(InputError, match="shift 4: expected less than 4 pixels, the size of the images"):
        Augmentation(shift=4)(jax.random.key(0), jnp.zeros((1, 4, 5, 1)))
