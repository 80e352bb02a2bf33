# %% [markdown]
# # 4.11 ResNet
#
# A deeper network can represent every function of a shallower one: its additional layers only have to compute the
# identity. In practice plain deep networks train worse than shallow ones, even on the training images, because layers
# of weights learn the identity with difficulty: this is the explanation of the paper (He and others, 2015). Below, this
# lesson measures another one. A residual block adds its input to its output,
#
# $$y = \mathrm{relu}(x + f(x)),$$
#
# so that $f = 0$ gives the identity. The layers learn what to change in $x$, the residual.
#
# ## The block
#
# $f$ is two 3x3 convolutions, each with [batch normalization](section_4_10_batch_normalization.py), and a ReLU between
# them. The sum needs equal shapes. Where a block changes the channels or has stride 2, a 1x1 convolution projects $x$.

# %%
from functools import partial

import figures
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import linen as nn

from jaxcnn import data, layers, models, ops, recipes


class Residual(nn.Module):
    """Two 3x3 convolutions with batch norm, whose result is added to the input."""

    features: int
    strides: int = 1
    project: bool = False

    @nn.compact
    def __call__(self, x, *, train):
        """Map (N, H, W, C) to (N, H / strides, W / strides, features)."""
        norm = partial(layers.uniform_scale_batch_norm, use_running_average=not train)
        y = layers.Conv(self.features, 3, strides=self.strides, padding=1, name="conv1")(x)
        y = nn.relu(norm(name="norm1")(y))
        y = layers.Conv(self.features, 3, padding=1, name="conv2")(y)
        y = norm(name="norm2")(y)
        if self.project:
            x = layers.Conv(self.features, 1, strides=self.strides, name="conv3")(x)
        return nn.relu(x + y)


key = jax.random.key(0)
x = nn.relu(jax.random.normal(key, (4, 7, 7, 64)))
block = Residual(64)
variables = jax.jit(partial(block.init, train=False))(key, x)
for collection, leaves in variables.items():
    print(f"{collection}: {sum(leaf.size for leaf in jax.tree.leaves(leaves)):,} numbers")

# %% [markdown]
# The moving statistics of batch norm are state. They are in their own collection, `batch_stats`, next to the
# parameters. In training mode a call returns them updated, and leaves its arguments as they are.
#
# The last batch norm multiplies each channel by its scale $\gamma$ and adds $\beta$, which begins with 0. With $\gamma
# = \beta = 0$ the block is the identity, because $x$ is the output of a ReLU and has no negative entries. Two plain
# convolutions would have to learn the identity: each output channel needs a kernel with a one at the center for the
# same input channel, and zeros elsewhere.

# %%
_, updates = block.apply(variables, x, train=True, mutable=["batch_stats"])
before, after = variables["batch_stats"]["norm1"]["mean"], updates["batch_stats"]["norm1"]["mean"]
print(f"moving mean of a channel: {before[0]:.3f} before the call, {after[0]:.3f} in the updates")

without = jax.tree.map(jnp.copy, variables)
without["params"]["norm2"]["scale"] = jnp.zeros(64)
unchanged = np.array_equal(block.apply(without, x, train=False), x)
print(f"with a scale of 0 the block returns its input: {unchanged}")

# %% [markdown]
# ## The network
#
# The *stem*, the layers before the first block, is a 7x7 convolution with stride 2, a batch norm, a ReLU and a 3x3
# max-pooling with stride 2. Four stages of two blocks follow. Each later stage begins with stride 2 and twice the
# channels. With the stem and the dense layer these are 18 layers, if the projections are not counted.


# %%
class ResNet18(nn.Module):
    """A stem, four stages of two residual blocks, and a dense layer."""

    @nn.compact
    def __call__(self, x, *, train):
        """Compute the logits, (N, 10), of images (N, H, W, 1)."""
        x = layers.Conv(64, 7, strides=2, padding=3, name="conv1")(x)
        x = layers.uniform_scale_batch_norm(use_running_average=not train, name="norm1")(x)
        x = ops.max_pool2d(nn.relu(x), 3, strides=2, padding=1)
        for stage, features in enumerate((64, 128, 256, 512), start=1):
            changes = stage > 1
            x = Residual(features, 2 if changes else 1, changes, name=f"stage{stage}_block1")(x, train=train)
            x = Residual(features, name=f"stage{stage}_block2")(x, train=train)
        return layers.Dense(10, name="dense")(ops.global_avg_pool2d(x))


network = ResNet18()
for layer, shape in models.output_shapes(network, (224, 224, 1)).items():
    print(f"{layer:14} {'x'.join(map(str, shape))}")

# %% [markdown]
# ## The same network as the library's
#
# `jaxcnn train resnet` trains this network. It has the same parameters and statistics as the one built here, and gives
# the same logits for the same values. The values do not matter for this check, so NumPy draws them: `init` of a network
# with so many layers takes long to compile, and `jax.eval_shape` gives the shapes without computing anything.

# %%
recipe = recipes.RECIPES["resnet"]
few = data.load_fashion_mnist().limit(512)
images, labels = jnp.asarray(few.train_images, jnp.float32) / 255, jnp.asarray(few.train_labels)
shapes = jax.eval_shape(partial(network.init, train=False), key, images[:1])
count = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
print(f"parameters: {count:,}, the library's network has {recipe.num_parameters:,}")


@jax.jit
def compare(variables):
    """Return the logits of 8 images with the moving statistics, and those of the library's network."""
    # In one program XLA compiles what both networks have in common only once.
    return [model.apply(variables, images[:8], train=False) for model in (network, recipe.model)]


def draw(low, high, shapes):
    """Draw an array for each shape."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: rng.uniform(low, high, leaf.shape).astype(np.float32), shapes)


variables = {"params": draw(-0.2, 0.2, shapes["params"]), "batch_stats": draw(0.5, 1.5, shapes["batch_stats"])}
logits, of_library = compare(variables)
difference = float(abs(logits - of_library).max())
print(f"largest difference of a logit: {difference:.1e}, of logits up to {abs(of_library).max():.1f}")

# %% [markdown]
# ## Plain against residual
#
# Is it the shortcut that helps, or batch normalization? Two towers answer this. Both have blocks of two 3x3
# convolutions with batch norm and 16 channels. In the residual tower each block adds its input, in the plain tower it
# does not:
#
# $$y = \mathrm{relu}(s \, x + f(x)), \qquad s = 1 \text{ or } 0$$
#
# Parameters, images, order, optimizer and initial values are the same, so $s$ is the only difference. All $\gamma$
# begin with 1. `nn.scan` applies one block many times, with other parameters each time. XLA compiles it once, so 20
# blocks take no longer to compile than 4.


# %%
class Block(nn.Module):
    """Two 3x3 convolutions with batch norm. The shortcut is multiplied by `share`, 1 or 0."""

    @nn.compact
    def __call__(self, x, share):
        """Map (N, H, W, C) to the same shape; the None is what `nn.scan` would collect."""
        norm = partial(layers.library_batch_norm, use_running_average=False)
        y = nn.relu(norm(name="norm1")(layers.Conv(x.shape[-1], 3, padding=1, name="conv1")(x)))
        y = norm(name="norm2")(layers.Conv(x.shape[-1], 3, padding=1, name="conv2")(y))
        return nn.relu(share * x + y), None


class Tower(nn.Module):
    """A convolution that leaves 4x4 pixels, blocks of equal shape, and a dense layer."""

    num_blocks: int

    @nn.compact
    def __call__(self, x, share):
        """Compute the logits, (N, 10), of images (N, 28, 28, 1)."""
        x = layers.Conv(16, 7, strides=7, name="conv")(x)
        x = nn.relu(layers.library_batch_norm(use_running_average=False, name="norm")(x))
        each = {"variable_axes": {"params": 0, "batch_stats": 0}, "split_rngs": {"params": True}}
        blocks = nn.scan(Block, in_axes=nn.broadcast, length=self.num_blocks, **each)
        x, _ = blocks(name="blocks")(x, share)
        return layers.Dense(10, name="dense")(ops.global_avg_pool2d(x))


NUM_STEPS, BATCH_SIZE = 40, 32
adam = optax.adam(1e-3)


@partial(jax.jit, static_argnums=0)
def train(tower, share):
    """Return the loss of each step, and the norm of the gradient of the first kernel of each block."""
    variables = tower.init(key, images[:1], share)

    def loss_of(params, batch_stats, batch, batch_labels):
        logits, updates = tower.apply(
            {"params": params, "batch_stats": batch_stats}, batch, share, mutable=["batch_stats"]
        )
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, batch_labels).mean()
        return loss, updates["batch_stats"]

    def step(carry, number):
        params, batch_stats, opt_state = carry
        first = number * BATCH_SIZE % len(images)
        batch, batch_labels = (jax.lax.dynamic_slice_in_dim(array, first, BATCH_SIZE) for array in (images, labels))
        (loss, batch_stats), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            params, batch_stats, batch, batch_labels
        )
        kernels = gradients["blocks"]["conv1"]["kernel"]  # (blocks, 3, 3, 16, 16)
        norms = jnp.sqrt((kernels**2).sum(axis=(1, 2, 3, 4)))
        changes, opt_state = adam.update(gradients, opt_state)
        return (optax.apply_updates(params, changes), batch_stats, opt_state), (loss, norms)

    params = variables["params"]
    _, history = jax.lax.scan(step, (params, variables["batch_stats"], adam.init(params)), jnp.arange(NUM_STEPS))
    return history


tower_losses, norms = {}, {}
for num_blocks in (4, 20):
    for name, share in (("plain", 0.0), ("residual", 1.0)):
        path, gradient_norms = map(np.asarray, train(Tower(num_blocks), share))
        tower_losses[name, num_blocks], norms[name, num_blocks] = path, gradient_norms[0]
        first, *_, last = norms[name, num_blocks]
        print(f"{name:8} {num_blocks:2} blocks: loss {path[-8:].mean():.2f}, gradient norm {first:4.1f} to {last:.1f}")

# %% mystnb={"image": {"alt": "Left: the training loss of four towers over 40 steps. Of the plain towers, the one with 20 blocks hardly learns: its loss ends at 2.3, with 4 blocks at 1.8. Of the residual towers the one with 20 blocks learns faster: 0.9 and 1.4. Right, on a logarithmic scale: in the plain tower of 20 blocks the gradient norm grows from 0.5 in the last block to 103 in the first; in the residual tower from 0.8 to 5.8."}}
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
styles = {
    ("plain", 4): "tab:orange",
    ("plain", 20): "tab:red",
    ("residual", 4): "tab:cyan",
    ("residual", 20): "tab:blue",
}
for (name, num_blocks), color in styles.items():
    path = tower_losses[name, num_blocks]
    mean_of_8 = np.convolve(path, np.full(8, 1 / 8), mode="valid")
    left.plot(np.arange(8, NUM_STEPS + 1), mean_of_8, color=color, label=f"{name}, {num_blocks} blocks")
    right.semilogy(np.arange(1, num_blocks + 1), norms[name, num_blocks], color=color, marker=".")
left.set(title="training", xlabel="step", ylabel="cross-entropy, nats, mean of 8 steps", ylim=(0, None))
right.set(title="before the first step", xlabel="block", ylabel="norm of the gradient", xticks=range(0, 21, 4))
left.legend()
figures.show(figure, "4_11_plain_and_residual")

# %% [markdown]
# More plain blocks make the *training* loss worse, so this is not overfitting. With shortcuts more blocks help.
#
# The right panel shows a reason. Three operations of a plain layer change the mean square of the gradient on its way
# back. The ReLU halves it. The convolution multiplies it by a factor $c$, the same by which it multiplies the variance
# of the signal on the way forward. Batch norm divides it by the variance that it removed: about $0.34 \, c$, because
# the ReLU of a standard normal variable has the variance $(1 - 1/\pi) / 2 \approx 0.34$. So $c$ cancels. A layer
# multiplies the gradient's mean square by about $0.5 / 0.34 \approx 1.47$, and its norm by 1.21.
#
# The plain tower shows a factor of 1.15 for each of the 38 layers between its first and
# its last block, and $1.15^{38} \approx 200$. Without batch norm and with small initial weights, the gradient would
# shrink as fast, as the signal in [GoogLeNet](section_4_09_googlenet.py) does.
#
# In a residual block the derivative of $x + f(x)$ is $1 + f'(x)$. Because of the 1, the gradient also flows past each
# $f$. So the gradient in the first block is about seven times that of the last, and not hundreds of times.
#
# ## The experiment
#
# The book trains ResNet-18 for five epochs, with two settings that its text does not state. Its code does not resize
# the images, so they have 28x28 pixels, and the last stage works on a single pixel. And its figures indicate a PyTorch
# before version 1.2, whose batch norm began with $\gamma$ from $U(0, 1)$. `jaxcnn train resnet` has both settings.

# %% mystnb={"image": {"alt": "ResNet's training loss and accuracies over five epochs, ten runs and the book. The book's training curves are on those of the runs. The test accuracies vary more; the book's is between those of the runs in the first epoch and in the last two."}}
figure = figures.draw_experiment("resnet")
figures.show(figure, "4_11_experiment")

# %% [markdown]
# The training agrees with the book's: after five epochs the mean loss of the runs is .211 and the book's .208, and the
# training accuracies are .922 and .923. The training curves of all seeds nearly coincide, without a plateau. The test
# accuracy varies more, because it depends on the moving statistics. The ten runs end between .890 and .906, and the book
# at .903. So by the criteria of [the reproduction](../../docs/explanation/reproduction.md) the experiment is reproduced.
#
# ## Exercises
#
# **Exercise 1.** How many parameters does the first block of stage 2 have, from 64 to 128 channels?
#
# <details><summary>Answer</summary>
#
# | layer | parameters |
# |---|---|
# | conv1 | $9 \cdot 64 \cdot 128 + 128 = 73{,}856$ |
# | conv2 | $9 \cdot 128 \cdot 128 + 128 = 147{,}584$ |
# | conv3, the projection | $64 \cdot 128 + 128 = 8{,}320$ |
# | norm1, norm2 | $2 \cdot 2 \cdot 128 = 512$ |
#
# Together 230,272. The sum over the parameters confirms it: `sum(leaf.size for leaf in
# jax.tree.leaves(shapes["params"]["stage2_block1"]))`. The biases of conv1 and conv2 have no effect, because the batch
# norm after each subtracts them with the mean. No batch norm follows conv3, so its bias has one.
# `models.ResNet18(use_bias=False)` has no biases in its convolutions, and a batch norm after each projection too.
#
# </details>
#
# **Exercise 2.** Some implementations begin with a scale of 0 in the last batch norm of each block. What does the
# network compute then, and which parameters of a block have a gradient in the first step?
#
# <details><summary>Answer</summary>
#
# Each block without a projection is the identity, so the network behaves like a shallow one. In the first step the
# scale and the bias of `norm2` have gradients, and so does a projection `conv3`. `conv1`, `norm1` and `conv2` have
# none, because their effect is multiplied by 0. After this step the scale is no longer 0, and they learn too.
#
# </details>
#
# **Exercise 3.** Adam divides each gradient by its size. Why does it not repair the plain tower?
#
# <details><summary>Answer</summary>
#
# The step has the right size for each weight, but the loss is far from linear over such a step. A first step of Adam
# changes each of the 2,304 weights of a kernel by 0.001, so the kernel by $0.001 \sqrt{2304} = 0.048$. With a gradient
# norm of 103 in the first block, a linear loss could fall by $0.048 \cdot 103 = 4.9$, more than the loss itself. With
# the residual tower's 5.8 it could fall by 0.28.
#
# </details>
