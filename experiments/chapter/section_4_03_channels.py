# %% [markdown]
# # 4.3 Several input and output channels
#
# A color image has three channels, and a deep layer has hundreds. The kernel has as many channels as its input. Each
# input channel is correlated with the same channel of the kernel, and the results are summed:
#
# $$Y = \sum_c \mathrm{corr2d}(X_c, K_c)$$
#
# This lesson builds this sum, adds several output channels, applies both to a photograph, and explains kernels of one
# pixel.

# %%
import figures
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import cbook

from jaxcnn import layers, ops

plane = jnp.arange(9.0).reshape(3, 3)
X = jnp.stack([plane, plane + 1])
taps = jnp.arange(4.0).reshape(2, 2)
K = jnp.stack([taps, taps + 1])


def correlate_by_channel(x, k):
    """Sum the correlations of the channels, one channel at a time."""
    y = ops.corr2d(x[0], k[0])
    for channel in range(1, len(x)):
        y += ops.corr2d(x[channel], k[channel])
    return y


one_output = correlate_by_channel(X, K)
print(f"two channels in, one out:\n{one_output}")

# %% [markdown]
# The top left entry is $0 \cdot 0 + 1 \cdot 1 + 3 \cdot 2 + 4 \cdot 3 = 19$ from the first channel, and
# $1 \cdot 1 + 2 \cdot 2 + 4 \cdot 3 + 5 \cdot 4 = 37$ from the second.
#
# With `vmap` the code reads like the formula: correlate channel by channel, then sum. No loop remains, and all channels
# are computed by one operation.


# %%
def corr2d_multi_in(x, k):
    """Sum the correlations of the channels."""
    return jax.vmap(ops.corr2d)(x, k).sum(0)


print(f"the same by vmap: {bool((one_output == corr2d_multi_in(X, K)).all())}")
print(f"the same by ops.corr2d_multi_in: {bool((one_output == ops.corr2d_multi_in(X, K)).all())}")

# %% [markdown]
# ## Several output channels
#
# Every output channel has its own kernel. Stacked, the kernels have the shape $(C_{out}, C_{in}, h, w)$. A second `vmap`
# runs over the kernels and keeps the image the same.


# %%
def corr2d_multi_in_out(x, k):
    """Correlate the image with each kernel."""
    return jax.vmap(corr2d_multi_in, in_axes=(None, 0))(x, k)


kernels = jnp.stack([K, K + 1, K + 2])
three_outputs = corr2d_multi_in_out(X, kernels)
print(f"kernels {kernels.shape} give {three_outputs.shape}:\n{three_outputs}")

# %% [markdown]
# A layer of $C_{out}$ kernels has $C_{out} C_{in} h w$ weights, and it multiplies each of them once per output position.
#
# The functions so far have the channels first, as the formula does. In the networks of this library the channels come
# last: images are $(N, H, W, C_{in})$ and kernels $(h, w, C_{in}, C_{out})$. Then the channels of a pixel are next to
# each other in memory. `ops.conv2d` is the same operation in this order.

# %%
x_key, k_key = jax.random.split(jax.random.key(0))
x, k = jax.random.normal(x_key, (3, 10, 12)), jax.random.normal(k_key, (4, 3, 5, 3))
expected = corr2d_multi_in_out(x, k)
images, kernels = x.transpose(1, 2, 0)[None], k.transpose(2, 3, 1, 0)  # (1, 10, 12, 3), (5, 3, 3, 4)
channels_last = ops.conv2d(images, kernels)[0]  # (6, 10, 4)
layout_differences = {
    "ops.corr2d_multi_in_out": float(jnp.abs(ops.corr2d_multi_in_out(x, k) - expected).max()),
    "ops.conv2d": float(jnp.abs(channels_last.transpose(2, 0, 1) - expected).max()),
}
for name, difference in layout_differences.items():
    print(f"{name:23} differs from two vmaps by {difference:.0e} at most")

# %% [markdown]
# ## Channels of a photograph
#
# This photograph comes with Matplotlib. Its channels are the red, green and blue light of each pixel. Three kernels, each
# of 3x3 pixels and three channels, compute new channels from it:
#
# - *vertical edges* has the same edge detector in each channel, so it adds the edges of all colors;
# - *red less blue edges* has the detector in red and the opposite detector in blue, so edges from black to white cancel;
# - *blue* blurs the blue channel, and subtracts the blurred mean of the other two.

# %%
photo = plt.imread(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))[:512] / 255
color = jnp.asarray(photo.reshape(256, 2, 256, 2, 3).mean((1, 3)), jnp.float32).transpose(2, 0, 1)
edge = jnp.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
nothing, mean = jnp.zeros((3, 3)), jnp.full((3, 3), 1 / 9)
DETECTORS = {
    "vertical edges": jnp.stack([edge, edge, edge]) / 3,
    "red less blue edges": jnp.stack([edge, nothing, -edge]),
    "blue": jnp.stack([-mean / 2, -mean / 2, mean]),
}
detected = corr2d_multi_in_out(color, jnp.stack(list(DETECTORS.values())))
print(f"image {color.shape}, kernels {(len(DETECTORS), *DETECTORS['blue'].shape)}, output {detected.shape}")

# %% mystnb={"image": {"alt": "The red, green and blue channel of a photograph, and below three output channels. Vertical edges shows all contours, that of the white collar clearly. Red less blue edges shows the contour of the face and hardly the collar. Blue is positive on the blue wall and negative on the skin."}}
figure, axes = plt.subplots(2, 3, figsize=(8, 5.6), layout="constrained")
for axis, channel, name in zip(axes[0], color, ("red", "green", "blue"), strict=True):
    axis.imshow(channel, cmap="gray", vmin=0, vmax=1)
    axis.set_title(f"{name} in")
for axis, channel, name in zip(axes[1], detected, DETECTORS, strict=True):
    limit = float(jnp.quantile(jnp.abs(channel), 0.99))
    axis.imshow(channel, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axis.set_title(f"{name} out")
for axis in axes.flat:
    axis.set_xticks([])
    axis.set_yticks([])
figures.show(figure, "4_03_channels")

# %% [markdown]
# In the lower row red is positive, white is 0 and blue is negative.
#
# ## 1x1 kernels
#
# A 1x1 kernel uses no neighboring pixels. It multiplies the channels of each pixel by a matrix, like a dense layer
# applied to every pixel:
#
# $$Y[o, i, j] = \sum_c K[o, c] \, X[c, i, j]$$
#
# It mixes the channels and changes their number, and keeps height and width. With the pixels as columns, the whole layer
# is one matrix product, $(C_{out}, C_{in})$ times $(C_{in}, HW)$.


# %%
def corr2d_multi_in_out_1x1(x, k):
    """Multiply the channels of all pixels by one matrix."""
    channels, height, width = x.shape
    return (k[:, :, 0, 0] @ x.reshape(channels, height * width)).reshape(-1, height, width)


x = jax.random.normal(x_key, (3, 3, 3))
k = jax.random.normal(k_key, (2, 3, 1, 1))
as_product = corr2d_multi_in_out_1x1(x, k)
difference = jnp.abs(as_product - corr2d_multi_in_out(x, k)).max()
print(f"1x1 kernels as a matrix product and as a correlation differ by {difference:.1e} at most")
dense = {"params": {"kernel": k[:, :, 0, 0].T, "bias": jnp.zeros(2)}}
by_dense = jnp.asarray(layers.Dense(2).apply(dense, x.reshape(3, 9).T)).T.reshape(2, 3, 3)
dense_difference = jnp.abs(as_product - by_dense).max()
print(f"a dense layer on the nine pixels differs by {dense_difference:.1e} at most")

# %% [markdown]
# What can such a matrix do? The three colors of a pixel are similar: bright pixels have much of each. The *principal
# components* of the pixels are a rotation of the color space after which the channels are not correlated. If a 1x1
# convolution has this rotation as its kernel, its first channel is nearly the brightness and has most of the variance,
# its second channel separates blue from red, and its third has almost nothing. Two channels are enough for this image.

# %%
pixels = color.reshape(3, -1)
centered = pixels - pixels.mean(1, keepdims=True)
_, components = jnp.linalg.eigh(centered @ centered.T)
rotation = components[:, ::-1].T  # the largest variance first
rotation = rotation * jnp.sign(rotation.sum(1, keepdims=True))
rotated = corr2d_multi_in_out_1x1(centered.reshape(color.shape), rotation[:, :, None, None])
shares = {"before": centered.var(1), "after": rotated.var((1, 2))}
correlations = {"before": jnp.corrcoef(centered), "after": jnp.corrcoef(rotated.reshape(3, -1))}
for name, variances in shares.items():
    share = ", ".join(f"{value:.1%}" for value in variances / variances.sum())
    print(f"{name:6} the 1x1 convolution: share of the variance {share};", end=" ")
    print(f"correlation of the first two channels {jnp.abs(correlations[name][0, 1]):.2f}")

# %% mystnb={"image": {"alt": "Two scatter plots of the pixels. Before the 1x1 convolution, green rises with red. After it, the first channel is brightness, and the second separates blue pixels, above, from skin, red and yellow, below."}}
figure, axes = plt.subplots(1, 2, figsize=(8, 3.8), layout="constrained")
points = slice(None, None, 17)
for axis, values, name in ((axes[0], pixels, "before"), (axes[1], rotated.reshape(3, -1), "after")):
    axis.scatter(values[0, points], values[1, points], c=np.clip(pixels[:, points].T, 0, 1), s=4)
    axis.set(title=f"{name} the 1x1 convolution", aspect="equal")
axes[0].set(xlabel="red, 0 to 1", ylabel="green, 0 to 1", xlim=(-0.05, 1.05), ylim=(-0.05, 1.05))
axes[1].set(xlabel="first channel: brightness", ylabel="second channel", xlim=(-0.7, 1.2), ylim=(-0.95, 0.95))
figures.show(figure, "4_03_1x1")

# %% [markdown]
# Each point is a pixel in its own color. In networks, the matrix of a 1x1 kernel is learned.
# [NiN](section_4_08_nin.py) uses 1x1 kernels as dense layers on every pixel. [GoogLeNet](section_4_09_googlenet.py),
# [ResNet](section_4_11_resnet.py) and [DenseNet](section_4_12_densenet.py) change the number of channels with them.
#
# ## Exercises
#
# **Exercise 1.** Two 1x1 convolutions follow each other, the first from 3 to 8 channels and the second from 8 to 2, with
# nothing between them. Replace them by one. What prevents this in a network?
#
# <details><summary>Answer</summary>
#
# Both are matrices, so one convolution with their product does the same:
#
# ```python
# first, second = jax.random.normal(x_key, (8, 3, 1, 1)), jax.random.normal(k_key, (2, 8, 1, 1))
# both = (second[:, :, 0, 0] @ first[:, :, 0, 0])[:, :, None, None]
# two = ops.corr2d_multi_in_out_1x1(ops.corr2d_multi_in_out_1x1(color, first), second)
# jnp.abs(two - ops.corr2d_multi_in_out_1x1(color, both)).max()  # 3e-06
# ```
#
# The product has 6 weights instead of 40. In a network there is an activation function such as ReLU between the
# two. It is not linear, so no single matrix replaces them.
#
# </details>
#
# **Exercise 2.** A block of GoogLeNet computes 32 channels with 5x5 kernels from 192 channels of 12x12 pixels, with
# padding 2. How many multiplications is this? How many if a 1x1 convolution first reduces the 192 channels to 16?
#
# <details><summary>Answer</summary>
#
# Each of the $12 \cdot 12 = 144$ positions multiplies all weights. Directly these are
# $144 \cdot 192 \cdot 32 \cdot 25 = 22{,}118{,}400$. With the reduction they are
# $144 \cdot (192 \cdot 16 + 16 \cdot 32 \cdot 25) = 2{,}285{,}568$, a tenth.
#
# </details>
#
# **Exercise 3.** Which kernels of shape (3, 3, 3, 3) blur the three color channels separately, so that red stays red?
# How many of their weights are not zero?
#
# <details><summary>Answer</summary>
#
# Output channel $o$ must see only input channel $o$: the kernel is the blur where $o = c$, and zero elsewhere.
#
# ```python
# separate = jnp.eye(3)[:, :, None, None] * jnp.full((1, 1, 3, 3), 1 / 9)
# blurred = ops.corr2d_multi_in_out(color, separate)
# jnp.abs(blurred - jax.vmap(ops.corr2d, in_axes=(0, None))(color, jnp.full((3, 3), 1 / 9))).max()  # 2e-07
# ```
#
# Of the 81 weights 27 are not zero. A *depthwise* convolution stores only these.
#
# </details>
