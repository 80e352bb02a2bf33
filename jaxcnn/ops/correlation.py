"""The chapter's own cross-correlations: one image at a time, channel-first, batched with `jax.vmap`.

Deep learning calls them convolutions. The kernel is not flipped.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Shaped

from jaxcnn.ops.arguments import ArrayLike, as_floats, as_wide_floats, check_shapes
from jaxcnn.ops.convolution import conv2d
from jaxcnn.ops.geometry import conv_output_shape
from jaxcnn.ops.platforms import choose_form


def corr2d(x: Shaped[ArrayLike, "h w"], k: Shaped[ArrayLike, "k_h k_w"]) -> Float[Array, "h_out w_out"]:
    """Compute the cross-correlation of an image and a kernel, both with one channel.

        y[i, j] = sum over (u, v) of x[i + u, j + v] * k[u, v]

    Args:
        x: image, (H, W).
        k: kernel, (h, w).

    Returns:
        (H - h + 1, W - w + 1), in the common floating type of the inputs.

    Raises:
        ValueError: if an input has other axes, or the kernel is larger than the image.

    Examples:
        >>> corr2d(jnp.arange(9.0).reshape(3, 3), jnp.arange(4.0).reshape(2, 2)).tolist()
        [[19.0, 25.0], [37.0, 43.0]]

        A batch of images under one kernel:

        >>> jax.vmap(corr2d, in_axes=(0, None))(jnp.ones((5, 3, 3)), jnp.ones((2, 2))).shape
        (5, 2, 2)

    References:
        Section 4.1.
    """
    axes = check_shapes("corr2d", x=(x, "H W"), k=(k, "h w"))
    conv_output_shape((axes["H"], axes["W"]), (axes["h"], axes["w"]))  # raises if the kernel does not fit
    return _corr2d(*as_floats(x, k))


@jax.jit
def _corr2d(x: Array, k: Array) -> Array:
    y = choose_form(*as_wide_floats(x, k), cpu=_corr2d_on_cpu, default=_corr2d_of_lax)
    return y.astype(x.dtype)


def _corr2d_of_lax(x: Array, k: Array) -> Array:
    return lax.conv(x[None, None], k[None, None], (1, 1), "VALID")[0, 0]


@jax.named_scope("cpu_form")
def _corr2d_on_cpu(x: Array, k: Array) -> Array:
    # XLA's convolution is slow with one channel. Two steps, the first a matrix product, are several times faster on a
    # CPU (experiments/benchmarks/corr2d.py):
    #     z[v, i, j] = sum over u of k[u, v] * x[i + u, j],    y[i, j] = sum over v of z[v, i, j + v]
    # z is split, not indexed: the gradient of a split is one concatenation, the gradient of w indices is a sum of w
    # arrays as large as z.
    (height, width), (k_h, k_w) = x.shape, k.shape
    rows, columns = height - k_h + 1, width - k_w + 1
    shifted = jnp.stack([x[u : u + rows] for u in range(k_h)])
    z = jnp.einsum("uv,uij->vij", k, shifted)
    terms = [part[0, :, v : v + columns] for v, part in enumerate(jnp.split(z, k_w))]
    return sum(terms[1:], terms[0])


def corr2d_multi_in(
    x: Shaped[ArrayLike, "c_in h w"], k: Shaped[ArrayLike, "c_in k_h k_w"]
) -> Float[Array, "h_out w_out"]:
    """Compute the cross-correlation of an image and a kernel with several channels: the sum over the channels.

        y[i, j] = sum over c of corr2d(x[c], k[c])[i, j]

    Args:
        x: image, (C_in, H, W).
        k: kernel, (C_in, h, w).

    Returns:
        (H - h + 1, W - w + 1), in the common floating type of the inputs.

    Raises:
        ValueError: if an input has other axes, the channels differ, or the kernel is larger than the image.

    Examples:
        >>> x = jnp.arange(9.0).reshape(3, 3)
        >>> k = jnp.arange(4.0).reshape(2, 2)
        >>> corr2d_multi_in(jnp.stack([x, x + 1]), jnp.stack([k, k + 1])).tolist()
        [[56.0, 72.0], [104.0, 120.0]]

    References:
        Section 4.3.
    """
    check_shapes("corr2d_multi_in", x=(x, "C_in H W"), k=(k, "C_in h w"))
    return corr2d_multi_in_out(x, k[None])[0]


def corr2d_multi_in_out(
    x: Shaped[ArrayLike, "c_in h w"], k: Shaped[ArrayLike, "c_out c_in k_h k_w"]
) -> Float[Array, "c_out h_out w_out"]:
    """Compute the cross-correlation of an image with several kernels, one for each output channel.

        y[o] = corr2d_multi_in(x, k[o])

    Args:
        x: image, (C_in, H, W).
        k: kernels, (C_out, C_in, h, w).

    Returns:
        (C_out, H - h + 1, W - w + 1), in the common floating type of the inputs.

    Raises:
        ValueError: if an input has other axes, the channels differ, or the kernels are larger than the image.

    Examples:
        >>> x = jnp.arange(9.0).reshape(3, 3)
        >>> k = jnp.arange(4.0).reshape(2, 2)
        >>> k = jnp.stack([k, k + 1])
        >>> y = corr2d_multi_in_out(jnp.stack([x, x + 1]), jnp.stack([k, k + 1, k + 2]))
        >>> y.shape, y[2].tolist()
        ((3, 2, 2), [[96.0, 128.0], [192.0, 224.0]])

    References:
        Section 4.3.
    """
    check_shapes("corr2d_multi_in_out", x=(x, "C_in H W"), k=(k, "C_out C_in h w"))
    return conv2d(x.transpose(1, 2, 0)[None], k.transpose(2, 3, 1, 0))[0].transpose(2, 0, 1)


def corr2d_multi_in_out_1x1(
    x: Shaped[ArrayLike, "c_in h w"], k: Shaped[ArrayLike, "c_out c_in k_h k_w"]
) -> Float[Array, "c_out h w"]:
    """Compute the cross-correlation with 1x1 kernels: a matrix product over the channels of each pixel.

        y[o, i, j] = sum over c of k[o, c, 0, 0] * x[c, i, j]

    Args:
        x: image, (C_in, H, W).
        k: kernels, (C_out, C_in, 1, 1).

    Returns:
        (C_out, H, W), equal to `corr2d_multi_in_out(x, k)` up to rounding.

    Raises:
        ValueError: if an input has other axes, the channels differ, or the kernels are larger than one pixel.

    Examples:
        >>> x = jnp.array([1.0, 10.0]).reshape(2, 1, 1)
        >>> corr2d_multi_in_out_1x1(x, jnp.arange(6.0).reshape(3, 2, 1, 1))[:, 0, 0].tolist()
        [10.0, 32.0, 54.0]

    References:
        Section 4.3.
    """
    check_shapes("corr2d_multi_in_out_1x1", x=(x, "C_in H W"), k=(k, "C_out C_in h w"))
    if k.shape[2:] != (1, 1):
        raise ValueError(
            f"corr2d_multi_in_out_1x1: expected 1x1 kernels, (C_out, C_in, 1, 1), got k {k.shape}; use "
            "corr2d_multi_in_out for other sizes"
        )
    x, k = as_floats(x, k)
    return jnp.einsum("oc,chw->ohw", k[:, :, 0, 0], x)
