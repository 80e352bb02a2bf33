"""4.2 Padding and stride: how large the output is, and which numbers are in it."""

# %% [markdown]
# # 4.2 Padding and stride
#
# A kernel larger than one pixel makes the image smaller, and pixels at the border are seen less often than those
# within. *Padding* adds zeros around the image. *Stride* moves the kernel by more than one pixel, so that fewer
# places are left. Along each axis
#
# $$n_{out} = \left\lfloor \frac{n + p_{low} + p_{high} - k}{s} \right\rfloor + 1$$
#
# with $n$ pixels, a kernel of $k$, stride $s$ and $p$ zeros at either end.

# %%
import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn import ops

image = jax.random.uniform(jax.random.key(0), (8, 8))


def convolve(kernel_size: tuple[int, int], *, padding: ops.Padding = 0, strides: ops.Window = 1) -> jax.Array:
    """The image under a random kernel; `ops.conv2d` takes batches and channels, here one of each."""
    kernel = jax.random.uniform(jax.random.key(1), (*kernel_size, 1, 1))
    return ops.conv2d(image[None, :, :, None], kernel, padding=padding, strides=strides)[0, :, :, 0]


# %% [markdown]
# One zero on each side makes up for a 3x3 kernel: the size stays.

# %%
shapes = [convolve((3, 3), padding=1).shape]
print(f"3x3, padding 1:                     {shapes[-1]}")

# %% [markdown]
# A kernel that is not square needs another padding along each axis, half of what it takes away.

# %%
shapes.append(convolve((5, 3), padding=(2, 1)).shape)
print(f"5x3, padding (2, 1):                {shapes[-1]}")

# %% [markdown]
# A stride of 2 halves height and width. Strides may differ too, and the last pixels may be left out: with a 3x5
# kernel and padding (0, 1), $(8 - 3) / 3$ is rounded down to 1, and $(8 + 2 - 5) / 4$ as well.

# %%
shapes.append(convolve((3, 3), padding=1, strides=2).shape)
print(f"3x3, padding 1, stride 2:           {shapes[-1]}")
shapes.append(convolve((3, 5), padding=(0, 1), strides=(3, 4)).shape)
print(f"3x5, padding (0, 1), stride (3, 4): {shapes[-1]}")

# %% [markdown]
# `ops.conv_output_shape` is that formula, for whoever wants the size without the image. Where nothing would be left
# it says why.

# %%
print(f"224 pixels, 11x11, stride 4:        {ops.conv_output_shape(224, 11, strides=4)}")
try:
    ops.conv_output_shape(8, 11)
except ValueError as error:
    print(f"8 pixels, 11x11:                    {error}")

# %% [markdown]
# ## Why padding is written as numbers
#
# XLA also knows the padding 'SAME': as much as it takes for $\lceil n / s \rceil$ places. With a stride of 2, an odd
# kernel and an even size it puts *less* of it in front than behind. The shape is that of padding 1, but the kernel lies
# on other pixels and the numbers are others: a network whose weights were trained with the one computes nonsense with
# the other.

# %%
kernel = jax.random.uniform(jax.random.key(1), (3, 3, 1, 1))
explicit = convolve((3, 3), padding=1, strides=2)
same = lax.conv_general_dilated(
    image[None, :, :, None], kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
)[0, :, :, 0]
shifted = convolve((3, 3), padding=((0, 1), (0, 1)), strides=2)
print(f"padding 1 and 'SAME', shapes:       {explicit.shape} and {same.shape}")
print(f"they differ by at most:             {jnp.abs(explicit - same).max():.3f}")
print(f"'SAME' less padding ((0, 1), (0, 1)): {jnp.abs(shifted - same).max():.3f} at most")
