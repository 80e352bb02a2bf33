import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data import Brightness


def test_each_image_is_multiplied_by_its_own_factor():
    images = np.random.default_rng(0).integers(1, 100, (200, 4, 4, 3), np.uint8)
    changed = np.asarray(jax.jit(Brightness(0.5))(jax.random.key(0), jnp.asarray(images)))
    assert changed.dtype == np.uint8
    factors = changed.sum((1, 2, 3)) / images.sum((1, 2, 3))
    assert 0.49 < factors.min() < 0.55
    assert 1.45 < factors.max() < 1.51
    np.testing.assert_allclose(changed, images * factors[:, None, None, None], atol=1.2)


def test_bright_pixels_are_clipped_to_the_maximum():
    key = jax.random.key(1)
    assert int(Brightness(1.0)(key, jnp.full((50, 2, 2, 1), 255, jnp.uint8)).max()) == 255
    floats = Brightness(1.0)(key, jnp.ones((50, 2, 2, 1), jnp.float32))
    assert floats.dtype == jnp.float32
    assert float(floats.max()) == 1.0
