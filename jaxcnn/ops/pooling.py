"""Pooling: the maximum or mean of each window, channel by channel."""

from collections.abc import Callable
from functools import partial, reduce
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Shaped

from jaxcnn.ops.arguments import ArrayLike, as_floats, as_wide_floats, check_shapes
from jaxcnn.ops.geometry import Padding, PaddingPairs, Pair, Window, conv_output_shape, padding_pairs, pair
from jaxcnn.ops.platforms import choose_form


def pool2d(
    x: Shaped[ArrayLike, "h w"], window_shape: Window, mode: Literal["max", "avg"] = "max"
) -> Float[Array, "h_out w_out"]:
    """Compute the maximum or mean of each window of a single-channel image, with stride 1.

        y[i, j] = max over (u, v) of x[i + u, j + v],    or their mean

    Args:
        x: image, (H, W).
        window_shape: height and width of the window, (h, w); one integer for a square window.
        mode: 'max' or 'avg'.

    Returns:
        (H - h + 1, W - w + 1), in the floating type of `x`.

    Raises:
        ValueError: if the input has other axes, the window is larger than the image, or the mode is unknown.

    Examples:
        >>> import jax.numpy as jnp
        >>> x = jnp.arange(9.0).reshape(3, 3)
        >>> pool2d(x, 2).tolist(), pool2d(x, 2, "avg").tolist()
        ([[4.0, 5.0], [7.0, 8.0]], [[2.0, 3.0], [5.0, 6.0]])

    References:
        Section 4.4.
    """
    check_shapes("pool2d", x=(x, "H W"))
    images = x[None, :, :, None]
    match mode:
        case "max":
            return max_pool2d(images, window_shape, 1)[0, :, :, 0]
        case "avg":
            return avg_pool2d(images, window_shape, 1)[0, :, :, 0]
        case _:
            raise ValueError(f"pool2d: mode {mode!r}: expected 'max' or 'avg'")


@jax.named_scope("max_pool2d")
def max_pool2d(
    x: Shaped[ArrayLike, "n h w c"], window_shape: Window, strides: Window | None = None, padding: Padding = 0
) -> Float[Array, "n h_out w_out c"]:
    """Compute the maximum of each window of a batch of images.

        y[n, i, j, c] = max over (u, v) of x[n, i * s_h + u - p_h, j * s_w + v - p_w, c]

    where x is minus infinity outside the image. Among equal maxima, the first in row-major order gets the gradient. The
    gradient of a window is undefined if it contains NaN, or minus infinity only.

    Args:
        x: images, (N, H, W, C).
        window_shape: height and width of the window, (h, w); one integer for a square window.
        strides: step of the window along rows and columns, in pixels. The default is the size of the window.
        padding: an integer, one for each axis, or a (low, high) pair for each axis, at most half the window; or 'SAME'
            or 'VALID'. With stride 2, 'SAME' differs from PyTorch's padding (see `conv2d`).

    Returns:
        (N, H_out, W_out, C), with the size of `conv_output_shape`, in the floating type of `x`.

    Raises:
        ValueError: if the input has other axes, the padded image is smaller than the window, the padding exceeds half
            the window, or a number is out of range.

    Examples:
        >>> import jax.numpy as jnp
        >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
        >>> max_pool2d(x, 2, 2)[0, :, :, 0].tolist()
        [[5.0, 7.0], [13.0, 15.0]]
        >>> max_pool2d(x, 3, strides=2, padding=1)[0, :, :, 0].tolist()
        [[5.0, 7.0], [13.0, 15.0]]

    References:
        Section 4.4.
    """
    axes = check_shapes("max_pool2d", x=(x, "N H W C"))
    window, steps, pads = _windows((axes["H"], axes["W"]), window_shape, strides, padding)
    (x,) = as_floats(x)
    return choose_form(
        x,
        cpu=partial(_max_on_cpu, window=window, strides=steps, padding=pads),
        default=partial(_reduce_windows, initial=-np.inf, operator=lax.max, window=window, strides=steps, padding=pads),
    )


@jax.named_scope("avg_pool2d")
def avg_pool2d(
    x: Shaped[ArrayLike, "n h w c"], window_shape: Window, strides: Window | None = None, padding: Padding = 0
) -> Float[Array, "n h_out w_out c"]:
    """Compute the mean of each window of a batch of images.

        y[n, i, j, c] = 1 / (h * w) * sum over (u, v) of x[n, i * s_h + u - p_h, j * s_w + v - p_w, c]

    where x is zero outside the image: the mean includes the padding. Half precision is summed in float32.

    Args:
        x: images, (N, H, W, C).
        window_shape: height and width of the window, (h, w); one integer for a square window.
        strides: step of the window along rows and columns, in pixels. The default is the size of the window.
        padding: an integer, one for each axis, or a (low, high) pair for each axis, at most half the window; or 'SAME'
            or 'VALID'. With stride 2, 'SAME' differs from PyTorch's padding (see `conv2d`).

    Returns:
        (N, H_out, W_out, C), with the size of `conv_output_shape`, in the floating type of `x`.

    Raises:
        ValueError: as for `max_pool2d`.

    Examples:
        >>> import jax.numpy as jnp
        >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
        >>> avg_pool2d(x, 2)[0, :, :, 0].tolist()
        [[2.5, 4.5], [10.5, 12.5]]
        >>> avg_pool2d(x, 2, 2, 1)[0, 0, 0, 0].item()  # the mean of the pixel 0 and three zeros of padding
        0.0

    References:
        Section 4.4.
    """
    axes = check_shapes("avg_pool2d", x=(x, "N H W C"))
    window, steps, pads = _windows((axes["H"], axes["W"]), window_shape, strides, padding)
    (x,), (wide,) = as_floats(x), as_wide_floats(x)
    total = choose_form(
        wide,
        cpu=partial(_sum_on_cpu, window=window, strides=steps, padding=pads),
        default=partial(_reduce_windows, initial=0.0, operator=lax.add, window=window, strides=steps, padding=pads),
    )
    return (total / (window[0] * window[1])).astype(x.dtype)


@jax.named_scope("global_avg_pool2d")
def global_avg_pool2d(x: Shaped[ArrayLike, "n h w c"]) -> Float[Array, "n c"]:
    """Compute the mean over all pixels of each image.

        y[n, c] = 1 / (H * W) * sum over (i, j) of x[n, i, j, c]

    Args:
        x: images, (N, H, W, C), with at least one pixel.

    Returns:
        (N, C), in the floating type of `x`. Half precision is summed in float32.

    Raises:
        ValueError: if the input has other axes, or no pixels.

    Examples:
        >>> import jax.numpy as jnp
        >>> global_avg_pool2d(jnp.arange(8.0).reshape(1, 2, 2, 2)).tolist()
        [[3.0, 4.0]]

    References:
        Section 4.8.
    """
    axes = check_shapes("global_avg_pool2d", x=(x, "N H W C"))
    pair((axes["H"], axes["W"]), "input size", minimum=1)  # raises if there is no pixel
    (x,), (wide,) = as_floats(x), as_wide_floats(x)
    return wide.mean((1, 2)).astype(x.dtype)


def _reduce_windows(
    x: Array, initial: float, operator: Callable, window: Pair, strides: Pair, padding: PaddingPairs
) -> Array:
    no_padding = (0, 0)
    return lax.reduce_window(
        x, initial, operator, (1, *window, 1), (1, *strides, 1), (no_padding, *padding, no_padding)
    )


# On CPUs a window is reduced along one axis and then along the other, each time over as many slices as it is long.
# XLA's `reduce_window` and `select_and_scatter` take 5 to 22 times as long on a CPU, value and gradient together
# (experiments/results/operations-avx512-2-cores.json).


@jax.named_scope("cpu_form")
def _max_on_cpu(x: Array, window: Pair, strides: Pair, padding: PaddingPairs) -> Array:
    for axis in (2, 1):  # columns before rows: the first of equal maxima is then the first in row-major order
        x = _max_along(x, axis, window[axis - 1], strides[axis - 1], padding[axis - 1])
    return x


@jax.named_scope("cpu_form")
def _sum_on_cpu(x: Array, window: Pair, strides: Pair, padding: PaddingPairs) -> Array:
    for axis in (1, 2):
        x = reduce(lax.add, _places(x, axis, window[axis - 1], strides[axis - 1], padding[axis - 1], fill=0.0))
    return x


@partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3, 4))
def _max_along(x: Array, axis: int, window: int, stride: int, padding: tuple[int, int]) -> Array:
    """Compute the maximum of windows along `axis`."""
    return reduce(lax.max, _places(x, axis, window, stride, padding, fill=-np.inf))


@_max_along.defjvp
def _max_along_jvp(
    axis: int, window: int, stride: int, padding: tuple[int, int], primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    first, *others = _places(primals[0], axis, window, stride, padding, fill=-np.inf)
    y, winner = first, jnp.zeros(first.shape, np.min_scalar_type(window))
    for number, place in enumerate(others, start=1):
        winner = jnp.where(place > y, jnp.asarray(number, winner.dtype), winner)
        y = lax.max(y, place)
    # The tangent of a window is the tangent of x at the window's maximum. In this form, the derived gradient gathers
    # from padded arrays, for each x, the gradients of the windows of which x is the maximum.
    lanes = _lanes(tangents[0], axis, window, stride, padding, fill=0.0)
    length, count, overlap = lanes[0].shape[axis], y.shape[axis], (window - 1) // stride
    winner = _padded(winner, axis, (overlap, length - count), fill=float(window))
    dy = []
    for place in range(window):
        at = overlap - place // stride
        won = jnp.where(_part(winner, axis, at, length) == place, lanes[place % stride], 0.0)
        dy.append(_padded(won, axis, (at, overlap - at), fill=0.0))
    return y, _part(lax.optimization_barrier(reduce(lax.add, dy)), axis, overlap, count)


def _places(x: Array, axis: int, window: int, stride: int, padding: tuple[int, int], *, fill: float) -> list[Array]:
    """Return the first, second, ... element of every window along `axis`, each as an array as long as the output."""
    count = (x.shape[axis] + sum(padding) - window) // stride + 1
    lanes = _lanes(x, axis, window, stride, padding, fill=fill)
    return [_part(lanes[place % stride], axis, place // stride, count) for place in range(window)]


def _lanes(x: Array, axis: int, window: int, stride: int, padding: tuple[int, int], *, fill: float) -> list[Array]:
    """Return every `stride`-th element of the padded x along `axis`, starting from the first, the second, ...

    They are separated by a split, because its transpose is a concatenation. The transpose of a strided slice scatters.
    """
    size = x.shape[axis]
    count = (size + sum(padding) - window) // stride + 1
    length = max(count + (window - 1) // stride, -(-(size + padding[0]) // stride))
    x = _padded(x, axis, (padding[0], length * stride - size - padding[0]), fill=fill)
    lanes = lax.split(x.reshape(*x.shape[:axis], length, stride, *x.shape[axis + 1 :]), [1] * stride, axis + 1)
    return [lane.squeeze(axis + 1) for lane in lanes]


def _padded(x: Array, axis: int, padding: tuple[int, int], *, fill: float) -> Array:
    """Pad x with `fill` along `axis`, as a separate array: XLA does not vectorise loops that contain padding."""
    if not any(padding):
        return x
    config = [(0, 0, 0)] * x.ndim
    config[axis] = (*padding, 0)
    return lax.optimization_barrier(lax.pad(x, np.asarray(fill, x.dtype), config))


def _part(x: Array, axis: int, start: int, length: int) -> Array:
    return lax.slice_in_dim(x, start, start + length, axis=axis)


def _windows(
    input_hw: Pair, window_shape: Window, strides: Window | None, padding: Padding
) -> tuple[Pair, Pair, PaddingPairs]:
    """Return window, strides and padding of a pool over images of `input_hw`; raise a ValueError if they conflict."""
    window = pair(window_shape, "window shape", minimum=1)
    steps = window if strides is None else pair(strides, "strides", minimum=1)
    pads = padding_pairs(padding, input_hw, window, steps)
    if any(2 * max(sides) > size for sides, size in zip(pads, window, strict=True)):
        raise ValueError(
            f"padding {padding} with a window of {window[0]}x{window[1]}: expected at most half the window on each "
            "side, so that every window covers a pixel"
        )
    conv_output_shape(input_hw, window, steps, pads)  # raises if the window does not fit
    return window, steps, pads
