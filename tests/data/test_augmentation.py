import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcnn import InputError
from jaxcnn.data import Augmentation, Chain, Cutout, RandomErasing, name_augmentation, parse_augmentation


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
    size=st.sampled_from([(1, 1), (4, 5)]),  # each size is compiled
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


def test_sides_are_cut_to_those_of_the_image():
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


def test_a_chain_gives_each_augmentation_its_own_key():
    images = jnp.asarray(np.random.default_rng(0).integers(1, 256, (64, 8, 8, 1), np.uint8))
    twice = Chain((Cutout(2), Cutout(2)))(jax.random.key(0), images)
    assert ((np.asarray(twice) == 0).sum((1, 2, 3)) > 4).any()  # the two squares differ
    flips = Augmentation(flip=True)
    first = jax.random.fold_in(jax.random.key(0), 0)
    np.testing.assert_array_equal(Chain((flips,))(jax.random.key(0), images), flips(first, images))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", None),
        ("flip", Augmentation(flip=True)),
        ("shift:2", Augmentation(flip=False, shift=2)),
        ("flip,shift:2", Augmentation(flip=True, shift=2)),
        ("erase:0.5", RandomErasing(0.5)),
        ("erase:0.1234567", RandomErasing(0.1234567)),
        ("flip,erase:0.25,cutout:8", Chain((Augmentation(flip=True), RandomErasing(0.25), Cutout(8)))),
    ],
)
def test_augmentations_have_names(text, expected):
    assert parse_augmentation(text) == expected
    assert name_augmentation(expected) == text


def test_the_order_of_the_names_does_not_matter():
    assert parse_augmentation("erase:1,shift:1,flip") == parse_augmentation("flip,shift:1,erase:1")


def test_an_augmentation_of_ones_own_has_no_name():
    assert name_augmentation(RandomErasing(0.5, max_area=0.2)) is None
    assert name_augmentation(lambda _, images: images) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected none, or some of flip, shift:2"),
        ("flop", "--augment flop: expected none"),
        ("flip:2", "--augment flip:2"),
        ("shift", "--augment shift: expected none"),
        ("flip,flip", "each once"),
        ("shift:two", "'two' is not an integer"),
        ("shift:2.5", r"'2\.5' is not an integer"),
        ("erase:half", "'half' is not a number"),
        ("shift:0", "--augment shift:0: expected a shift of 1 pixel or more"),
        ("shift:-1", "--augment shift:-1: shift -1: expected an integer, 0 or more"),
        ("erase:2", r"erase 2\.0: expected a probability, from 0 to 1"),
        ("cutout:0", "cutout 0: expected the side of a square"),
        ("none,flip", "--augment none,flip"),
    ],
)
def test_unknown_names_and_numbers_out_of_range_raise(text, message):
    with pytest.raises(InputError, match=message):
        parse_augmentation(text)


@pytest.mark.parametrize("areas", [(0.0, 0.5), (0.5, 0.4), (0.5, 1.5)])
def test_invalid_areas_raise(areas):
    with pytest.raises(InputError, match="min_area <= max_area <= 1"):
        RandomErasing(0.5, *areas)
    with pytest.raises(InputError, match=r"max_aspect 0\.5: expected 1 or more"):
        RandomErasing(0.5, max_aspect=0.5)
