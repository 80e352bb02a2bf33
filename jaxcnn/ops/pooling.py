"""Pooling: a summary of each window, channel by channel."""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Shaped

from jaxcnn.ops.geometry import Padding, Window, conv_output_shape, padding_pairs, pair


def max_pool2d(
    x: Shaped[Array, "n h w c"], window_shape: Window, *, strides: Window | None = None, padding: Padding = 0
) -> Float[Array, "n h_out w_out c"]:
    """Maximum over each window of `x`.

        y[n, i, j, c] = max over (u, v) of x[n, i * s_h + u - p_h, j * s_w + v - p_w, c]

    where x counts as minus infinity outside the image. Among equal maxima the first, row by row, takes the gradient.

    Args:
        x: images, (N, H, W, C).
        window_shape: height and width of the window.
        strides: step of the window along rows and columns; as large as the window unless given.
        padding: a number, one for each axis, or a (low, high) pair for each axis; at most half the window.

    Returns:
        (N, H_out, W_out, C), sized by `conv_output_shape`, in the floating type of `x`.

    Raises:
        ValueError: if the padded image is smaller than the window, the padding exceeds half the window, or a number is
            out of its range.

    Examples:
        >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
        >>> max_pool2d(x, 3, strides=2, padding=1)[0, :, :, 0].tolist()
        [[5.0, 7.0], [13.0, 15.0]]

    References:
        Section 4.4.
    """
    if x.ndim != 4:
        raise ValueError(f"max_pool2d of an input of shape {x.shape}: (N, H, W, C) is needed")
    window = pair(window_shape, "window shape", minimum=1)
    steps = window if strides is None else pair(strides, "strides", minimum=1)
    pads = padding_pairs(padding)
    if any(2 * max(sides) > size for sides, size in zip(pads, window, strict=True)):
        raise ValueError(
            f"padding {padding} with a window of {window[0]}x{window[1]}: at most half the window on each side, "
            "or a window could lie in the padding alone"
        )
    _, height, width, _ = x.shape
    conv_output_shape((height, width), window, strides=steps, padding=pads)  # raises if it does not fit
    dtype = jnp.result_type(x, 1.0)
    lowest = np.asarray(-np.inf, dtype)  # a constant: with a traced value there is no gradient
    return lax.reduce_window(x.astype(dtype), lowest, lax.max, (1, *window, 1), (1, *steps, 1), ((0, 0), *pads, (0, 0)))
