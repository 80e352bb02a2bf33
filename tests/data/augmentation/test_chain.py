import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data import Augmentation, Chain, Cutout


def test_a_chain_gives_each_augmentation_its_own_key():
    images = jnp.asarray(np.random.default_rng(0).integers(1, 256, (64, 8, 8, 1), np.uint8))
    twice = Chain((Cutout(2), Cutout(2)))(jax.random.key(0), images)
    assert ((np.asarray(twice) == 0).sum((1, 2, 3)) > 4).any()  # the two squares differ
    flips = Augmentation(flip=True)
    first = jax.random.fold_in(jax.random.key(0), 0)
    np.testing.assert_array_equal(Chain((flips,))(jax.random.key(0), images), flips(first, images))
