import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from strategies import arrays, assert_agrees, dtypes, seeds, thoroughly, windows, x64_if

from jaxcnn import ops

pytestmark = pytest.mark.usefixtures("with_nans")


@st.composite
def convolutions(draw, types=dtypes):
    """Images, kernel, bias, strides and padding, which may exceed the kernel.

    They cover few outputs, many outputs with few channels, and many outputs with more channels: each has its own code.
    """
    input_hw, kernel_hw, strides, padding = draw(windows(places=draw(st.sampled_from([4, 7]))))
    padding = tuple(tuple(side + draw(st.integers(0, 1)) for side in sides) for sides in padding)
    n, c_in, c_out = draw(st.integers(1, 2)), draw(st.sampled_from([1, 2, 9])), draw(st.sampled_from([1, 2, 20]))
    dtype = draw(types)
    x, kernel, bias = (draw(arrays(s, dtype)) for s in ((n, *input_hw, c_in), (*kernel_hw, c_in, c_out), (c_out,)))
    if np.any(padding):  # the product of NaN or infinity in the kernel with padding zeros is unspecified
        kernel = np.where(np.isfinite(kernel), kernel, np.ones((), dtype))
    return x, kernel, bias, strides, padding


conv2d = jax.jit(ops.conv2d, static_argnames=("strides", "padding"))


@thoroughly
@given(convolutions())
def test_equals_the_naive_sum(case):
    x, kernel, bias, strides, padding = case
    with x64_if(x.dtype), np.errstate(invalid="ignore"):
        y = conv2d(x, kernel, bias, strides=strides, padding=padding)
        x, kernel, bias = (np.asarray(array, np.float64) for array in (x, kernel, bias))
        expected = reference.conv2d(x, kernel, bias, strides, padding)
        magnitude = reference.conv2d(np.abs(x), np.abs(kernel), np.abs(bias), strides, padding)
        # A value that is not finite can make every output that reads its row NaN, in any column. If the kernel has more
        # pixels than the image, it can make every output of its image NaN.
        rows = ~np.isfinite(x).all((2, 3), keepdims=True)
        column = np.ones((kernel.shape[0], 1, 1, 1))
        reached = reference.conv2d(rows, column, np.zeros(1), (strides[0], 1), (padding[0], (0, 0))) > 0
        if x[0, :, :, 0].size < kernel[:, :, 0, 0].size:
            reached = rows.any(1, keepdims=True)
        assert_agrees(y, np.where(reached & np.isnan(y), np.nan, expected), magnitude)


def of_lax(x, kernel, strides, padding):
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


# Each example compiles a dozen programs. The examples are fixed, because XLA 0.10 aborts the process for a few second
# derivatives of strided convolutions: "Window dimensions do not match RHS shape".
@settings(max_examples=12, derandomize=True)
@given(convolutions(types=st.just(np.float32)))
def test_derivatives_equal_those_of_lax(case):
    x, kernel, _, strides, padding = case
    assert_derivatives_equal_those_of_lax(x, kernel, strides, padding)


def test_derivatives_of_winograds_form_equal_those_of_lax():
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 9, 12, 64)), rng.normal(size=(3, 3, 64, 64)) / 24
    assert_derivatives_equal_those_of_lax(x.astype(np.float32), kernel.astype(np.float32), (1, 1), ((1, 1), (0, 2)))


def assert_derivatives_equal_those_of_lax(x, kernel, strides, padding):
    x, kernel = (jnp.where(jnp.isfinite(array), array, 1) for array in (x, kernel))
    convolve = {
        "ours": lambda x, k: ops.conv2d(x, k, strides=strides, padding=padding),
        "of lax": lambda x, k: of_lax(x, k, strides, padding),
    }

    def derivatives(f):
        def total(x, k):
            return jnp.sin(f(x, k)).sum()

        def slope(x, k):
            return sum(jnp.sum(g**2) for g in jax.grad(total, (0, 1))(x, k))

        return {
            "forward": jax.jvp(f, (x, kernel), (x + 1, kernel - 1))[1],
            "reverse": jax.grad(total, (0, 1))(x, kernel),
            "reverse over reverse": jax.grad(slope, (0, 1))(x, kernel),
            "forward over reverse": jax.jvp(jax.grad(total, (0, 1)), (x, kernel), (x + 1, kernel - 1))[1],
        }

    ours, theirs = (jax.jit(derivatives, static_argnums=0)(convolve[name]) for name in ("ours", "of lax"))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * (1 + np.abs(b).max())), ours, theirs)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("channels", [(12, 9), (9, 12), (70, 64), (64, 70)])
@pytest.mark.parametrize(
    ("count", "size", "kernel_size", "strides", "padding"),
    [
        (8, (12, 10), (3, 3), (1, 1), ((1, 1), (1, 1))),
        (12, (10, 11), (3, 2), (2, 2), ((1, 0), (0, 1))),
        (3, (13, 12), (5, 5), (1, 3), ((0, 0), (0, 0))),
    ],
)
def test_gradients_of_larger_images_equal_those_of_lax(count, size, kernel_size, strides, padding, channels, dtype):
    rng = np.random.default_rng(0)
    kernel_hw = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    x, kernel = (
        jnp.asarray(rng.integers(-2, 3, shape), dtype)
        for shape in ((count, *size, channels[0]), (*kernel_hw, *channels))
    )
    y, ours = jax.vjp(lambda x, k: ops.conv2d(x, k, None, strides, padding), x, kernel)
    _, theirs = jax.vjp(lambda x, k: of_lax(x, k, strides, padding), x, kernel)
    dy = jnp.asarray(rng.integers(-2, 3, y.shape), dtype)
    tolerance = float(jnp.finfo(dtype).eps)  # the sums of integers are exact in float32
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance), ours(dy), theirs(dy))


def test_gradients_of_each_image_with_vmap():
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.integers(-2, 3, size), jnp.float32) for size in ((3, 8, 8, 64), (3, 3, 64, 64)))

    def gradients(image, kernel):
        return jax.grad(lambda x, k: (ops.conv2d(x[None], k, padding=1) ** 2).sum(), (0, 1))(image, kernel)

    together = jax.vmap(gradients, in_axes=(0, None))(x, kernel)
    one_by_one = [gradients(image, kernel) for image in x]
    jax.tree.map(lambda a, *b: np.testing.assert_array_equal(a, jnp.stack(b)), together, *one_by_one)


def layouts_of_convolutions(function, *arrays):
    """The layouts of the convolutions in the program that `function` becomes on a CPU."""
    program = jax.jit(function).lower(*arrays).as_text()
    return re.findall(r"stablehlo.convolution.*dim_numbers = (.*?), window", program)


def test_gradients_have_the_layout_that_is_fast_inside_loops():
    x, kernel = jnp.ones((2, 9, 9, 9)), jnp.ones((3, 3, 9, 4))
    gradients = jax.grad(lambda x, k: ops.conv2d(x, k, strides=2, padding=1).sum(), (0, 1))
    assert layouts_of_convolutions(gradients, x, kernel) == 2 * ["[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"]


def test_only_the_gradient_for_the_kernel_is_a_convolution_with_winograds_form():
    x, kernel = jnp.ones((2, 8, 8, 64)), jnp.ones((3, 3, 64, 64))

    def total(x, kernel):
        return (ops.conv2d(x, kernel, padding=1) ** 2).sum()

    assert len(layouts_of_convolutions(total, x, kernel)) == 1
    assert len(layouts_of_convolutions(jax.grad(total), x, kernel)) == 0
    assert len(layouts_of_convolutions(jax.grad(total, (0, 1)), x, kernel)) == 1


def test_only_the_requested_gradient_is_computed():
    gradient = jax.grad(lambda kernel: ops.conv2d(jnp.ones((2, 9, 9, 9)), kernel).sum())
    assert len(layouts_of_convolutions(gradient, jnp.ones((3, 3, 9, 4)))) == 1


def test_constant_convolution_inside_a_derivative():
    x, kernel = jnp.ones((1, 4, 4, 1)), jnp.ones((2, 2, 1, 1))
    derivative = jax.grad(jax.jit(lambda scale, x, kernel: (scale * ops.conv2d(x, kernel)).sum()))
    assert derivative(2.0, x, kernel) == 36


@pytest.mark.parametrize(
    ("kernel_size", "padding", "strides", "expected"),
    [
        ((3, 3), 1, 1, (8, 8)),
        ((5, 3), (2, 1), 1, (8, 8)),
        ((3, 3), 1, 2, (4, 4)),
        ((3, 5), (0, 1), (3, 4), (2, 2)),
    ],
)
def test_reference_shapes_of_padding_and_stride(kernel_size, padding, strides, expected):
    y = ops.conv2d(jnp.ones((1, 8, 8, 1)), jnp.ones((*kernel_size, 1, 1)), strides=strides, padding=padding)
    assert y.shape == (1, *expected, 1)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (1, 3)])
@pytest.mark.parametrize("kernel_size", [(3, 3), (2, 5)])
def test_padding_words_equal_those_of_lax(padding, strides, kernel_size):
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.normal(size=size), jnp.float32) for size in ((2, 8, 7, 2), (*kernel_size, 2, 3)))
    y = ops.conv2d(x, kernel, None, strides, padding)
    np.testing.assert_allclose(y, of_lax(x, kernel, strides, padding), rtol=1e-5, atol=1e-5)


def test_same_padding_with_stride_2_differs_from_padding_1():
    x, kernel = jnp.arange(64.0).reshape(1, 8, 8, 1), jnp.ones((3, 3, 1, 1))
    same = ops.conv2d(x, kernel, strides=2, padding="SAME")
    np.testing.assert_array_equal(same, ops.conv2d(x, kernel, strides=2, padding=((0, 1), (0, 1))))
    explicit = ops.conv2d(x, kernel, strides=2, padding=1)
    assert same.shape == explicit.shape
    assert np.abs(same - explicit).min() > 0


def test_the_books_example():
    x, kernel = jnp.arange(9.0).reshape(1, 3, 3, 1), jnp.arange(4.0).reshape(2, 2, 1, 1)
    np.testing.assert_array_equal(ops.conv2d(x, kernel)[0, :, :, 0], [[19, 25], [37, 43]])


@given(seeds)
def test_conv2d_is_linear(seed):
    rng = np.random.default_rng(seed)
    x, other = (jnp.asarray(rng.integers(-9, 10, (2, 5, 5, 2)), jnp.float32) for _ in range(2))
    kernel = jnp.asarray(rng.integers(-9, 10, (3, 3, 2, 2)), jnp.float32)
    y = ops.conv2d(3 * x + other, kernel, padding=1)
    np.testing.assert_array_equal(y, 3 * ops.conv2d(x, kernel, padding=1) + ops.conv2d(other, kernel, padding=1))
