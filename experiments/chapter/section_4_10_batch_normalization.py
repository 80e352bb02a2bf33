"""4.10 Batch normalization: a pure function that takes statistics and returns updated ones."""

# %% [markdown]
# # 4.10 Batch normalization
#
# In a deep network, the range of the activations changes while earlier layers learn. Batch normalization normalizes
# every channel of each batch to mean zero and variance one. Two learned parameters per channel then set its mean and
# standard deviation:
#
# $$\hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad y = \gamma \hat x + \beta$$
#
# For the output of a dense layer, $(N, F)$, mean and variance are computed over the batch; for images,
# $(N, H, W, C)$, over batch, height and width. The variance is the biased one: it is divided by the number of entries.

# %%
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import data, layers, ops, recipes, training
from jaxcnn.report import default_pyplot

plt = default_pyplot()
FIGURES = Path("runs/chapter")
FIGURES.mkdir(parents=True, exist_ok=True)
jnp.set_printoptions(precision=4, suppress=True)

x = jnp.array([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]])
start = ops.BatchStats(mean=jnp.zeros(2), var=jnp.zeros(2))
y, stats = ops.batch_norm(x, jnp.ones(2), jnp.zeros(2), start, train=True)
print(f"three examples of two features:\n{x}\n")
print(f"normalized, the scale of a feature is gone:\n{y}\n")

# %% [markdown]
# ## Two modes
#
# Training uses the statistics of the batch. In prediction the input can be a single image, and the result must not
# depend on other images. Training therefore also updates moving statistics, which prediction uses:
#
# $$\mu_{moving} \leftarrow 0.9 \, \mu_{moving} + 0.1 \, \mu$$
#
# The variance is updated in the same way. Both are initially zero. They are state, and state is explicit here:
# `batch_norm` takes the statistics and returns the updated ones. It therefore works under `jit`, and under `lax.scan`
# over many batches.

# %%
print(f"after one batch: moving mean {stats.mean}, a tenth of {x.mean(0)}")


def follow(stats, _):
    """Update the statistics with the same batch again."""
    _, stats = ops.batch_norm(x, jnp.ones(2), jnp.zeros(2), stats, train=True)
    return stats, stats.mean


_, means = jax.lax.scan(follow, start, length=50)
for count in (1, 10, 50):
    print(f"batches seen: {count:2}, moving mean {means[count - 1]}")
print()

# %% [markdown]
# ## On real activations
#
# This example applies the first convolution of LeNet, freshly initialized, to 256 images of Fashion-MNIST. The channels
# differ in mean and standard deviation. For a sigmoid after them, the differences between the pixels of one channel
# would be small.

# %%
images = jnp.asarray(data.load_fashion_mnist().train_images[:256], jnp.float32) / 255
conv = layers.Conv(6, 5)
activations = conv.apply(conv.init(jax.random.key(0), images), images)
zero, one = jnp.zeros(6), jnp.ones(6)
normalized, stats = ops.batch_norm(activations, one, zero, ops.BatchStats(zero, zero), train=True)


def by_channel(activations):
    """Return mean and standard deviation of each channel."""
    return np.asarray(activations.mean((0, 1, 2))), np.asarray(activations.std((0, 1, 2)))


for name, array in (("before", activations), ("after", normalized)):
    mean, deviation = by_channel(array)
    print(f"{name:6} batch norm: mean {mean.round(3) + 0.0}, deviation {deviation.round(3)}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained", sharey=True)
for axis, title, array in zip(axes, ("before", "after"), (activations, normalized), strict=True):
    values = np.asarray(array).reshape(-1, 6).T
    axis.boxplot(list(values), showfliers=False, medianprops={"color": "tab:orange"})
    axis.axhline(0, color="gray", linewidth=0.5)
    axis.set(title=f"{title} batch norm", xlabel="channel of the first convolution")
axes[0].set_ylabel("activation")
figure.savefig(FIGURES / "4_10_activations.png", dpi=150)
print(f"figure: {FIGURES / '4_10_activations.png'}")

# %% [markdown]
# ## LeNet with batch normalization
#
# Batch normalization is applied before each sigmoid. The layer from scratch, `layers.BatchNorm`, has its moving
# statistics in the collection `batch_stats`. After training, its scales and shifts are no longer 1 and 0.
#
# The book trains LeNet twice: with this layer and with the library's. The library's initial scales are from U(0, 1), as
# in PyTorch before version 1.2. This raises the loss of the first epoch from 1.01 to 1.36. `jaxcnn train lenet_bn` uses
# the same initial scales.

# %%
recipe = recipes.RECIPES["lenet_bn_scratch"]
few = data.load_fashion_mnist().limit(256)
state = training.create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), (28, 28, 1))
losses = []
for epoch in training.fit(state, few, num_epochs=10, batch_size=64):
    state = epoch.state
    losses.append(epoch.train_loss)
    print(f"epoch {epoch.epoch:2}: loss {epoch.train_loss:.3f}, train accuracy {epoch.train_accuracy:.3f}")
print(f"scale of the first layer: {state.params['norm1']['scale']}")
print(f"its bias:                 {state.params['norm1']['bias']}")
