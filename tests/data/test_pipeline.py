import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.data.pipeline import epoch_order, prepare_images


def test_uint8_is_scaled_to_the_unit_interval():
    prepared = prepare_images(jnp.array([0, 51, 255], jnp.uint8).reshape(1, 1, 3, 1))
    np.testing.assert_allclose(prepared.ravel(), [0, 0.2, 1], rtol=1e-6)


def test_floats_are_not_changed():
    images = jnp.full((1, 2, 2, 1), 0.3, jnp.bfloat16)
    assert prepare_images(images) is images


def test_other_integer_types_are_refused():
    with pytest.raises(ValueError, match="int32"):
        prepare_images(jnp.zeros((1, 2, 2, 1), jnp.int32))


def test_resizing_is_bilinear_with_half_pixel_centers():
    ramp = jnp.array([[0.0, 1.0]]).reshape(1, 1, 2, 1)
    resized = prepare_images(ramp, 4)
    np.testing.assert_allclose(resized[0, 0, :, 0], [0, 0.25, 0.75, 1])


def test_images_of_the_requested_size_are_not_changed():
    images = jnp.ones((1, 28, 28, 1))
    assert prepare_images(images, 28) is images


def test_epoch_order_is_a_permutation_given_by_the_key():
    one, same, other = (np.asarray(epoch_order(jax.random.key(seed), 1000)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(np.sort(one), np.arange(1000))
    np.testing.assert_array_equal(one, same)
    assert (one != other).mean() > 0.9
