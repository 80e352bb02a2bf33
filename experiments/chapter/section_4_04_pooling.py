# %% [markdown]
# # 4.4 Pooling
#
# A pooling layer slides a window over the image, as a convolution does, but has no parameters. It computes the maximum
# or the mean of each window:
#
# $$Y[i, j] = \max_{u, v} X[i s + u, j s + v] \qquad \text{or} \qquad Y[i, j] = \frac{1}{h w} \sum_{u, v} X[i s + u, j s + v]$$
#
# This lesson shows what the maximum and the mean keep of an image, and measures how much their outputs change when the
# image moves.

# %%
from functools import partial

import figures
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from jaxcnn import data, ops

# %% [markdown]
# ## The operation
#
# As for the [convolution](section_4_01_convolution.py), the formula is a loop over positions. The form with arrays
# takes the maximum, or the mean, of the $h \cdot w$ shifted images. Both functions have stride 1.


# %%
def pool2d_by_position(x, window, reduce):
    """Reduce the pixels under the window, one position at a time."""
    (height, width), (h, w) = x.shape, window
    y = np.zeros((height - h + 1, width - w + 1), np.float32)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = reduce(x[i : i + h, j : j + w])
    return y


@partial(jax.jit, static_argnums=(1, 2))
def pool2d(x, window, reduce):
    """Reduce the shifted images."""
    (height, width), (h, w) = x.shape, window
    rows, columns = height - h + 1, width - w + 1
    return reduce(jnp.stack([x[u : u + rows, v : v + columns] for u in range(h) for v in range(w)]), axis=0)


X = jnp.arange(9.0).reshape(3, 3)
maxima, means = pool2d(X, (2, 2), jnp.max), pool2d(X, (2, 2), jnp.mean)
print(f"maximum over 2x2:\n{maxima}")
print(f"mean over 2x2:\n{means}")

# %% [markdown]
# `ops.pool2d` is the same operation.

# %%
few = data.load_fashion_mnist().limit(256)
images = jnp.asarray(few.train_images, jnp.float32) / 255
boot = images[0, :, :, 0]
differences = []
for mode, numpy_form, jax_form in (("max", np.max, jnp.max), ("avg", np.mean, jnp.mean)):
    by_position = pool2d_by_position(np.asarray(boot), (3, 5), numpy_form)
    results = pool2d(boot, (3, 5), jax_form), ops.pool2d(boot, (3, 5), mode=mode)
    differences += [float(jnp.abs(result - by_position).max()) for result in results]
    print(f"{mode}: arrays and ops.pool2d differ from the loop by {max(differences):.0e} at most")

# %% [markdown]
# ## Padding and stride
#
# In a network, pooling makes images smaller. The default stride is the size of the window, so windows do not overlap.
# For the maximum, padding has the value minus infinity, which is never the maximum. For the mean it has the value 0 and
# counts as a pixel, so means at the border are smaller.

# %%
image = jnp.arange(16.0).reshape(1, 4, 4, 1)  # a batch of one image of one channel
side_by_side = ops.max_pool2d(image, 3)[0, :, :, 0]
padded = ops.max_pool2d(image, 3, padding=1, strides=2)[0, :, :, 0]
oblong = ops.max_pool2d(image, (2, 4), padding=(1, 2), strides=(2, 3))[0, :, :, 0]
print(f"the image:\n{image[0, :, :, 0]}\n")
print(f"window 3:\n{side_by_side}\n")
print(f"window 3, padding 1, stride 2:\n{padded}\n")
print(f"window (2, 4), padding (1, 2), stride (2, 3):\n{oblong}")

# %% [markdown]
# ## Several channels
#
# A convolution sums over its input channels. Pooling treats each channel separately.

# %%
two_channels = jnp.concatenate([image, image + 1], axis=-1)
pooled = ops.max_pool2d(two_channels, 3, padding=1, strides=2)[0].transpose(2, 0, 1)
print(f"two channels, window 3, padding 1, stride 2:\n{pooled}")

# %% [markdown]
# ## What is kept
#
# The maximum keeps the strongest response in each window and forgets where it was. The mean keeps the average and
# weakens thin structures. The figure pools an image of Fashion-MNIST and the strength of its vertical edges.


# %% mystnb={"image": {"alt": "A boot and its vertical edges, as they are, and after pooling by 2 and by 4. The maximum keeps thin edges as bright as they were. The mean makes them faint."}}
edge_kernel = jnp.array([[1.0, -1.0]])
detect_edges = jax.jit(jax.vmap(lambda x: jnp.abs(ops.corr2d(x, edge_kernel))))
boot_edges = jnp.pad(detect_edges(boot[None])[0], ((0, 0), (0, 1)))
pairs = jnp.stack([boot, boot_edges], axis=-1)[None]  # one image of two channels
POOLINGS = {
    "as it is": lambda x: x,
    "maximum, 2x2": lambda x: ops.max_pool2d(x, 2),
    "mean, 2x2": lambda x: ops.avg_pool2d(x, 2),
    "maximum, 4x4": lambda x: ops.max_pool2d(x, 4),
    "mean, 4x4": lambda x: ops.avg_pool2d(x, 4),
}
figure, axes = plt.subplots(2, 5, figsize=(9, 3.8), layout="constrained")
for column, (name, pool) in enumerate(POOLINGS.items()):
    both = pool(pairs)[0]
    axes[0, column].set_title(f"{name}\n{both.shape[0]}x{both.shape[1]} pixels", fontsize=10)
    for row in range(2):
        axes[row, column].imshow(both[:, :, row], cmap="gray", vmin=0, vmax=1)
        axes[row, column].set_xticks([])
        axes[row, column].set_yticks([])
axes[0, 0].set_ylabel("image")
axes[1, 0].set_ylabel("vertical edges")
figures.show(figure, "4_04_pooling")

# %% [markdown]
# The two also differ in training. The gradient of a maximum goes only to the largest pixel of the window. The gradient of
# a mean goes to all pixels of the window in equal parts.

# %%
square = jnp.array([[1.0, 5.0], [2.0, 3.0]])[None, :, :, None]
max_gradient, mean_gradient = (
    jax.grad(lambda x, pool=pool: pool(x, 2).sum())(square)[0, :, :, 0] for pool in (ops.max_pool2d, ops.avg_pool2d)
)
print(
    f"window:\n{square[0, :, :, 0]}\ngradient of its maximum:\n{max_gradient}\ngradient of its mean:\n{mean_gradient}"
)

# %% [markdown]
# ## Robustness to a shift by one pixel
#
# An edge detector responds at the exact pixel of the edge. If the image moves by one pixel, most responses are at other
# pixels. A 3x3 window that contains a part of the edge still contains it in two cases out of three, and often contains
# another part as well.

# %%
rows, columns = jnp.mgrid[-11.5:12, -11.5:12]
disc = jnp.where(rows**2 + columns**2 < 9**2, 0.0, 1.0)
moved = jnp.roll(disc, 1, axis=1)
edges, moved_edges = detect_edges(jnp.stack([disc, moved]))
kept, moved_kept = (pool2d(each, (3, 3), jnp.max) for each in (edges, moved_edges))


def found_again(before, after):
    """Return the share of the responses that are at the same pixels."""
    return float((before * after).sum() / before.sum())


of_edges, of_maxima = found_again(edges, moved_edges), found_again(kept, moved_kept)
print(f"after a shift by one pixel {of_edges:.0%} of the edge is where it was, and {of_maxima:.0%} of the maxima are")

# %% mystnb={"image": {"alt": "A disc, its edges and the maxima over 3x3 windows, above as they are and below moved one pixel to the right. The edges are thin lines that move. The maxima are thick lines that mostly overlap."}}
figure, axes = plt.subplots(2, 3, figsize=(7.5, 5), layout="constrained")
pictures = [("image", disc, moved), ("edges", edges, moved_edges), ("maximum over 3x3", kept, moved_kept)]
for column, (title, still, shifted) in enumerate(pictures):
    for axis, picture in zip(axes[:, column], (still, shifted), strict=True):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axis.set_xticks([])
        axis.set_yticks([])
    axes[0, column].set_title(title)
axes[0, 0].set_ylabel("as it is")
axes[1, 0].set_ylabel("one pixel to the right")
figures.show(figure, "4_04_shift")

# %% [markdown]
# A network pools with a stride, so that the maps become smaller. The next cell measures the effect on the edges in 256
# images of Fashion-MNIST: how much do the maps change, relative to their size, if the images move? It compares three ways
# to halve a map: keep every second pixel, take the mean of 2x2 pixels, or take their maximum.


# %%
def relative_change(reduce, shift):
    """Return |maps of the shifted images - maps| / |maps|, over all images."""
    padded = jnp.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)))
    maps, moved_maps = (reduce(detect_edges(jnp.roll(padded, by, axis=2)[:, :, :, 0])[..., None]) for by in (0, shift))
    return float(jnp.linalg.norm(moved_maps - maps) / jnp.linalg.norm(maps))


REDUCTIONS = {
    "all pixels": lambda x: x,
    "every second pixel": lambda x: x[:, ::2, ::2],
    "mean, 2x2, stride 2": lambda x: ops.avg_pool2d(x, 2),
    "maximum, 2x2, stride 2": lambda x: ops.max_pool2d(x, 2),
    "maximum, 4x4, stride 4": lambda x: ops.max_pool2d(x, 4),
}
changes = {name: [relative_change(reduce, shift) for shift in range(5)] for name, reduce in REDUCTIONS.items()}
for name, values in changes.items():
    print(f"{name:22} change by " + ", ".join(f"{value:.2f}" for value in values[1:]) + " after 1 to 4 pixels")

# %% mystnb={"image": {"alt": "Relative change of edge maps against the shift of the images. After one pixel, every second pixel changes as much as all pixels, means and maxima of 2x2 less, and maxima of 4x4 least."}}
figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
for (name, values), marker in zip(changes.items(), "osv^D", strict=True):
    axis.plot(range(5), values, marker=marker, label=name)
axis.set(xlabel="shift of the images, pixels", ylabel="change / size of the maps", xticks=range(5))
axis.set_ylim(bottom=0)
axis.legend()
figures.show(figure, "4_04_change")

# %% [markdown]
# Edges are thin, so a shift by one pixel changes the map of all pixels by more than its own size. A stride without
# pooling does not help. Pooling by 2x2 reduces the change by more than a third, and pooling by 4x4 by more than a half.
# For these thin edges the mean is as robust as the maximum; only the strength of the responses differs. After a shift
# by two pixels, the maps pooled by 2x2 change almost as much as the map of all pixels after one. So one pooling layer
# of 2x2 gives robustness to about one pixel, and several layers give more.
#
# ## Exercises
#
# **Exercise 1.** Write the mean over 2x2 windows with stride 2 as a convolution. Why is there no kernel for the maximum?
#
# <details><summary>Answer</summary>
#
# The kernel has the weight 1/4 four times. Channels stay separate, so with $C$ channels the kernel is zero between
# different ones:
#
# ```python
# kernel = jnp.broadcast_to(jnp.eye(2) / 4, (2, 2, 2, 2))
# jnp.abs(ops.conv2d(pairs, kernel, strides=2) - ops.avg_pool2d(pairs, 2)).max()  # 6e-08
# ```
#
# A convolution is linear, and the maximum is not: the maxima of $(1, 0)$ and $(0, 1)$ are 1 and 1, and the maximum of
# their sum $(1, 1)$ is 1, not 2.
#
# </details>
#
# **Exercise 2.** Show that convolutions and ReLUs together can compute the maximum of two pixels.
#
# <details><summary>Answer</summary>
#
# $\max(a, b) = \mathrm{ReLU}(a - b) + b$. The difference $a - b$ is a convolution with the kernel $[1, -1]$, and $b$ one
# with the kernel $[0, 1]$:
#
# ```python
# difference, right = ops.corr2d(boot, jnp.array([[1.0, -1.0]])), ops.corr2d(boot, jnp.array([[0.0, 1.0]]))
# jnp.abs(jax.nn.relu(difference) + right - ops.pool2d(boot, (1, 2))).max()  # below 1e-07
# ```
#
# The maximum of four pixels is the maximum of two such maxima.
#
# </details>
#
# **Exercise 3.** AlexNet pools with windows of 3x3 and stride 2, so windows overlap. How large can the gradient of the
# sum of all outputs become at one pixel? Where is such a pixel?
#
# <details><summary>Answer</summary>
#
# A pixel with odd row and odd column is in one window. One with even row and even column, inside the image, is in four.
# If it is the largest of all four, it gets the gradient of all four:
#
# ```python
# peak = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2, 0].set(1)
# jax.grad(lambda x: ops.max_pool2d(x, 3, strides=2).sum())(peak)[0, 2, 2, 0]  # 4.0
# ```
#
# </details>
