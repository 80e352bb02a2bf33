"""Properties of every operation."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from jax.test_util import check_grads
from modes import every_mode
from strategies import x64_if

from jaxcnn import ops
from jaxcnn.ops.platforms import fixed_form

STATS = ops.BatchStats(np.array([0.5, -1.0]), np.array([2.0, 0.5]))

CALLS = {
    "corr2d": (ops.corr2d, [(5, 6), (2, 3)]),
    "corr2d_multi_in": (ops.corr2d_multi_in, [(2, 5, 6), (2, 2, 3)]),
    "corr2d_multi_in_out": (ops.corr2d_multi_in_out, [(2, 5, 6), (3, 2, 2, 3)]),
    "corr2d_multi_in_out_1x1": (ops.corr2d_multi_in_out_1x1, [(2, 5, 6), (3, 2, 1, 1)]),
    "conv2d": (partial(ops.conv2d, strides=2, padding=((0, 1), (1, 0))), [(2, 5, 6, 2), (2, 3, 2, 3), (3,)]),
    "pool2d, max": (partial(ops.pool2d, window_shape=2), [(5, 6)]),
    "pool2d, avg": (partial(ops.pool2d, window_shape=2, mode="avg"), [(5, 6)]),
    "max_pool2d": (partial(ops.max_pool2d, window_shape=3, strides=2, padding=1), [(2, 5, 6, 2)]),
    "max_pool2d, default strides": (partial(ops.max_pool2d, window_shape=2), [(2, 5, 6, 2)]),
    "avg_pool2d": (partial(ops.avg_pool2d, window_shape=(3, 2), strides=2, padding=1), [(2, 5, 6, 2)]),
    "global_avg_pool2d": (ops.global_avg_pool2d, [(2, 5, 6, 2)]),
    "batch_norm, training": (partial(ops.batch_norm, stats=STATS, train=True), [(3, 5, 6, 2), (2,), (2,)]),
    "batch_norm, prediction": (partial(ops.batch_norm, stats=STATS, train=False), [(6, 2), (2,), (2,)]),
}
every_operation = pytest.mark.parametrize(("operation", "shapes"), CALLS.values(), ids=CALLS)


def numbers(shapes, dtype=np.float32, *, copies=()):
    """Distinct numbers, so far apart that finite differences do not move a maximum."""
    rng = np.random.default_rng(0)
    sizes = [(*copies, *shape) for shape in shapes]
    return [(rng.permutation(np.prod(size)) / 8 + 1).reshape(size).astype(dtype) for size in sizes]


def assert_trees_close(ours, theirs, tolerance=1e-4):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), ours, theirs)


@every_operation
def test_compiles_without_loops(operation, shapes):
    arrays = numbers(shapes)
    value, pull_back = jax.vjp(operation, *arrays)
    for program in (jax.make_jaxpr(operation)(*arrays), jax.make_jaxpr(pull_back)(value)):
        assert not re.search(r"\b(while|scan)\[", str(program))


def all_derivatives(operation, arrays):
    """The value of `operation`, its first derivatives in both directions, and the second derivative."""

    def total(*arrays):
        return jnp.sin(jax.tree.leaves(operation(*arrays))[0]).sum()

    slopes = jax.grad(total, range(len(arrays)))
    return {
        "value": operation(*arrays),
        "forward": jax.jvp(operation, arrays, arrays),
        "reverse": slopes(*arrays),
        "forward over reverse": jax.jvp(slopes, arrays, arrays),
    }


@every_operation
def test_all_platforms_have_the_same_values_and_derivatives(operation, shapes):
    arrays = tuple(map(jnp.asarray, numbers(shapes)))
    on_cpu = all_derivatives(operation, arrays)
    jax.clear_caches()
    with fixed_form("default"):
        elsewhere = all_derivatives(operation, arrays)
    jax.clear_caches()
    assert_trees_close(elsewhere, on_cpu, 1e-3)


@every_operation
@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_accelerators_get_no_form_for_cpus(operation, shapes, platform):
    def value_and_slopes(*arrays):
        value, pull_back = jax.vjp(operation, *arrays)
        return value, pull_back(value)

    program = jax.jit(value_and_slopes).trace(*numbers(shapes)).lower(lowering_platforms=(platform,))
    assert "cpu_form" not in program.as_text(debug_info=True)


@every_operation
def test_jit_gives_the_same_result(operation, shapes):
    arrays = numbers(shapes)
    assert_trees_close(jax.jit(operation)(*arrays), operation(*arrays), 1e-5)


@every_operation
@pytest.mark.parametrize("axis", ["first", "last"])
def test_vmap_over_any_axis_equals_a_loop(operation, shapes, axis):
    arrays = numbers(shapes, copies=(3,))
    one_by_one = [operation(*each) for each in zip(*arrays, strict=True)]
    placed = arrays if axis == "first" else [np.moveaxis(array, 0, -1) for array in arrays]
    together = jax.vmap(operation, in_axes=0 if axis == "first" else -1)(*placed)
    assert_trees_close(together, jax.tree.map(lambda *each: jnp.stack(each), *one_by_one))


@every_operation
def test_vmap_over_one_argument_equals_a_loop(operation, shapes):
    copies, single = numbers(shapes, copies=(3,)), numbers(shapes)
    for place in range(len(shapes)):
        arrays = [copies[i] if i == place else single[i] for i in range(len(shapes))]
        in_axes = [0 if i == place else None for i in range(len(shapes))]
        one_by_one = [operation(*arrays[:place], each, *arrays[place + 1 :]) for each in copies[place]]
        together = jax.vmap(operation, in_axes=in_axes)(*arrays)
        assert_trees_close(together, jax.tree.map(lambda *each: jnp.stack(each), *one_by_one))


@every_operation
def test_vmap_of_vmap_of_a_gradient_equals_a_loop(operation, shapes):
    def slopes(*arrays):
        return jax.grad(lambda *arrays: jnp.sin(jax.tree.leaves(operation(*arrays))[0]).sum(), range(len(shapes)))(
            *arrays
        )

    arrays = numbers(shapes, copies=(2, 2))
    together = jax.vmap(jax.vmap(slopes))(*arrays)
    one_by_one = [[slopes(*(array[i, j] for array in arrays)) for j in range(2)] for i in range(2)]
    rows = [jax.tree.map(lambda *each: jnp.stack(each), *row) for row in one_by_one]
    assert_trees_close(together, jax.tree.map(lambda *each: jnp.stack(each), *rows), 1e-3)


@every_operation
def test_vmap_over_no_examples_gives_none_and_no_gradients(operation, shapes):
    one = jax.tree.leaves(operation(*numbers(shapes)))[0]
    value, pull_back = jax.vjp(jax.vmap(operation), *(jnp.ones((0, *shape)) for shape in shapes))
    assert jax.tree.leaves(value)[0].shape == (0, *one.shape)
    assert [slope.shape for slope in pull_back(value)] == [(0, *shape) for shape in shapes]


EMPTY = {
    "conv2d as a product, no images": (ops.conv2d, [(0, 9, 9, 1), (3, 3, 1, 4), (4,)], (0, 7, 7, 4)),
    "conv2d by XLA, no images": (ops.conv2d, [(0, 9, 9, 9), (3, 3, 9, 4), (4,)], (0, 7, 7, 4)),
    "conv2d 1x1, no images": (ops.conv2d, [(0, 9, 9, 3), (1, 1, 3, 4), (4,)], (0, 9, 9, 4)),
    "conv2d, no input channels": (ops.conv2d, [(2, 9, 9, 0), (3, 3, 0, 4), (4,)], (2, 7, 7, 4)),
    "conv2d, no output channels": (ops.conv2d, [(2, 9, 9, 3), (3, 3, 3, 0), (0,)], (2, 7, 7, 0)),
    "corr2d_multi_in, no channels": (ops.corr2d_multi_in, [(0, 9, 9), (0, 3, 3)], (7, 7)),
    "max_pool2d, no images": (partial(ops.max_pool2d, window_shape=3), [(0, 9, 9, 2)], (0, 3, 3, 2)),
    "max_pool2d, no channels": (partial(ops.max_pool2d, window_shape=3), [(2, 9, 9, 0)], (2, 3, 3, 0)),
    "avg_pool2d, no images": (partial(ops.avg_pool2d, window_shape=3), [(0, 9, 9, 2)], (0, 3, 3, 2)),
    "global_avg_pool2d, no images": (ops.global_avg_pool2d, [(0, 9, 9, 2)], (0, 2)),
    "batch_norm, no images": (CALLS["batch_norm, training"][0], [(0, 9, 9, 2), (2,), (2,)], (0, 9, 9, 2)),
}  # fmt: skip


@pytest.mark.parametrize(("operation", "shapes", "expected"), EMPTY.values(), ids=EMPTY)
def test_empty_axes_give_what_a_sum_over_nothing_is(operation, shapes, expected):
    def output(*arrays):
        return jax.tree.leaves(operation(*arrays))[0]

    *arrays, last = (jnp.ones(shape) for shape in shapes)
    y, pull_back = jax.vjp(output, *arrays, last)
    has_bias = len(shapes) == 3
    np.testing.assert_array_equal(y, np.full(expected, float(has_bias)))
    *slopes, of_last = pull_back(y)
    for slope, shape in zip(slopes, shapes, strict=False):
        np.testing.assert_array_equal(slope, np.zeros(shape))
    np.testing.assert_array_equal(of_last, np.full(shapes[-1], float(has_bias and y.size / max(1, y.shape[-1]))))


@every_operation
def test_derivatives_equal_finite_differences(operation, shapes):
    with jax.enable_x64(True):
        check_grads(operation, tuple(numbers(shapes, np.float64)), order=2, modes=("fwd", "rev"), atol=1e-3, rtol=1e-3)


@every_operation
@pytest.mark.parametrize(
    ("given", "returned"),
    [
        (jnp.float32, jnp.float32),
        (jnp.bfloat16, jnp.bfloat16),
        (jnp.float16, jnp.float16),
        (jnp.float64, jnp.float64),
        (jnp.int32, jnp.float32),
        (jnp.uint8, jnp.float32),
        (jnp.bool_, jnp.float32),
    ],
)
def test_floats_keep_their_type_and_integers_are_converted(operation, shapes, given, returned):
    with x64_if(given):
        y = operation(*(np.ones(shape, given) for shape in shapes))
    assert jax.tree.leaves(y)[0].dtype == returned


@every_operation
@every_mode
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.uint8])
def test_modes_of_jax_do_not_change_the_type(operation, shapes, mode, dtype):
    arrays = [np.ones(shape, dtype) for shape in shapes]
    with mode():
        y, pull_back = jax.eval_shape(lambda *arrays: jax.vjp(operation, *arrays), *arrays)
        if dtype != jnp.uint8:
            jax.eval_shape(lambda pull_back, y: pull_back(y), pull_back, y)
        assert jax.tree.leaves(y)[0].dtype == (jnp.ones(()).dtype if dtype == jnp.uint8 else dtype)


@every_operation
def test_nan_checks_find_none_in_value_and_gradients(operation, shapes):
    with jax.debug_nans(True):
        slopes = jax.jit(jax.grad(lambda *arrays: jax.tree.leaves(operation(*arrays))[0].sum(), range(len(shapes))))
        assert all(np.isfinite(slope).all() for slope in slopes(*numbers(shapes)))


@every_operation
def test_complex_numbers_raise(operation, shapes):
    with pytest.raises(ValueError, match="unsupported array type complex64: expected float16"):
        jax.eval_shape(operation, *(np.ones(shape, np.complex64) for shape in shapes))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64])
@pytest.mark.parametrize("kernel_size", [4, 7, 11])
def test_large_kernels_work_in_every_type(dtype, kernel_size):
    rng = np.random.default_rng(0)
    with x64_if(dtype):
        x, k = (jnp.asarray(rng.integers(-2, 3, size), dtype) for size in ((24, 24), (kernel_size, kernel_size)))
        expected = reference.corr2d(np.asarray(x, np.float64), np.asarray(k, np.float64))
        tolerance = float(jnp.finfo(dtype).eps)
        results = [
            ops.corr2d(x, k),
            ops.corr2d_multi_in_out(x[None], k[None, None])[0],
            ops.conv2d(x[None, :, :, None], k[:, :, None, None])[0, :, :, 0],
        ]
        for y in results:
            np.testing.assert_allclose(np.asarray(y, np.float64), expected, rtol=tolerance)
        slope = jax.grad(lambda k: ops.corr2d(x, k).astype(jnp.float32).sum())(k)
        windows = reference.corr2d(np.asarray(x, np.float64), np.ones(expected.shape))
        np.testing.assert_allclose(np.asarray(slope, np.float64), windows, rtol=4 * tolerance, atol=4 * tolerance)


def test_numpy_integers_are_accepted_as_sizes():
    two = np.int64(2)
    x, kernel = np.ones((1, 6, 6, 1), np.float32), np.ones((3, 3, 1, 1), np.float32)
    assert ops.conv2d(x, kernel, strides=two, padding=(two, (two, 1))).shape == (1, 4, 4, 1)
    assert ops.max_pool2d(x, two).shape == (1, 3, 3, 1)


@every_mode
def test_mixed_types_are_promoted_to_the_common_type(mode):
    x, kernel = np.ones((1, 3, 3, 1), np.float16), np.ones((2, 2, 1, 1), np.float32)
    half = ops.BatchStats(jnp.zeros(1, jnp.bfloat16), jnp.ones(1, jnp.float16))
    with mode():
        assert ops.conv2d(x, kernel).dtype == np.float32
        assert ops.conv2d(x.astype(np.uint8), kernel.astype(jnp.bfloat16)).dtype == jnp.bfloat16
        y, stats = ops.batch_norm(x, kernel[0, 0, 0], kernel[0, 0, 0], half, train=True)
        assert (y.dtype, stats.mean.dtype, stats.var.dtype) == (np.float16, jnp.bfloat16, np.float16)
