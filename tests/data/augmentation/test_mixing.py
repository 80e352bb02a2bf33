import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxcnn.data import CutMix, Mixup, OneOf

IMAGES = np.random.default_rng(0).random((64, 6, 8, 2), np.float32)
LABELS = np.arange(64) % 10


def mix(mixing, seed=0, images=IMAGES, labels=LABELS):
    return jax.tree.map(np.asarray, jax.jit(mixing)(jax.random.key(seed), jnp.asarray(images), jnp.asarray(labels)))


def test_mixup_averages_each_image_with_its_partner():
    mixed = mix(Mixup(1.0))
    np.testing.assert_array_equal(mixed.other_labels, LABELS[::-1])
    for index, share in enumerate(mixed.shares):
        assert 0.5 <= share <= 1
        expected = share * IMAGES[index] + (1 - share) * IMAGES[63 - index]
        np.testing.assert_allclose(mixed.images[index], expected, rtol=1e-5)


def test_cutmix_exchanges_a_rectangle_and_its_share():
    mixed = mix(CutMix(1.0))
    np.testing.assert_array_equal(mixed.other_labels, LABELS[::-1])
    for index, share in enumerate(mixed.shares):
        is_other = (mixed.images[index] == IMAGES[63 - index]).all(axis=-1)
        np.testing.assert_array_equal(mixed.images[index][~is_other], IMAGES[index][~is_other])
        rows, columns = is_other.any(axis=1).sum(), is_other.any(axis=0).sum()
        assert is_other.sum() == rows * columns
        assert share == pytest.approx(1 - is_other.mean())
    assert mixed.shares.min() < 0.7


@pytest.mark.parametrize("size", [8, 28])
def test_an_image_keeps_at_least_half_of_itself(size):
    images = np.zeros((4000, size, size, 1), np.float32)
    assert mix(CutMix(1.0), images=images, labels=np.zeros(4000, int)).shares.min() >= 0.5


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_shares_have_the_distribution_of_the_paper(alpha):
    shares = mix(Mixup(alpha), images=np.zeros((4000, 1, 1, 1), np.float32), labels=np.zeros(4000, int)).shares
    beta = stats.beta(alpha, alpha)
    for bound in (0.6, 0.7, 0.8, 0.9, 0.99):
        assert (shares <= bound).mean() == pytest.approx(beta.cdf(bound) - beta.cdf(1 - bound), abs=0.02)


def test_each_image_is_mixed_by_one_of_two():
    images = np.zeros((2000, 4, 4, 1), np.float32)
    images[1000:] = 1
    mixed = mix(OneOf(Mixup(1.0), CutMix(1.0)), images=images, labels=np.zeros(2000, int))
    is_mixup = ~np.isin(mixed.images, (0, 1)).all((1, 2, 3))
    assert is_mixup.mean() == pytest.approx(0.5, abs=0.04)
    own = np.where(images.mean((1, 2, 3)) == 1, mixed.images.mean((1, 2, 3)), 1 - mixed.images.mean((1, 2, 3)))
    np.testing.assert_allclose(own, mixed.shares, atol=1e-5)


def test_the_result_depends_only_on_the_key():
    for mixing in (Mixup(0.2), CutMix(1.0)):
        jax.tree.map(np.testing.assert_array_equal, mix(mixing), mix(mixing))
        assert (mix(mixing).images != mix(mixing, seed=1).images).any()
