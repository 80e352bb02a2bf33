"""4.4 Pooling: a summary of each window, and what a shift of the image does to it."""

# %% [markdown]
# # 4.4 Pooling
#
# A pooling layer slides a window over the image, as a convolution does, but has nothing to learn: it keeps the
# maximum of each window, or the mean.

# %%
from pathlib import Path

import jax.numpy as jnp
import matplotlib.pyplot as plt

from jaxcnn import ops

FIGURES = Path("runs/chapter")
FIGURES.mkdir(parents=True, exist_ok=True)

X = jnp.arange(9.0).reshape(3, 3)
maxima, means = ops.pool2d(X, (2, 2)), ops.pool2d(X, (2, 2), mode="avg")
print(f"maximum over 2x2:\n{maxima}\n")
print(f"mean over 2x2:\n{means}\n")

# %% [markdown]
# ## Padding and stride
#
# In a network pooling makes images smaller. The stride is as large as the window unless said otherwise, so that
# windows lie side by side; padding counts as minus infinity, which is never the maximum.

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
# A convolution adds its channels up; pooling keeps each to itself.

# %%
two_channels = jnp.concatenate([image, image + 1], axis=-1)
pooled = ops.max_pool2d(two_channels, 3, padding=1, strides=2)[0].transpose(2, 0, 1)
print(f"two channels, window 3, padding 1, stride 2:\n{pooled}\n")

# %% [markdown]
# ## Why: a shift by one pixel
#
# An edge detector answers at the very pixel of the edge. Move the image by one pixel and most answers are elsewhere.
# A window of 3x3 that held a part of the edge still holds it in two cases of three, and often another part besides.

# %%
rows, columns = jnp.mgrid[-12:12, -12:12] + 0.5
disc = jnp.where(rows**2 + columns**2 < 9**2, 0.0, 1.0)
moved = jnp.roll(disc, 1, axis=1)
edges, moved_edges = (jnp.abs(ops.corr2d(each, jnp.array([[1.0, -1.0]]))) for each in (disc, moved))
kept, moved_kept = (ops.pool2d(each, 3) for each in (edges, moved_edges))


def found_again(before, after):
    """The share of the answers that are where they were."""
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
