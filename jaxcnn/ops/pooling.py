"""Pooling: a summary of each window, channel by channel."""

from functools import partial, reduce
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Shaped

from jaxcnn.ops.arguments import ArrayLike, as_floats, as_wide_floats, check_shapes
from jaxcnn.ops.geometry import Padding, PaddingPairs, Pair, Window, conv_output_shape, padding_pairs, pair


def pool2d(
    x: Shaped[ArrayLike, "h w"], window_shape: Window, *, mode: Literal["max", "avg"] = "max"
) -> Float[Array, "h_out w_out"]:
    """Maximum or mean over each window of an image of one channel; the window slides by one pixel.

        y[i, j] = max over (u, v) of x[i + u, j + v],    or their mean

    Args:
        x: image, (H, W).
        window_shape: height and width of the window, (h, w).
        mode: 'max' or 'avg'.

    Returns:
        (H - h + 1, W - w + 1), in the floating type of `x`.

    Raises:
        ValueError: if the input has other axes, the window is larger than the image, or the mode is another.

    Examples:
        >>> import jax.numpy as jnp
        >>> x = jnp.arange(9.0).reshape(3, 3)
        >>> pool2d(x, 2).tolist(), pool2d(x, 2, mode="avg").tolist()
        ([[4.0, 5.0], [7.0, 8.0]], [[2.0, 3.0], [5.0, 6.0]])

    References:
        Section 4.4.
    """
    check_shapes("pool2d", x=(x, "H W"))
    images = x[None, :, :, None]
    match mode:
        case "max":
            return max_pool2d(images, window_shape, strides=1)[0, :, :, 0]
        case "avg":
            return avg_pool2d(images, window_shape, strides=1)[0, :, :, 0]
        case _:
            raise ValueError(f"pool2d with mode {mode!r}: 'max' or 'avg' is needed")


def max_pool2d(
    x: Shaped[ArrayLike, "n h w c"], window_shape: Window, *, strides: Window | None = None, padding: Padding = 0
) -> Float[Array, "n h_out w_out c"]:
    """Maximum over each window of a batch of images.

        y[n, i, j, c] = max over (u, v) of x[n, i * s_h + u - p_h, j * s_w + v - p_w, c]

    where x counts as minus infinity outside the image. Among equal maxima the first, row by row, takes the gradient;
    that of a window with NaN, or of minus infinity alone, is not defined.

    Args:
        x: images, (N, H, W, C).
        window_shape: height and width of the window.
        strides: step of the window along rows and columns; as large as the window unless given.
        padding: a number, one for each axis, or a (low, high) pair for each axis; at most half the window.

    Returns:
        (N, H_out, W_out, C), sized by `conv_output_shape`, in the floating type of `x`.

    Raises:
        ValueError: if the input has other axes, the padded image is smaller than the window, the padding exceeds half
            the window, or a number is out of its range.

    Examples:
        >>> import jax.numpy as jnp
        >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
        >>> max_pool2d(x, 3, strides=2, padding=1)[0, :, :, 0].tolist()
        [[5.0, 7.0], [13.0, 15.0]]

    References:
        Section 4.4.
    """
    axes = check_shapes("max_pool2d", x=(x, "N H W C"))
    window, steps, pads = _windows((axes["H"], axes["W"]), window_shape, strides, padding)
    (y,) = as_floats(x)
    for axis in (2, 1):  # columns first, or among equal maxima the first would be that of the first column
        y = _max_along(y, axis, window[axis - 1], steps[axis - 1], pads[axis - 1])
    return y


def avg_pool2d(
    x: Shaped[ArrayLike, "n h w c"], window_shape: Window, *, strides: Window | None = None, padding: Padding = 0
) -> Float[Array, "n h_out w_out c"]:
    """Mean over each window of a batch of images.

        y[n, i, j, c] = 1 / (h * w) * sum over (u, v) of x[n, i * s_h + u - p_h, j * s_w + v - p_w, c]

    where x counts as zero outside the image: padding is part of the mean. Half precision is summed in float32.

    Args:
        x: images, (N, H, W, C).
        window_shape: height and width of the window, (h, w).
        strides: step of the window along rows and columns; as large as the window unless given.
        padding: a number, one for each axis, or a (low, high) pair for each axis; at most half the window.

    Returns:
        (N, H_out, W_out, C), sized by `conv_output_shape`, in the floating type of `x`.

    Raises:
        ValueError: as `max_pool2d`.

    Examples:
        >>> import jax.numpy as jnp
        >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
        >>> avg_pool2d(x, 2)[0, :, :, 0].tolist()
        [[2.5, 4.5], [10.5, 12.5]]
        >>> avg_pool2d(x, 2, padding=1)[0, 0, 0, 0].item()  # 0 and three zeros
        0.0

    References:
        Section 4.4.
    """
    axes = check_shapes("avg_pool2d", x=(x, "N H W C"))
    window, steps, pads = _windows((axes["H"], axes["W"]), window_shape, strides, padding)
    (x,), (wide,) = as_floats(x), as_wide_floats(x)
    for axis in (1, 2):
        wide = reduce(lax.add, _places(wide, axis, window[axis - 1], steps[axis - 1], pads[axis - 1], fill=0.0))
    return (wide / (window[0] * window[1])).astype(x.dtype)


def global_avg_pool2d(x: Shaped[ArrayLike, "n h w c"]) -> Float[Array, "n c"]:
    """Mean over all pixels of each image.

        y[n, c] = 1 / (H * W) * sum over (i, j) of x[n, i, j, c]

    Args:
        x: images, (N, H, W, C), of at least one pixel.

    Returns:
        (N, C), in the floating type of `x`. Half precision is summed in float32.

    Raises:
        ValueError: if the input has other axes, or images without pixels.

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


# A window is summarised along columns and then along rows, each time over as many slices as the window is long. XLA's
# operations for whole windows, `reduce_window` and `select_and_scatter`, take 4 to 16 times as long on a CPU, value and
# gradient together (experiments/results/operations-cpu-2-cores.json).


@partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3, 4))
def _max_along(x: Array, axis: int, window: int, stride: int, padding: tuple[int, int]) -> Array:
    """The maximum over windows along `axis`."""
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
    # The tangent of a window is that of x at its winner. It is written such that the gradient derived from it gathers
    # for each x, out of padded arrays, what the windows that see it pass on to their winners.
    lanes = _lanes(tangents[0], axis, window, stride, padding, fill=0.0)
    length, count, most = lanes[0].shape[axis], y.shape[axis], (window - 1) // stride
    winner = _padded(winner, axis, (most, length - count), fill=float(window))
    dy = []
    for place in range(window):
        at = most - place // stride
        won = jnp.where(_part(winner, axis, at, length) == place, lanes[place % stride], 0.0)
        dy.append(_padded(won, axis, (at, most - at), fill=0.0))
    return y, _part(lax.optimization_barrier(reduce(lax.add, dy)), axis, most, count)


def _places(x: Array, axis: int, window: int, stride: int, padding: tuple[int, int], *, fill: float) -> list[Array]:
    """What stands at the first, second, ... place of every window along `axis`, each as long as the output."""
    count = (x.shape[axis] + sum(padding) - window) // stride + 1
    lanes = _lanes(x, axis, window, stride, padding, fill=fill)
    return [_part(lanes[place % stride], axis, place // stride, count) for place in range(window)]


def _lanes(x: Array, axis: int, window: int, stride: int, padding: tuple[int, int], *, fill: float) -> list[Array]:
    """Every `stride`-th of the padded x along `axis`, from the first, the second, ... on.

    They are told apart by a split, because its transpose is a concatenation; that of a slice with a stride scatters.
    """
    size = x.shape[axis]
    count = (size + sum(padding) - window) // stride + 1
    length = max(count + (window - 1) // stride, -(-(size + padding[0]) // stride))
    x = _padded(x, axis, (padding[0], length * stride - size - padding[0]), fill=fill)
    lanes = lax.split(x.reshape(*x.shape[:axis], length, stride, *x.shape[axis + 1 :]), [1] * stride, axis + 1)
    return [lane.squeeze(axis + 1) for lane in lanes]


def _padded(x: Array, axis: int, padding: tuple[int, int], *, fill: float) -> Array:
    """With `fill` before and after along `axis`, as an array of its own: loops over padding are not vectorised."""
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
    """Window, strides and padding of a pool over images of `input_hw`; a ValueError where they do not go together."""
    window = pair(window_shape, "window shape", minimum=1)
    steps = window if strides is None else pair(strides, "strides", minimum=1)
    pads = padding_pairs(padding)
    if any(2 * max(sides) > size for sides, size in zip(pads, window, strict=True)):
        raise ValueError(
            f"padding {padding} with a window of {window[0]}x{window[1]}: at most half the window on each side, "
            "or a window could lie in the padding alone"
        )
    conv_output_shape(input_hw, window, strides=steps, padding=pads)  # raises if the window does not fit
    return window, steps, pads
