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
#
# This lesson adds both to the operation, computes sizes, counts how often each pixel is used, and measures on which
# pixels an output depends after several layers.

# %%
from functools import partial

import figures
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax import lax
from matplotlib.patches import Rectangle

from jaxcnn import ops

# %% [markdown]
# ## The operation
#
# Padding and stride change three lines of the loop of [section 4.1](section_4_01_convolution.py). Padding surrounds the
# image with zeros before the loop. Stride divides the number of positions, and multiplies the position.


# %%
def conv2d_by_position(x, k, padding, strides):
    """Multiply and sum under the kernel, one position at a time."""
    (p_h, p_w), (s_h, s_w) = padding, strides
    x, k = np.pad(x, ((p_h, p_h), (p_w, p_w))), np.asarray(k)
    (height, width), (h, w) = x.shape, k.shape
    y = np.zeros(((height - h) // s_h + 1, (width - w) // s_w + 1), np.float32)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = (x[i * s_h : i * s_h + h, j * s_w : j * s_w + w] * k).sum()
    return y


# %% [markdown]
# In the form with arrays, a weight meets every $s$-th pixel of the shifted image: a slice with a step.


# %%
@partial(jax.jit, static_argnums=(2, 3))
def conv2d(x, k, padding, strides):
    """Sum the shifted images, each times one weight."""
    (p_h, p_w), (s_h, s_w) = padding, strides
    x = jnp.pad(x, ((p_h, p_h), (p_w, p_w)))
    (height, width), (h, w) = x.shape, k.shape
    rows, columns = (height - h) // s_h + 1, (width - w) // s_w + 1
    ends = s_h * (rows - 1) + 1, s_w * (columns - 1) + 1
    return sum(k[u, v] * x[u : u + ends[0] : s_h, v : v + ends[1] : s_w] for u in range(h) for v in range(w))


image = jax.random.uniform(jax.random.key(0), (8, 8))


def convolve(kernel_size: tuple[int, int], *, padding: ops.Padding = 0, strides: ops.Window = 1) -> jax.Array:
    """Convolve the image with a random kernel. `ops.conv2d` takes batches and channels, here one of each."""
    kernel = jax.random.uniform(jax.random.key(1), (*kernel_size, 1, 1))
    return ops.conv2d(image[None, :, :, None], kernel, padding=padding, strides=strides)[0, :, :, 0]


SETTINGS = {
    "3x3": ((3, 3), (0, 0), (1, 1)),
    "3x3, padding 1": ((3, 3), (1, 1), (1, 1)),
    "3x3, padding 1, stride 2": ((3, 3), (1, 1), (2, 2)),
    "3x5, padding (0, 1), stride (3, 4)": ((3, 5), (0, 1), (3, 4)),
}
differences = []
for size, padding, strides in SETTINGS.values():
    kernel = jax.random.uniform(jax.random.key(1), size)
    by_position = conv2d_by_position(image, kernel, padding, strides)
    results = conv2d(image, kernel, padding, strides), convolve(size, padding=padding, strides=strides)
    differences += [float(jnp.abs(result - by_position).max()) for result in results]
print(f"arrays and ops.conv2d differ from the loop by {max(differences):.0e} at most")

# %% [markdown]
# ## Sizes
#
# With a 3x3 kernel, one zero on each side keeps the size.

# %%
shapes = [convolve((3, 3), padding=1).shape]
print(f"3x3, padding 1:                     {shapes[-1]}")

# %% [markdown]
# A kernel that is not square needs a different padding along each axis: $(k - 1) / 2$, half of the pixels that a kernel
# of size $k$ removes.

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
# `ops.conv_output_shape` evaluates the formula without an image. If the kernel does not fit, it raises an error that
# shows the computation.

# %%
print(f"224 pixels, 11x11, stride 4:        {ops.conv_output_shape(224, 11, strides=4)}")
try:
    ops.conv_output_shape(8, 11)
except ValueError as error:
    print(f"8 pixels, 11x11:                    {error}")

# %% [markdown]
# ## Which pixels are used, and how often
#
# With a kernel of ones, the gradient of the sum of all outputs is a count: the number of outputs to which each pixel
# contributes. In the figure, the numbers and the shades of blue are these counts. Each dot is the center of the kernel
# at one position, so the dots are the outputs. The dashed rectangle is the kernel at its first position.


# %%
@partial(jax.jit, static_argnums=(0, 1, 2))
def count_uses(size, padding, strides):
    """Return to how many outputs each pixel contributes."""
    return jax.grad(lambda x: conv2d(x, jnp.ones(size), padding, strides).sum())(image)


uses = {name: count_uses(*setting) for name, setting in SETTINGS.items()}
for name, counts in uses.items():
    print(f"{name:34}: corner pixel {counts[0, 0]:.0f}, inner pixels {counts[2:6, 2:6].min():.0f}", end=" ")
    print(f"to {counts[2:6, 2:6].max():.0f}, unused pixels {int((counts == 0).sum())}")

# %% mystnb={"image": {"alt": "An 8x8 image under four settings. Without padding the corner pixel is used once and inner pixels nine times, and there are 6x6 outputs. Padding 1 gives 8x8 outputs. Stride 2 gives 4x4 outputs. With strides 3 and 4 there are 2x2 outputs, and the last rows and columns are not used."}}
figure, axes = plt.subplots(2, 2, figsize=(7.4, 7.8), layout="constrained")
for axis, (name, (size, padding, strides)) in zip(axes.flat, SETTINGS.items(), strict=True):
    axis.imshow(uses[name], cmap="Blues", vmin=0, vmax=18)
    (h, w), (p_h, p_w), (s_h, s_w) = size, padding, strides
    rows, columns = ops.conv_output_shape(image.shape, size, strides, padding)
    i, j = np.mgrid[:rows, :columns]
    axis.scatter(j * s_w - p_w + (w - 1) / 2, i * s_h - p_h + (h - 1) / 2, color="tab:orange", s=18)
    axis.add_patch(Rectangle((-p_w - 0.5, -p_h - 0.5), w, h, fill=False, edgecolor="tab:orange", linestyle="--"))
    axis.add_patch(Rectangle((-0.5, -0.5), 8, 8, fill=False))
    for (row, column), count in np.ndenumerate(np.asarray(uses[name])):
        axis.text(column + 0.35, row + 0.3, f"{count:.0f}", ha="right", va="center", fontsize=7)
    axis.set(title=f"{name}:\n{rows}x{columns} outputs", xlim=(-1.7, 8.7), ylim=(8.7, -1.7), xticks=range(8))
    axis.set(yticks=range(8), xlabel="column of the image, pixels", ylabel="row of the image, pixels")
figures.show(figure, "4_02_positions")

# %% [markdown]
# ## Why padding is given as numbers
#
# The convolutions of JAX also accept the padding 'SAME', which gives $\lceil n / s \rceil$ outputs, and so does
# `ops.conv2d`. With a stride of 2, an odd kernel and an even size, 'SAME' adds *fewer* zeros before the image than
# after it. The output has the same shape as with padding 1, but the kernel covers other pixels and the values differ. A
# network trained with one of them gives wrong results with the other.

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

# %% [markdown]
# ## The receptive field
#
# One output of a 3x3 convolution depends on 3x3 pixels. An output of a second convolution depends on 3x3 outputs of the
# first, and so on 5x5 pixels. The pixels on which an output depends are its *receptive field*. A layer with kernel size
# $k$ increases the size $r$ of the field by $k - 1$ steps of $d$ pixels, where $d$ is the product of the strides before
# this layer:
#
# $$r \leftarrow r + (k - 1) \, d, \qquad d \leftarrow d \, s$$
#
# with $r = d = 1$ at the image. Pooling counts in the same way. So a stride has two effects: it reduces the number of
# outputs, and it makes the receptive field of all later layers grow faster.


# %%
def receptive_field(layers):
    """Return the size of the receptive field after layers with (kernel size, stride)."""
    size, distance = 1, 1
    for kernel_size, stride in layers:
        size += (kernel_size - 1) * distance
        distance *= stride
    return size


LENET = [(5, 1), (2, 2), (5, 1), (2, 2)]
ALEXNET = [(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)]
VGG = [(3, 1), (2, 2)] * 2 + [(3, 1), (3, 1), (2, 2)] * 3
for name, network, pixels in (("LeNet", LENET, 28), ("AlexNet", ALEXNET, 224), ("VGG-11", VGG, 224)):
    size = receptive_field(network)
    print(f"{name:8} before its dense layers: {size}x{size} pixels of {pixels}x{pixels}")

# %% [markdown]
# The receptive field can also be measured: it has the pixels at which the gradient of one output with respect to the
# image is not zero. The size of this gradient also shows how strongly the output depends on each pixel. The stacks below
# have 16 channels, random kernels and ReLUs, and the figure shows the mean size of the gradient of the middle output over
# 64 stacks.

# %%
STACKS = {
    "1 layer": [(3, 1)],
    "3 layers": [(3, 1)] * 3,
    "6 layers": [(3, 1)] * 6,
    "6 layers, strides 1 and 2": [(3, 1), (3, 2)] * 2 + [(3, 1)] * 2,
}


@partial(jax.jit, static_argnums=0)
def sensitivity(strides, images, kernels):
    """Return the mean absolute gradient of the middle output by each pixel."""

    def middle(x, kernels):
        for kernel, stride in zip(kernels, strides, strict=True):
            x = jax.nn.relu(ops.conv2d(x, kernel, padding=1, strides=stride))
        return x[0, x.shape[1] // 2, x.shape[2] // 2].sum()

    return jnp.abs(jax.lax.map(lambda stack: jax.grad(middle)(*stack), (images, kernels))).mean((0, 1, 4))


def measure(layers):
    """Return the sensitivity of 64 random stacks on random images of 33x33 pixels."""
    random = np.random.default_rng(0)
    images = random.normal(size=(64, 1, 33, 33, 1)).astype(np.float32)
    channels = [1] + [16] * len(layers)
    shapes = [(64, size, size, *channels[number : number + 2]) for number, (size, _) in enumerate(layers)]
    kernels = [random.normal(size=shape).astype(np.float32) / shape[1] for shape in shapes]
    return sensitivity(tuple(stride for _, stride in layers), images, kernels)


measured = {name: measure(layers) for name, layers in STACKS.items()}
sizes = []
for name, layers in STACKS.items():
    reached = measured[name] > 0
    share = jnp.sort((measured[name] / measured[name].sum()).ravel())[::-1].cumsum()
    sizes.append((receptive_field(layers), int(reached.any(0).sum())))
    print(f"{name:25} receptive field {sizes[-1][0]:2} by the formula, {sizes[-1][1]:2} by the gradient;", end=" ")
    print(f"half of the gradient is on {(share < 0.5).mean() * share.size / reached.sum():.0%} of it")

# %% mystnb={"image": {"alt": "The gradient of one output by the pixels, for four stacks of 3x3 convolutions. Its square grows from 3 over 7 to 13 pixels with 1, 3 and 6 layers, and to 29 pixels if two of six layers have stride 2. Inside the square the gradient is concentrated in the middle."}}
figure, axes = plt.subplots(2, 2, figsize=(7.4, 7.4), layout="constrained")
for axis, (name, layers) in zip(axes.flat, STACKS.items(), strict=True):
    size = receptive_field(layers)
    axis.imshow(measured[name] / measured[name].max(), cmap="Greys", vmin=0, vmax=1)
    axis.add_patch(Rectangle((16 - size / 2, 16 - size / 2), size, size, fill=False, edgecolor="tab:orange"))
    axis.set(title=f"{name}: {size}x{size} pixels", xlabel="column, pixels", ylabel="row, pixels")
figures.show(figure, "4_02_receptive_field")

# %% [markdown]
# Formula and gradient agree (orange squares). Inside the receptive field, pixels in the middle matter most, because many
# paths through the layers lead from them to the output, and only one leads from a corner. A network that has to see a
# whole object needs a receptive field that is larger than the object.
#
# ## Exercises
#
# **Exercise 1.** The first layer of [AlexNet](section_4_06_alexnet.py) has 11x11 kernels, stride 4 and no padding, on
# images of 224x224. How large is its output? Which pixels of the image does it not use?
#
# <details><summary>Answer</summary>
#
# There are $\lfloor (224 - 11) / 4 \rfloor + 1 = 54$ positions along each axis. The last one begins at row $53 \cdot 4
# = 212$ and ends at row 222. So row 223 is not used, and neither is column 223:
#
# ```python
# uses = jax.grad(lambda x: ops.conv2d(x, jnp.ones((11, 11, 1, 1)), strides=4).sum())(jnp.ones((1, 224, 224, 1)))
# jnp.flatnonzero(uses[0, :, 0, 0] == 0)  # [223]
# ```
#
# </details>
#
# **Exercise 2.** Which padding keeps the size under a 4x4 kernel with stride 1? Why are most kernels of odd size?
#
# <details><summary>Answer</summary>
#
# The kernel removes 3 rows, so the padding must add 3 in total, for example 1 before and 2 after:
#
# ```python
# ops.conv_output_shape(28, 4, padding=((1, 2), (1, 2)))  # (28, 28)
# ```
#
# With an even kernel the two sides differ, so the output is displaced by half a pixel. A kernel of odd size $k$ has a
# middle pixel, and the padding $(k - 1) / 2$ on both sides keeps the size without a displacement.
#
# </details>
#
# **Exercise 3.** How many 3x3 convolutions does it take until one output sees all of a 28x28 image, if all have stride
# 1? How many if every second one has stride 2? How many if the distance between the pixels under the kernel doubles
# from layer to layer (*dilation* 1, 2, 4, ...)?
#
# <details><summary>Answer</summary>
#
# With stride 1, $n$ layers see $2n + 1$ pixels, so it takes 14. With strides, `receptive_field([(3, 1), (3, 2)] * 3)`
# is 29, so it takes 6 layers. A layer with dilation $\delta$ adds $2 \delta$ pixels: the field has 3, 7, 15 and 31
# pixels after 1 to 4 layers, so it takes 4. Dilation keeps the number of outputs, and strides reduce it.
#
# </details>
