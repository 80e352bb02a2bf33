"""The chapter's first layer from scratch."""

from flax import linen as nn
from jaxtyping import Array, Float, Shaped

from jaxcnn import ops
from jaxcnn.ops.geometry import pair


class Corr2D(nn.Module):
    """Cross-correlation `ops.corr2d` with a learned kernel, plus a learned scalar bias.

        y = corr2d(x, kernel) + bias

    Kernel and bias are initialized from N(0, 1).

    Attributes:
        kernel_size: height and width of the kernel; one integer for a square kernel.

    Raises:
        ValueError: if the kernel is larger than the image, or the axes of the image are not (H, W).

    Examples:
        >>> import jax
        >>> layer = Corr2D((1, 2))
        >>> y, variables = layer.init_with_output(jax.random.key(0), jax.numpy.ones((6, 8)))
        >>> y.shape, variables["params"]["kernel"].shape, variables["params"]["bias"].shape
        ((6, 7), (1, 2), ())

    References:
        Section 4.1.
    """

    kernel_size: ops.Window

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "h w"]) -> Float[Array, "h_out w_out"]:
        """Compute the cross-correlation of `x`, (H, W), with shape (H - h + 1, W - w + 1)."""
        normal = nn.initializers.normal(1.0)
        kernel = self.param("kernel", normal, pair(self.kernel_size, "kernel size", minimum=1))
        return ops.corr2d(x, kernel) + self.param("bias", normal, ())
