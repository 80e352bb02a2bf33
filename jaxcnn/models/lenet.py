"""LeNet: two convolutions, three dense layers, sigmoids between them."""

from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxcnn import ops
from jaxcnn.layers import Conv, Dense, Flatten
from jaxcnn.models.inputs import check_images


class LeNet(nn.Module):
    """LeNet with max-pooling, as in the chapter.

        conv 6@5x5, sigmoid, max-pool 2/2, conv 16@5x5, sigmoid, max-pool 2/2, flatten,
        dense 120, sigmoid, dense 84, sigmoid, dense num_classes

    It has 44,426 parameters on grayscale images of 28x28 with 10 classes. The minimum image size is 16x16.

    Attributes:
        num_classes: number of logits.
        norm: constructor of a normalization layer, called with `use_running_average`, `dtype` and `name`; None for no
            normalization. The layer is applied before each sigmoid. With `layers.library_batch_norm` there are 44,878
            parameters.
        dtype: type of the computation. Parameters and statistics are float32.

    Raises:
        ValueError: if the input is not a batch of float images of at least 16x16 pixels.

    Examples:
        >>> import jax
        >>> model = LeNet()
        >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
        >>> model.apply(variables, jnp.zeros((3, 28, 28, 1)), train=False).shape
        (3, 10)

    References:
        Section 4.5; with normalization, section 4.10. Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-Based
        Learning Applied to Document Recognition, 1998.
    """

    num_classes: int = 10
    norm: Callable[..., nn.Module] | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n num_classes"]:
        """Compute the logits of a batch of images.

        Args:
            x: float images, (N, H, W, C), usually in [0, 1].
            train: whether `norm` uses the statistics of the batch and updates the moving ones in 'batch_stats'.

        Returns:
            Logits, (N, num_classes).
        """
        check_images(self, x, min_size=16)

        def activate(x: Array, index: int) -> Array:
            if self.norm is not None:
                x = self.norm(use_running_average=not train, dtype=self.dtype, name=f"norm{index}")(x)
            return nn.sigmoid(x)

        x = ops.max_pool2d(activate(Conv(6, 5, dtype=self.dtype, name="conv1")(x), 1), 2)
        x = ops.max_pool2d(activate(Conv(16, 5, dtype=self.dtype, name="conv2")(x), 2), 2)
        x = Flatten(name="flatten")(x)
        x = activate(Dense(120, dtype=self.dtype, name="dense1")(x), 3)
        x = activate(Dense(84, dtype=self.dtype, name="dense2")(x), 4)
        return Dense(self.num_classes, dtype=self.dtype, name="dense3")(x)
