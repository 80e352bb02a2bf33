import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from strategies import arrays, assert_agrees, dtypes, seeds, thoroughly, x64_if

from jaxcnn.ops import BatchStats, batch_norm, normalization

pytestmark = pytest.mark.usefixtures("with_nans")

jitted = jax.jit(batch_norm, static_argnames=("train", "momentum", "epsilon"))


@st.composite
def batches(draw):
    """Activations, and the parameters and statistics of their channels in single precision."""
    shape = draw(
        st.sampled_from([(4,), (2, 3, 2)]).flatmap(lambda ends: st.tuples(*(st.integers(1, end) for end in ends)))
    )
    channels = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(seeds))
    scale, bias, mean = (rng.normal(size=channels).astype(np.float32) for _ in range(3))
    var = rng.uniform(0, 3, channels).astype(np.float32)
    return draw(arrays((*shape, channels), draw(dtypes))), scale, bias, mean, var


@thoroughly
@given(batches(), st.booleans(), st.sampled_from([0.0, 0.9, 1.0]), st.sampled_from([1e-5, 1e-2]))
def test_equals_the_naive_formula(case, train, momentum, epsilon):
    x, scale, bias, mean, var = case
    with x64_if(x.dtype), np.errstate(invalid="ignore"):
        y, stats = jitted(x, scale, bias, BatchStats(mean, var), train=train, momentum=momentum, epsilon=epsilon)
        x, scale, bias, mean, var = (np.asarray(array, np.float64) for array in case)
        expected, *expected_stats = reference.batch_norm(
            x, scale, bias, mean, var, train=train, momentum=momentum, epsilon=epsilon
        )
        axes = tuple(range(x.ndim - 1))
        size, square = (np.abs(x).mean(axes), np.square(x).mean(axes)) if train else (np.abs(mean), var)
        spread = np.sqrt((x.var(axes) if train else var) + epsilon)
        assert_agrees(y, expected, 4 * (np.abs(scale) * (np.abs(x) + size) / spread + np.abs(bias)))
        assert_agrees(stats.mean, expected_stats[0], np.abs(mean) + size)
        assert_agrees(stats.var, expected_stats[1], var + square)
        assert stats.mean.dtype == stats.var.dtype == np.float32


@st.composite
def wide_batches(draw):
    shape = draw(st.sampled_from([(64, 3), (8, 5, 5, 3)]))
    rng = np.random.default_rng(draw(seeds))
    return jnp.asarray(draw(st.floats(-10, 10)) + draw(st.floats(0.5, 10)) * rng.normal(size=shape), jnp.float32)


@given(wide_batches())
def test_training_gives_every_channel_mean_0_and_variance_1(x):
    zero, one = jnp.zeros(3), jnp.ones(3)
    y, _ = batch_norm(x, one, zero, BatchStats(zero, zero), train=True)
    axes = tuple(range(x.ndim - 1))
    np.testing.assert_allclose(y.mean(axes), zero, atol=4e-5)  # rounding of a mean of up to 20 standard deviations
    np.testing.assert_allclose(y.var(axes), one, rtol=1e-3)


@given(wide_batches(), seeds)
def test_scale_and_bias_are_the_new_spread_and_mean(x, seed):
    rng = np.random.default_rng(seed)
    scale, bias = (jnp.asarray(rng.normal(size=3), jnp.float32) for _ in range(2))
    y, _ = batch_norm(x, scale, bias, BatchStats(jnp.zeros(3), jnp.zeros(3)), train=True)
    axes = tuple(range(x.ndim - 1))
    np.testing.assert_allclose(y.mean(axes), bias, atol=1e-4)
    np.testing.assert_allclose(y.std(axes), jnp.abs(scale), rtol=1e-3)


def test_a_large_mean_does_not_drown_the_variance():
    """As it would if the variance were the mean of squares minus the square of the mean."""
    x = 4096 + jnp.asarray(np.random.default_rng(0).normal(size=(1024, 1)), jnp.float32)
    y, stats = batch_norm(
        x, jnp.ones(1), jnp.zeros(1), BatchStats(jnp.zeros(1), jnp.zeros(1)), train=True, momentum=0.0
    )
    np.testing.assert_allclose(stats.var, np.var(np.asarray(x, np.float64), axis=0), rtol=1e-3)
    np.testing.assert_allclose(y.std(), 1, rtol=1e-3)


def test_half_precision_is_computed_in_float32():
    zero, one = jnp.zeros(1, jnp.float16), jnp.ones(1, jnp.float16)
    x = jnp.array([[-1000], [1000]], jnp.float16)  # its variance exceeds float16
    y, stats = batch_norm(x, one, zero, BatchStats(zero, zero), train=True)
    np.testing.assert_array_equal(y, [[-1], [1]])
    assert y.dtype == stats.mean.dtype == jnp.float16


def test_each_statistic_keeps_its_type():
    stats = BatchStats(jnp.zeros(1, jnp.bfloat16), jnp.ones(1, jnp.float32))
    _, stats = batch_norm(jnp.ones((2, 1)), jnp.ones(1), jnp.zeros(1), stats, train=True)
    assert (stats.mean.dtype, stats.var.dtype) == (jnp.bfloat16, jnp.float32)


@given(seeds)
def test_moving_statistics_follow_the_recurrence_from_zero(seed):
    xs = np.random.default_rng(seed).normal(3, 2, (6, 16, 2)).astype(np.float32)
    stats = BatchStats(jnp.zeros(2), jnp.zeros(2))
    mean = var = np.zeros(2)
    for x in xs:
        _, stats = batch_norm(x, jnp.ones(2), jnp.zeros(2), stats, train=True)
        mean, var = 0.9 * mean + 0.1 * x.mean(0), 0.9 * var + 0.1 * x.var(0)  # NumPy's variance is the biased one
    np.testing.assert_allclose(stats.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(stats.var, var, rtol=1e-5)


def test_prediction_uses_the_moving_statistics_unchanged():
    stats = BatchStats(jnp.array([1.0]), jnp.array([4.0]))
    y, same = batch_norm(jnp.array([[5.0]]), jnp.array([3.0]), jnp.array([0.5]), stats, train=False, epsilon=0.0)
    assert y.item() == 6.5
    assert same == stats


def test_a_batch_without_entries_leaves_the_statistics_unchanged():
    stats = BatchStats(jnp.array([1.0]), jnp.array([4.0]))
    for shape in ((0, 1), (0, 3, 3, 1), (2, 0, 3, 1)):
        y, same = batch_norm(jnp.ones(shape), jnp.ones(1), jnp.zeros(1), stats, train=True)
        assert y.shape == shape
        assert same == stats


def test_scan_over_batches_carries_the_statistics():
    """Statistics keep their type and shape."""
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(6, 16, 2)), jnp.bfloat16)

    def step(stats, x):
        y, stats = batch_norm(x, jnp.ones(2), jnp.zeros(2), stats, train=True)
        return stats, y

    initial = BatchStats(jnp.zeros(2, jnp.float32), jnp.zeros(2, jnp.float32))
    stats, ys = jax.lax.scan(step, initial, xs)
    assert ys.dtype == jnp.bfloat16
    assert stats.mean.dtype == jnp.float32


def test_the_gradient_passes_through_the_batch_statistics():
    """The output does not change when the batch is shifted or scaled, so the gradient is orthogonal to both."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(32, 2)), jnp.float32)
    weights = jnp.asarray(np.random.default_rng(1).normal(size=(32, 2)), jnp.float32)
    stats = BatchStats(jnp.zeros(2), jnp.zeros(2))

    def weighted(x):
        return (batch_norm(x, jnp.ones(2), jnp.zeros(2), stats, train=True, epsilon=1e-12)[0] * weights).sum()

    gradient = jax.grad(weighted)(x)
    np.testing.assert_allclose(gradient.sum(0), np.zeros(2), atol=1e-4)
    np.testing.assert_allclose((gradient * (x - x.mean(0, keepdims=True))).sum(0), np.zeros(2), atol=1e-4)


@st.composite
def batches_of_channels(draw):
    shape = draw(st.sampled_from([(5, 2), (1, 3), (2, 3, 2, 2)]))
    rng = np.random.default_rng(draw(seeds))
    x, dx, weights = (rng.normal(size=shape) for _ in range(3))
    return x, dx, weights, rng.normal(size=(4, 2, shape[-1]))


@given(batches_of_channels())
def test_derivatives_equal_those_of_the_formula(case):
    """Tangents, gradients, and the derivatives of gradients, for all arguments and results."""
    x, dx, weights, ((scale, dscale), (bias, dbias), of_mean, of_var) = case
    axes = tuple(range(x.ndim - 1))

    def with_ops(x, scale, bias, epsilon):
        y, stats = normalization._normalize_batch(x, scale, bias, epsilon)
        return (y * weights).sum() + (stats.mean * of_mean[0] + stats.var * of_var[0]).sum()

    def formula(x, scale, bias, epsilon):
        mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        scale, bias = (array.reshape(mean.shape) for array in (scale, bias))
        y = scale * (x - mean) / jnp.sqrt(var + epsilon) + bias
        return (y * weights).sum() + (mean.ravel() * of_mean[0] + var.ravel() * of_var[0]).sum()

    with jax.enable_x64(True):
        primals, tangents = (x, scale, bias, 0.1), (dx, dscale, dbias, 0.5)
        for ours, expected in zip(
            *(jax.jvp(jax.value_and_grad(each, (0, 1, 2, 3)), primals, tangents) for each in (with_ops, formula)),
            strict=True,
        ):
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9), ours, expected)


def test_vmap_equals_a_loop():
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4, 2)), jnp.float32)
    stats = BatchStats(jnp.zeros(2), jnp.zeros(2))

    def weighted(x):
        return (batch_norm(x, jnp.ones(2), jnp.zeros(2), stats, train=True)[0] * jnp.arange(8.0).reshape(4, 2)).sum()

    together = jax.vmap(jax.value_and_grad(weighted))(xs)
    apart = [jax.value_and_grad(weighted)(x) for x in xs]
    for number in range(2):
        np.testing.assert_allclose(together[number], jnp.stack([each[number] for each in apart]), rtol=1e-5, atol=1e-5)
