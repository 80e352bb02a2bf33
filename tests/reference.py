"""Naive NumPy oracles, written from the formulas: loops over pixels, in float64."""

import numpy as np

Pair = tuple[int, int]
Pairs = tuple[Pair, Pair]


def corr2d(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    (height, width), (k_h, k_w) = x.shape, k.shape
    y = np.zeros((height - k_h + 1, width - k_w + 1))
    for i, j in np.ndindex(y.shape):
        y[i, j] = (x[i : i + k_h, j : j + k_w] * k).sum()
    return y


def corr2d_multi_in(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    return np.sum([corr2d(channel, weights) for channel, weights in zip(x, k, strict=True)], axis=0)


def corr2d_multi_in_out(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    return np.stack([corr2d_multi_in(x, weights) for weights in k])


def corr2d_multi_in_out_1x1(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    y = np.zeros((len(k), *x.shape[1:]))
    for o, i, j in np.ndindex(y.shape):
        y[o, i, j] = (k[o, :, 0, 0] * x[:, i, j]).sum()
    return y


def conv2d(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, strides: Pair, padding: Pairs) -> np.ndarray:
    patches, shape = _patches(x, kernel.shape[:2], strides, padding, outside=0.0)
    y = np.zeros((*shape, kernel.shape[3]))
    for n, i, j, o in np.ndindex(y.shape):
        y[n, i, j, o] = (patches[i, j][n] * kernel[:, :, :, o]).sum() + bias[o]
    return y


def pool2d(x: np.ndarray, window: Pair, mode: str) -> np.ndarray:
    y = np.zeros((x.shape[0] - window[0] + 1, x.shape[1] - window[1] + 1))
    for i, j in np.ndindex(y.shape):
        patch = x[i : i + window[0], j : j + window[1]]
        y[i, j] = patch.max() if mode == "max" else patch.mean()
    return y


def max_pool2d(x: np.ndarray, window: Pair, strides: Pair, padding: Pairs) -> np.ndarray:
    patches, shape = _patches(x, window, strides, padding, outside=-np.inf)
    y = np.zeros((*shape, x.shape[3]))
    for n, i, j, c in np.ndindex(y.shape):
        y[n, i, j, c] = patches[i, j][n, :, :, c].max()
    return y


def max_pool2d_gradient(x: np.ndarray, dy: np.ndarray, window: int) -> np.ndarray:
    """Compute the gradient of adjacent windows, without padding. The first maximum in row-major order gets it."""
    dx = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(dy.shape):
        patch = x[n, i * window : (i + 1) * window, j * window : (j + 1) * window, c]
        u, v = np.unravel_index(np.argmax(patch), patch.shape)
        dx[n, i * window + u, j * window + v, c] += dy[n, i, j, c]
    return dx


def avg_pool2d(x: np.ndarray, window: Pair, strides: Pair, padding: Pairs) -> np.ndarray:
    patches, shape = _patches(x, window, strides, padding, outside=0.0)
    y = np.zeros((*shape, x.shape[3]))
    for n, i, j, c in np.ndindex(y.shape):
        y[n, i, j, c] = patches[i, j][n, :, :, c].mean()
    return y


def global_avg_pool2d(x: np.ndarray) -> np.ndarray:
    return np.array([[x[n, :, :, c].mean() for c in range(x.shape[3])] for n in range(x.shape[0])])


def batch_norm(
    x: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    *,
    train: bool,
    momentum: float,
    epsilon: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the activations, moving mean and moving variance."""
    y = np.zeros(x.shape)
    new_mean, new_var = np.array(mean), np.array(var)
    for c in range(x.shape[-1]):
        values = x[..., c]
        used_mean, used_var = mean[c], var[c]
        if train:
            used_mean = values.mean()
            used_var = ((values - used_mean) ** 2).mean()
            new_mean[c] = momentum * mean[c] + (1 - momentum) * used_mean
            new_var[c] = momentum * var[c] + (1 - momentum) * used_var
        y[..., c] = scale[c] * (values - used_mean) / np.sqrt(used_var + epsilon) + bias[c]
    return y, new_mean, new_var


def _patches(
    x: np.ndarray, window: Pair, strides: Pair, padding: Pairs, *, outside: float
) -> tuple[dict[Pair, np.ndarray], tuple[int, int, int]]:
    """Return the pixels under the window, (N, h, w, C), by position, and the shape (N, H_out, W_out)."""
    padded = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=outside)
    patches = {}
    for i, top in enumerate(range(0, padded.shape[1] - window[0] + 1, strides[0])):
        for j, left in enumerate(range(0, padded.shape[2] - window[1] + 1, strides[1])):
            patches[i, j] = padded[:, top : top + window[0], left : left + window[1], :]
    rows, columns = (1 + max(place[axis] for place in patches) for axis in range(2))
    return patches, (len(x), rows, columns)
