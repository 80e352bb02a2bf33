"""4.2 Padding and stride: the size and the values of the output."""

# %% [markdown]
# # 4.2 Padding and stride
#
# A kernel larger than one pixel makes the output smaller than the image, and border pixels contribute to fewer outputs
# than inner pixels. *Padding* adds zeros around the image. *Stride* moves the kernel by more than one pixel, so that it
# has fewer positions. Along each axis
#
# $$n_{out} = \left\lfloor \frac{n + p_{low} + p_{high} - k}{s} \right\rfloor + 1$$
#
# for $n$ pixels, a kernel of size $k$, stride $s$, and $p_{low}$ and $p_{high}$ zeros at the two ends.

# %%
import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn import ops

image = jax.random.uniform(jax.random.key(0), (8, 8))


def convolve(kernel_size: tuple[int, int], *, padding: ops.Padding = 0, strides: ops.Window = 1) -> jax.Array:
    """Convolve the image with a random kernel. `ops.conv2d` takes batches and channels, here one of each."""
    kernel = jax.random.uniform(jax.random.key(1), (*kernel_size, 1, 1))
    return ops.conv2d(image[None, :, :, None], kernel, padding=padding, strides=strides)[0, :, :, 0]


# %% [markdown]
# With a 3x3 kernel, one zero on each side keeps the size.

# %%
shapes = [convolve((3, 3), padding=1).shape]
print(f"3x3, padding 1:                     {shapes[-1]}")

# %% [markdown]
# A kernel that is not square needs a different padding along each axis: half of the size that it removes.

# %%
shapes.append(convolve((5, 3), padding=(2, 1)).shape)
print(f"5x3, padding (2, 1):                {shapes[-1]}")

# %% [markdown]
# A stride of 2 halves height and width. Strides can also differ along the axes, and the last pixels can be unused: with
# a 3x5 kernel, padding (0, 1) and strides (3, 4), $(8 - 3) / 3$ and $(8 + 2 - 5) / 4$ are both rounded down to 1.

# %%
shapes.append(convolve((3, 3), padding=1, strides=2).shape)
print(f"3x3, padding 1, stride 2:           {shapes[-1]}")
shapes.append(convolve((3, 5), padding=(0, 1), strides=(3, 4)).shape)
print(f"3x5, padding (0, 1), stride (3, 4): {shapes[-1]}")

# %% [markdown]
# `ops.conv_output_shape` evaluates this formula without an image. If the kernel does not fit, it raises an error that
# shows the computation.

# %%
print(f"224 pixels, 11x11, stride 4:        {ops.conv_output_shape(224, 11, strides=4)}")
try:
    ops.conv_output_shape(8, 11)
except ValueError as error:
    print(f"8 pixels, 11x11:                    {error}")

# %% [markdown]
# ## Why padding is given as numbers
#
# XLA also has the padding 'SAME', which gives $\lceil n / s \rceil$ outputs, and `ops.conv2d` accepts this word. With
# a stride of 2, an odd kernel and an even size, 'SAME' adds *fewer* zeros before the image than after it. The output
# has the same shape as with padding 1, but the kernel covers other pixels and the values differ. A network trained with
# one of them gives wrong results with the other.

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
