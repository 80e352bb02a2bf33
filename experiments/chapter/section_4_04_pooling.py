"""4.4 Pooling: the maximum or mean of each window, and the effect of shifting the image."""

# %% [markdown]
# # 4.4 Pooling
#
# A pooling layer slides a window over the image, as a convolution does, but has no parameters. It computes the maximum
# or the mean of each window.

# %%
from pathlib import Path

import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.report import default_pyplot

plt = default_pyplot()
FIGURES = Path("runs/chapter")
FIGURES.mkdir(parents=True, exist_ok=True)

X = jnp.arange(9.0).reshape(3, 3)
maxima, means = ops.pool2d(X, (2, 2)), ops.pool2d(X, (2, 2), mode="avg")
print(f"maximum over 2x2:\n{maxima}\n")
print(f"mean over 2x2:\n{means}\n")

# %% [markdown]
# ## Padding and stride
#
# In a network, pooling makes images smaller. The default stride is the size of the window, so windows do not overlap.
# For the maximum, padding has the value minus infinity, which is never the maximum.

# %%
image = jnp.arange(16.0).reshape(1, 4, 4, 1)  # a batch of one image of one channel
side_by_side = ops.max_pool2d(image, 3)[0, :, :, 0]
padded = ops.max_pool2d(image, 3, padding=1, strides=2)[0, :, :, 0]
oblong = ops.max_pool2d(image, (2, 4), padding=(1, 2), strides=(2, 3))[0, :, :, 0]
print(f"the image:\n{image[0, :, :, 0]}\n")
print(f"window 3:\n{side_by_side}\n")
print(f"window 3, padding 1, stride 2:\n{padded}\n")
print(f"window (2, 4), padding (1, 2), stride (2, 3):\n{oblong}\n")

# %% [markdown]
# ## Several channels
#
# A convolution sums over its input channels. Pooling treats each channel separately.

# %%
two_channels = jnp.concatenate([image, image + 1], axis=-1)
pooled = ops.max_pool2d(two_channels, 3, padding=1, strides=2)[0].transpose(2, 0, 1)
print(f"two channels, window 3, padding 1, stride 2:\n{pooled}\n")

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
edges, moved_edges = (jnp.abs(ops.corr2d(each, jnp.array([[1.0, -1.0]]))) for each in (disc, moved))
kept, moved_kept = (ops.pool2d(each, 3) for each in (edges, moved_edges))


def found_again(before, after):
    """Return the share of the responses that are at the same pixels."""
    return float((before * after).sum() / before.sum())


of_edges, of_maxima = found_again(edges, moved_edges), found_again(kept, moved_kept)
print(f"after a shift by one pixel {of_edges:.0%} of the edge is where it was, and {of_maxima:.0%} of the maxima are")

# %%
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
figure.savefig(FIGURES / "4_04_shift.png", dpi=150)
print(f"figure: {FIGURES / '4_04_shift.png'}")
