"""Invalid arguments of every operation, and positional ones."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import ops

ONES = ops.BatchStats(np.ones(3), np.ones(3))


@pytest.mark.parametrize(
    ("operation", "shapes", "arguments", "message"),
    [
        (ops.corr2d, [(4,), (2, 2)], {}, r"corr2d: expected x \(H, W\) and k \(h, w\), got x \(4\) and k \(2, 2\)"),
        (ops.corr2d, [(2, 4), (3, 3)], {}, "window of 3x3 does not fit in an input of 2x4"),
        (ops.corr2d, [(2, 4), (0, 3)], {}, r"kernel size \(0, 3\): expected at least 1"),
        (ops.corr2d, [(0, 4), (1, 1)], {}, r"input size \(0, 4\): expected at least 1"),
        (ops.corr2d_multi_in, [(2, 4, 4), (3, 2, 2)], {}, "C_in is both 2 and 3"),
        (ops.corr2d_multi_in, [(4, 4), (2, 2)], {}, r"got x \(4, 4\) and k \(2, 2\)"),
        (ops.corr2d_multi_in, [(2, 4, 4), (2, 5, 2)], {}, "window of 5x2 does not fit"),
        (ops.corr2d_multi_in_out, [(2, 4, 4), (3, 3, 2, 2)], {}, "C_in is both 2 and 3"),
        (ops.corr2d_multi_in_out, [(2, 4, 4), (2, 2, 2)], {}, r"k \(C_out, C_in, h, w\)"),
        (ops.corr2d_multi_in_out, [(2, 4, 4), (1, 2, 5, 5)], {}, "window of 5x5 does not fit"),
        (ops.corr2d_multi_in_out_1x1, [(2, 4, 4), (3, 3, 1, 1)], {}, "C_in is both 2 and 3"),
        (ops.corr2d_multi_in_out_1x1, [(2, 4, 4), (3, 2, 1, 2)], {}, r"expected 1x1 kernels.*got k \(3, 2, 1, 2\)"),
        (ops.conv2d, [(1, 4, 4, 3), (2, 2, 1, 1)], {}, "C_in is both 3 and 1"),
        (ops.conv2d, [(4, 4, 1), (2, 2, 1, 1)], {}, r"x \(N, H, W, C_in\).*got x \(4, 4, 1\)"),
        (ops.conv2d, [(1, 4, 4, 1), (2, 2)], {}, r"kernel \(2, 2\)"),
        (ops.conv2d, [(1, 4, 4, 1), (2, 2, 1, 3), (2,)], {}, "C_out is both 3 and 2"),
        (ops.conv2d, [(1, 2, 2, 1), (3, 3, 1, 1)], {}, "window of 3x3 does not fit in an input of 2x2"),
        (ops.conv2d, [(1, 4, 4, 1), (2, 2, 1, 1)], {"strides": 0}, "strides 0: expected at least 1"),
        (ops.conv2d, [(1, 4, 4, 1), (2, 2, 1, 1)], {"strides": (1, -2)}, r"strides \(1, -2\): expected at least 1"),
        (ops.conv2d, [(1, 4, 4, 1), (2, 2, 1, 1)], {"padding": -1}, "padding -1: expected at least 0"),
        (ops.conv2d, [(1, 4, 4, 1), (2, 2, 1, 1)], {"padding": ((0, -1), 0)}, r"padding \(\(0, -1\), 0\): expected"),
        (ops.pool2d, [(1, 4, 4)], {"window_shape": 2}, r"pool2d: expected x \(H, W\), got x \(1, 4, 4\)"),
        (ops.pool2d, [(4, 4)], {"window_shape": (5, 1)}, "window of 5x1 does not fit"),
        (ops.pool2d, [(4, 4)], {"window_shape": 2, "mode": "min"}, "mode 'min': expected 'max' or 'avg'"),
        *(
            case
            for pool in (ops.max_pool2d, ops.avg_pool2d)
            for case in [
                (pool, [(4, 4, 1)], {"window_shape": 2}, r"pool2d: expected x \(N, H, W, C\), got x \(4, 4, 1\)"),
                (pool, [(1, 4, 4, 1)], {"window_shape": 0}, "window shape 0: expected at least 1"),
                (pool, [(1, 4, 4, 1)], {"window_shape": 2, "strides": 0}, "strides 0: expected at least 1"),
                (pool, [(1, 4, 4, 1)], {"window_shape": 2, "padding": -1}, "padding -1: expected at least 0"),
                (pool, [(1, 4, 4, 1)], {"window_shape": 2, "padding": 2}, "expected at most half the window"),
                (pool, [(1, 4, 4, 1)], {"window_shape": 3, "padding": (0, 2)}, "expected at most half the window"),
                (pool, [(1, 1, 1, 9)], {"window_shape": 2}, r"\(1 \+ 0 \+ 0 - 2\) // 2 \+ 1 = 0 rows"),
            ]
        ),
        (ops.global_avg_pool2d, [(4, 4, 1)], {}, r"got x \(4, 4, 1\)"),
        (ops.global_avg_pool2d, [(1, 0, 4, 1)], {}, r"input size \(0, 4\): expected at least 1"),
        (ops.batch_norm, [(2, 4, 3), (3,), (3,)], {"stats": ONES, "train": True}, r"got x \(2, 4, 3\)"),
        (ops.batch_norm, [(3,), (3,), (3,)], {"stats": ONES, "train": False}, r"got x \(3,\)"),
        (ops.batch_norm, [(2, 4), (3,), (3,)], {"stats": ONES, "train": True}, "C is both 4 and 3"),
        (ops.batch_norm, [(2, 3), (3,), (4,)], {"stats": ONES, "train": True}, "C is both 3 and 4"),
        (ops.batch_norm, [(2, 2), (2,), (2,)], {"stats": ONES, "train": False}, r"mean \(3\).*C is both 2 and 3"),
        (
            ops.batch_norm,
            [(2, 3), (3,), (3,)],
            {"stats": ONES, "train": True, "momentum": 1.1},
            "momentum 1.1: expected a number from 0 to 1",
        ),
        (
            ops.batch_norm,
            [(2, 3), (3,), (3,)],
            {"stats": ONES, "train": True, "epsilon": -1.0},
            "epsilon -1.0: expected 0 or more",
        ),
        (
            ops.conv2d,
            [(1, 4, 4, 1), (2, 2, 1, 1)],
            {"padding": "FULL"},
            "padding 'FULL': expected .* 'SAME' or 'VALID'",
        ),
        (ops.conv2d, [(1, 4, 4, 1), (2, 2, 1, 1)], {"padding": ((1, 2, 3), 0)}, r"a \(low, high\) pair for each axis"),
    ],
)
@pytest.mark.usefixtures("without_type_checks")
def test_invalid_arguments_raise_while_tracing(operation, shapes, arguments, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(partial(operation, **arguments), *(np.ones(shape) for shape in shapes))


@pytest.mark.parametrize("x", [[[1.0, 2.0]], None, 3.0])
@pytest.mark.usefixtures("without_type_checks")
def test_inputs_that_are_not_arrays_raise(x):
    with pytest.raises(ValueError, match="corr2d: expected x to be an array, got"):
        ops.corr2d(x, np.ones((1, 1)))


def test_8_bit_floats_raise():
    with pytest.raises(ValueError, match="unsupported array type float8_e4m3fn"):
        ops.max_pool2d(jnp.ones((1, 2, 2, 1), jnp.float8_e4m3fn), 2)


@pytest.mark.parametrize(
    ("positional", "by_name"),
    [
        (lambda x, k: ops.conv2d(x, k, None, 2, 1), lambda x, k: ops.conv2d(x, k, strides=2, padding=1)),
        (lambda x, _: ops.max_pool2d(x, 3, 2, 1), lambda x, _: ops.max_pool2d(x, (3, 3), strides=2, padding=1)),
        (lambda x, _: ops.avg_pool2d(x, 3, 2, 1), lambda x, _: ops.avg_pool2d(x, (3, 3), strides=2, padding=1)),
        (lambda x, _: ops.pool2d(x[0, :, :, 0], 2, "avg"), lambda x, _: ops.pool2d(x[0, :, :, 0], (2, 2), mode="avg")),
    ],
)
def test_positional_arguments_equal_keyword_arguments(positional, by_name):
    x, kernel = (np.random.default_rng(0).normal(size=shape) for shape in ((2, 7, 6, 2), (3, 3, 2, 3)))
    np.testing.assert_array_equal(positional(x, kernel), by_name(x, kernel))
