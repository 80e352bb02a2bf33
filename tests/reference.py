"""Naive NumPy oracles, written from the formulas: loops, float64, no cleverness."""

import numpy as np

Pairs = tuple[tuple[int, int], tuple[int, int]]


def _padded(x: np.ndarray, padding: Pairs, value: float) -> np.ndarray:
    return np.pad(np.asarray(x, np.float64), ((0, 0), *padding, (0, 0)), constant_values=value)


def _windows(x: np.ndarray, window: tuple[int, int], strides: tuple[int, int]):
    rows = (x.shape[1] - window[0]) // strides[0] + 1
    columns = (x.shape[2] - window[1]) // strides[1] + 1
    for i in range(rows):
        for j in range(columns):
            top, left = i * strides[0], j * strides[1]
            yield i, j, x[:, top : top + window[0], left : left + window[1], :]


def conv2d(x: np.ndarray, kernel: np.ndarray, strides: tuple[int, int], padding: Pairs) -> np.ndarray:
    entries = {
        (i, j): np.tensordot(window, np.asarray(kernel, np.float64), axes=([1, 2, 3], [0, 1, 2]))
        for i, j, window in _windows(_padded(x, padding, 0.0), kernel.shape[:2], strides)
    }
    return _assemble(entries)


def max_pool2d(x: np.ndarray, window: tuple[int, int], strides: tuple[int, int], padding: Pairs) -> np.ndarray:
    entries = {
        (i, j): patch.max(axis=(1, 2)) for i, j, patch in _windows(_padded(x, padding, -np.inf), window, strides)
    }
    return _assemble(entries)


def max_pool2d_gradient(x: np.ndarray, dy: np.ndarray, window: int) -> np.ndarray:
    """Of windows side by side, without padding: the first maximum, row by row, takes it all."""
    dx = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(dy.shape):
        patch = x[n, i * window : (i + 1) * window, j * window : (j + 1) * window, c]
        u, v = np.unravel_index(np.argmax(patch), patch.shape)
        dx[n, i * window + u, j * window + v, c] += dy[n, i, j, c]
    return dx


def _assemble(entries: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
    rows, columns = (1 + max(place[axis] for place in entries) for axis in range(2))
    return np.stack([np.stack([entries[i, j] for j in range(columns)], axis=1) for i in range(rows)], axis=1)
