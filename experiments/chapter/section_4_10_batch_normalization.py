# %% [markdown]
# # 4.10 Batch normalization
#
# In a deep network, the range of the activations changes from layer to layer, and while earlier layers learn. Batch
# normalization normalizes every channel of each batch to mean zero and variance one. Two learned parameters per channel
# then set its mean and standard deviation:
#
# $$\hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad y = \gamma \hat x + \beta$$
#
# For the output of a dense layer, $(N, F)$, mean and variance are computed over the batch; for images, $(N, H, W, C)$,
# over batch, height and width. The variance is the biased one: it is divided by the number of entries. The small
# $\epsilon$ prevents a division by zero.

# %%
from functools import partial

import figures
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import linen as nn

from jaxcnn import data, layers, ops, recipes

jnp.set_printoptions(precision=4, suppress=True)

# %% [markdown]
# ## The operation
#
# The loop takes the channels one by one. The statistics of a channel are those of all its numbers in the batch.


# %%
def batch_norm_by_channel(x, scale, bias, epsilon=1e-5):
    """Normalize with the statistics of the batch, one channel at a time."""
    y = np.zeros_like(x)
    for channel in range(x.shape[-1]):
        values = x[..., channel]
        mean = values.sum() / values.size
        variance = ((values - mean) ** 2).sum() / values.size
        y[..., channel] = scale[channel] * (values - mean) / np.sqrt(variance + epsilon) + bias[channel]
    return y


x = np.array([[1, 10], [2, 20], [6, 60]], np.float32)
print(f"three examples of two features:\n{x}")
print(f"normalized, the scale of a feature is gone:\n{batch_norm_by_channel(x, np.ones(2), np.zeros(2)).round(4)}")

# %% [markdown]
# With arrays, mean and variance are reductions over all axes but the last.
#
# There are two modes. Training uses the statistics of the batch. In prediction the input can be a single image, and the
# result must not depend on other images. Training therefore also updates *moving statistics*, which prediction uses:
#
# $$\mu_{moving} \leftarrow 0.9 \, \mu_{moving} + 0.1 \, \mu$$
#
# The variance is updated in the same way. Both are initially zero, as in the book's layer from scratch; the layers of
# PyTorch, of Flax and `layers.library_batch_norm` begin with a variance of 1. They are state, and state is explicit
# here: the function takes the statistics and returns the updated ones. It therefore works under `jit`, and under
# `lax.scan` over many batches.


# %%
def batch_norm(x, scale, bias, stats, *, train, momentum=0.9, epsilon=1e-5):
    """Return the normalized activations and the moving statistics."""
    if train:
        axes = tuple(range(x.ndim - 1))
        batch = ops.BatchStats(x.mean(axes), x.var(axes))
        mean, var = batch
        stats = jax.tree.map(lambda moving, value: momentum * moving + (1 - momentum) * value, stats, batch)
    else:
        mean, var = stats
    shape = (1,) * (x.ndim - 1) + (-1,)
    factor = scale / jnp.sqrt(var + epsilon)
    return (x - mean.reshape(shape)) * factor.reshape(shape) + bias.reshape(shape), stats


few = data.load_fashion_mnist().limit(2048)
images = jnp.asarray(few.train_images, jnp.float32) / 255
labels = jnp.asarray(few.train_labels, jnp.int32)
conv = layers.Conv(6, 5)
activations, _ = jax.jit(conv.init_with_output)(jax.random.key(0), images[:256])
start = ops.BatchStats(mean=jnp.zeros(6), var=jnp.zeros(6))
scale, bias = jax.random.uniform(jax.random.key(1), (6,)), jax.random.normal(jax.random.key(2), (6,))
by_channel = batch_norm_by_channel(np.asarray(activations), np.asarray(scale), np.asarray(bias))


@partial(jax.jit, static_argnums=0)
def compute(norm, x):
    """Return what a function returns in training and in prediction, and a gradient."""
    y, stats = norm(x, scale, bias, start, train=True)
    predicted, _ = norm(x, scale, bias, stats, train=False)
    return y, predicted, jax.grad(lambda x: jnp.sum(norm(x, scale, bias, start, train=True)[0] ** 3))(x)


differences, computed = [], []
for name, norm in (("arrays", batch_norm), ("ops.batch_norm", ops.batch_norm)):
    computed.append([np.asarray(array) for array in compute(norm, activations)])
    differences.append(np.abs(computed[-1][0] - by_channel).max())
    print(f"{name:14} differs from the loop by {differences[-1]:.0e} at most")
(_, predicted, gradient), (_, expected, expected_gradient) = computed
differences.append(np.abs(predicted - expected).max())
print(f"in prediction the two differ by {differences[-1]:.0e} at most")
differences.append(np.abs(gradient - expected_gradient).max() / np.abs(gradient).max())
print(f"in a gradient by {differences[-1]:.0e} of its largest entry")

# %% [markdown]
# The moving statistics begin at zero and approach those of the batches: after $n$ batches they have $1 - 0.9^n$ of them.

# %%
zero, one = jnp.zeros(2), jnp.ones(2)
_, stats = batch_norm(x, one, zero, ops.BatchStats(zero, zero), train=True)
print(f"after one batch: moving mean {stats.mean}, a tenth of {x.mean(0)}")


def follow(stats, _):
    """Update the statistics with the same batch again."""
    _, stats = batch_norm(jnp.asarray(x), one, zero, stats, train=True)
    return stats, stats.mean


_, means = jax.lax.scan(follow, ops.BatchStats(zero, zero), length=50)
for count in (1, 10, 50):
    print(f"batches seen: {count:2}, moving mean {means[count - 1]}")

# %% [markdown]
# The activations above are those of the first convolution of LeNet, freshly initialized, for 256 images of
# Fashion-MNIST. Their channels differ in mean and standard deviation. Afterwards they do not.

# %%
normalized, _ = batch_norm(activations, jnp.ones(6), jnp.zeros(6), start, train=True)
for name, array in (("before", activations), ("after", normalized)):
    mean, deviation = np.asarray(array.mean((0, 1, 2))), np.asarray(array.std((0, 1, 2)))
    print(f"{name:6} batch norm: mean {mean.round(3) + 0.0}, deviation {deviation.round(3)}")

# %% [markdown]
# ## LeNet with batch normalization
#
# The layer has two parameters per channel, and two moving statistics in the collection `batch_stats`. `apply` returns
# updated statistics if that collection is mutable. In LeNet the layer is applied before each sigmoid. `sow` records what
# enters the sigmoids, for the figure below.


# %%
class BatchNorm(nn.Module):
    """Batch normalization with learned scales and biases."""

    use_running_average: bool

    @nn.compact
    def __call__(self, x):
        """Normalize activations, (N, C) or (N, H, W, C)."""
        channels = x.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, channels)
        bias = self.param("bias", nn.initializers.zeros, channels)
        mean = self.variable("batch_stats", "mean", jnp.zeros, channels)
        var = self.variable("batch_stats", "var", jnp.zeros, channels)
        moving = ops.BatchStats(mean.value, var.value)
        y, moving = batch_norm(x, scale, bias, moving, train=not self.use_running_average)
        if not self.use_running_average and not self.is_initializing():
            mean.value, var.value = moving
        return y


class LeNet(nn.Module):
    """LeNet, with or without batch normalization before each sigmoid."""

    has_norm: bool

    @nn.compact
    def __call__(self, x, *, train: bool):
        """Compute the logits of images, (N, 28, 28, 1)."""

        def activate(x, number):
            if self.has_norm:
                x = BatchNorm(use_running_average=not train, name=f"norm{number}")(x)
            self.sow("intermediates", f"sigmoid {number}", x)
            return nn.sigmoid(x)

        x = ops.max_pool2d(activate(layers.Conv(6, 5, name="conv1")(x), 1), 2)
        x = ops.max_pool2d(activate(layers.Conv(16, 5, name="conv2")(x), 2), 2)
        x = x.reshape(x.shape[0], -1)
        x = activate(layers.Dense(120, name="dense1")(x), 3)
        x = activate(layers.Dense(84, name="dense2")(x), 4)
        return layers.Dense(10, name="dense3")(x)


NETWORKS = {"without batch norm": LeNet(has_norm=False), "with batch norm": LeNet(has_norm=True)}
initial = jax.jit(lambda key: {name: model.init(key, images[:1], train=False) for name, model in NETWORKS.items()})(
    jax.random.key(0)
)
recipe = recipes.RECIPES["lenet_bn_scratch"]
num_parameters = sum(array.size for array in jax.tree.leaves(initial["with batch norm"]["params"]))
print(f"parameters: {num_parameters:,}, those of the recipe lenet_bn_scratch: {recipe.num_parameters:,}")


@partial(jax.jit, static_argnums=0)
def logits_and_updates(model, variables):
    """Return the logits of 64 images in training and in prediction, and the updated statistics."""
    logits, updates = model.apply(variables, images[:64], train=True, mutable=["batch_stats"])
    return logits, updates, model.apply({**variables, **updates}, images[:64], train=False)


models = NETWORKS["with batch norm"], recipe.model
both = [logits_and_updates(model, initial["with batch norm"]) for model in models]
network_difference = max(jax.tree.leaves(jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), *both)))
print(f"logits and updated statistics differ from the library's by {network_difference:.0e} at most")

# %% [markdown]
# The four layers have $6 + 16 + 120 + 84 = 226$ channels, so they add 452 parameters to the 44,426 of
# [LeNet](section_4_05_lenet.py).
#
# ## What reaches the sigmoids
#
# A network can tell images apart only by what differs between them. The figure shows for both networks, before training,
# how the inputs of each sigmoid differ between images: the inputs of each unit less their mean over the images.


# %%
@partial(jax.jit, static_argnums=0)
def record(model, variables):
    """Return the logits, and the inputs of the sigmoids in the collection `intermediates`."""
    return model.apply(variables, images[:256], train=True, mutable=["batch_stats", "intermediates"])


def differences_between_images(name):
    """Return for each sigmoid its inputs less the mean over the images."""
    _, recorded = record(NETWORKS[name], initial[name])
    inputs = (np.asarray(value[0]) for _, value in sorted(recorded["intermediates"].items()))
    return [(array - array.mean(0, keepdims=True)).ravel() for array in inputs]


reaching = {name: differences_between_images(name) for name in NETWORKS}
deviations = {name: [float(values.std()) for values in arrays] for name, arrays in reaching.items()}
for name, values in deviations.items():
    print(f"standard deviation between images, {name}: " + ", ".join(f"{value:.4f}" for value in values))

# %% mystnb={"image": {"alt": "Box plots of the inputs of the four sigmoids, less their means over images, on a logarithmic axis. Without batch norm the differences between images become smaller from layer to layer, by a factor of several hundred in total. With batch norm they stay near one."}}
figure, axis = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
for offset, color, (name, arrays) in zip((-0.2, 0.2), ("tab:blue", "tab:orange"), reaching.items(), strict=True):
    axis.boxplot(
        [np.abs(values)[:: max(1, len(values) // 5000)] + 1e-9 for values in arrays],
        positions=np.arange(1, 5) + offset,
        widths=0.3,
        whis=(5, 95),
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": color, "alpha": 0.5},
        medianprops={"color": "black"},
        label=name,
    )
axis.set(yscale="log", xlabel="sigmoid", ylabel="|input - its mean over images|", ylim=(1e-5, 10))
axis.set_xticks(range(1, 5), ["1, convolution", "2, convolution", "3, dense", "4, dense"])
axis.legend(loc="lower left")
figures.show(figure, "4_10_sigmoids")

# %% [markdown]
# Boxes have the middle half of the values, and lines the middle 90 %. The derivative of a sigmoid is at most 1/4, so each
# layer without normalization weakens the differences between images. At the last sigmoid little of them is left, and the
# gradient of the first layers is small for the same reason. Normalization restores the scale in every layer.
#
# ## Training
#
# Both networks are trained on 2,048 images, for ten epochs of batches of 128, with Adam at two learning rates. A chunk of
# steps is one compiled program. After each chunk the accuracy on test images is measured. The network with batch norm is
# measured in both modes.

# %%
BATCH_SIZE, NUM_EPOCHS, CHUNK = 128, 10, 4
steps_per_epoch = len(images) // BATCH_SIZE
test_images = jnp.asarray(few.test_images[:256], jnp.float32) / 255
test_labels = jnp.asarray(few.test_labels[:256], jnp.int32)
adam = optax.scale_by_adam()


def loss_of_batch(params, model, batch_stats, rows):
    """Return the mean loss of a batch and the updated statistics."""
    variables = {"params": params, "batch_stats": batch_stats}
    logits, updates = model.apply(variables, images[rows], train=True, mutable=["batch_stats"])
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels[rows]).mean()
    return loss, updates.get("batch_stats", {})


@partial(jax.jit, static_argnums=0)
def train_chunk(model, state, batches, learning_rate):
    """Return the state after the batches, and the loss of each."""

    def step(state, rows):
        params, batch_stats, opt_state = state
        gradient = jax.value_and_grad(loss_of_batch, has_aux=True)
        (loss, batch_stats), gradients = gradient(params, model, batch_stats, rows)
        updates, opt_state = adam.update(gradients, opt_state)
        params = jax.tree.map(lambda value, update: value - learning_rate * update, params, updates)
        return (params, batch_stats, opt_state), loss

    return jax.lax.scan(step, state, batches)


@partial(jax.jit, static_argnums=0)
def accuracies_of(model, state):
    """Return the accuracy on the test images, with the statistics of their batch and with the moving ones."""
    variables = {"params": state[0], "batch_stats": state[1]}
    logits = [model.apply(variables, test_images, train=train, mutable=["batch_stats"])[0] for train in (True, False)]
    return (jnp.stack(logits).argmax(-1) == test_labels[None]).mean(-1)


def train(name, learning_rate):
    """Return the losses, the states after each chunk, and their accuracies in both modes."""
    model, variables = NETWORKS[name], initial[name]
    state = variables["params"], variables.get("batch_stats", {}), adam.init(variables["params"])
    orders = [jax.random.permutation(jax.random.key(epoch), len(images)) for epoch in range(NUM_EPOCHS)]
    batches = jnp.stack(orders)[:, : steps_per_epoch * BATCH_SIZE].reshape(-1, CHUNK, BATCH_SIZE)
    losses, states, accuracies = [], [state], []
    for chunk in batches:
        state, of_chunk = train_chunk(model, state, chunk, learning_rate)
        losses.append(of_chunk)
        states.append(state)
        accuracies.append(accuracies_of(model, state))
    return np.concatenate(losses), states, np.array(accuracies)


runs = {(name, rate): train(name, rate) for rate in (0.001, 0.01) for name in NETWORKS}
for (name, rate), (run_losses, _, accuracies) in runs.items():
    last = run_losses[-steps_per_epoch:].mean()
    print(f"{name:18}, rate {rate:5}: loss of the last epoch {last:.3f}, test accuracy", end=" ")
    print(
        f"{accuracies[-1, 1]:.3f}"
        + (f", with the statistics of the batch {accuracies[-1, 0]:.3f}" if "with " in name else "")
    )
losses = runs["with batch norm", 0.001][0].reshape(NUM_EPOCHS, -1).mean(1)
for epoch in (1, 2, 5, 10):
    print(f"with batch norm, rate 0.001, epoch {epoch}: loss {losses[epoch - 1]:.3f}")
print(f"scale of the first layer: {runs['with batch norm', 0.001][1][-1][0]['norm1']['scale']}")

# %% mystnb={"image": {"alt": "Left: training loss by step. Without batch norm the loss stays near 2.3 for many steps before it falls; with batch norm it falls from the first step, at both learning rates. Right: test accuracy by step at rate 0.001. With batch norm and batch statistics it rises at once. With moving statistics it is lower in the first steps."}}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for (name, rate), (run_losses, _, _) in runs.items():
    color = "tab:orange" if name == "with batch norm" else "tab:blue"
    style = "-" if rate == 0.001 else "--"
    left.plot(
        np.arange(1, len(run_losses) + 1), run_losses, style, color=color, label=f"{name}, rate {rate}", linewidth=1
    )
left.axhline(np.log(10), color="gray", linewidth=0.5)
left.set(xlabel="step", ylabel="cross-entropy of the batch, nats", ylim=(0, 3.8))
at = CHUNK * np.arange(1, len(runs["with batch norm", 0.001][2]) + 1)
right.plot(at, runs["with batch norm", 0.001][2][:, 0], color="tab:red", label="batch norm, statistics of the batch")
right.plot(at, runs["with batch norm", 0.001][2][:, 1], color="tab:orange", label="batch norm, moving statistics")
right.plot(at, runs["without batch norm", 0.001][2][:, 1], color="tab:blue", label="without batch norm")
right.set(xlabel="step", ylabel="test accuracy, rate 0.001", ylim=(0, 1))
left.legend(loc="upper right", fontsize=8)
right.legend(loc="lower right", bbox_to_anchor=(1, 0.42), fontsize=8)
figures.show(figure, "4_10_training")

# %% [markdown]
# Without batch norm the loss stays at $\log 10 = 2.303$ (gray line), the loss of random guessing, until the differences
# between images have grown. With batch norm the loss falls from the first step, and a rate of 0.01 is faster still.
#
# The right panel shows a weakness. In the first steps the moving statistics are behind those of the batches, and the
# accuracy with them is lower. Later it is close, but it swings more. The faster the parameters change, the larger the
# difference can be: at the rate 0.01 the network ends with a test accuracy that is much lower with the moving statistics
# than with those of the test batch. The parameters are the same; only the statistics differ. This is why the test
# accuracy of a network with batch norm can fall from one epoch to the next while its training loss falls steadily.
#
# ## The loss along the gradient
#
# How does batch norm change the path of the loss? Gradient descent sees the loss along the line
# $\theta - \eta \nabla L(\theta)$. For the states after some steps at the rate 0.001, the figure shows how much the loss
# of 256 images changes with the step size $\eta$.

# %%
rows = jnp.arange(256)
step_sizes = np.geomspace(0.01, 5, 16, dtype=np.float32)


@partial(jax.jit, static_argnums=0)
def loss_along_gradient(model, state):
    """Return the norm of the gradient, and the change of the loss for each step size."""
    params, batch_stats, _ = state
    (loss, _), gradients = jax.value_and_grad(loss_of_batch, has_aux=True)(params, model, batch_stats, rows)

    def change(size):
        moved = jax.tree.map(lambda value, gradient: value - size * gradient, params, gradients)
        return loss_of_batch(moved, model, batch_stats, rows)[0] - loss

    return optax.tree.norm(gradients), jax.lax.map(change, step_sizes)


chunks = [2, len(runs["with batch norm", 0.001][2]) // 4, -1]  # numbers of states
lines = {
    name: [loss_along_gradient(model, runs[name, 0.001][1][number]) for number in chunks]
    for name, model in NETWORKS.items()
}
best_changes = {name: [float(changes.min()) for _, changes in of_states] for name, of_states in lines.items()}
shown_steps = [CHUNK * (range(len(runs["with batch norm", 0.001][1]))[number]) for number in chunks]
for name, of_states in lines.items():
    for step, (norm, changes) in zip(shown_steps, of_states, strict=True):
        print(f"{name:18}, step {step:3}: gradient norm {norm:.2f}, best step size", end=" ")
        print(f"{step_sizes[changes.argmin()]:.2f} changes the loss by {changes.min():.3f}")

# %% mystnb={"image": {"alt": "Change of the loss against the step size along the gradient, after 8, 40 and 160 steps. After 8 steps the loss falls by up to 0.17 with batch norm, and by 0.01 without. After 160 steps the loss without batch norm falls by up to 0.06, and with batch norm it rises for all but short steps."}}
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained", sharey=True)
for number, (axis, step) in enumerate(zip(axes, shown_steps, strict=True)):
    for name, color in (("without batch norm", "tab:blue"), ("with batch norm", "tab:orange")):
        axis.semilogx(step_sizes, lines[name][number][1], color=color, label=name)
    axis.axhline(0, color="gray", linewidth=0.5)
    axis.set(title=f"after {step} steps", xlabel="step size", ylim=(-0.25, 0.5))
axes[0].set_ylabel("change of the loss, nats")
axes[0].legend(loc="upper left", fontsize=8)
figures.show(figure, "4_10_along_gradient")

# %% [markdown]
# After 8 steps the best step along the gradient reduces the loss by 0.17 with batch norm, and by 0.01 without: on the
# plateau there is almost nothing to gain in this direction, with any step size. After 160 steps the roles are reversed.
# The network with batch norm has learned most of what single large steps can give, and only short steps still help. The
# other has just left its plateau. So in this network batch norm does not make the loss flatter along the gradient. Its
# gradient norm is two to three times as large, and from the first steps the gradient points to a much lower loss.
#
# The usual explanation of batch norm was that it keeps the distribution of each layer's inputs constant while earlier
# layers learn (Ioffe and Szegedy, 2015). Later experiments did not confirm this, and found that it makes the loss of
# deep networks vary more smoothly along the gradient (Santurkar, Tsipras, Ilyas and Madry, *How Does Batch Normalization
# Help Optimization?*, 2018). In this small network with sigmoids, the measured effect is the first figure's: the
# differences between images reach the last layer.
#
# ## The book's experiments
#
# The book trains LeNet twice on all images: with the layer from scratch, above, and with the library's. The curves are
# those of ten runs of each, and of the book. `jaxcnn train lenet_bn_scratch` repeats one of them.

# %% mystnb={"image": {"alt": "Loss and accuracy of LeNet with batch norm from scratch over five epochs, ten runs and the book. The dashed curves of the book are inside the range of the runs. Training curves are smooth and nearly equal for all runs; the test accuracy differs by several percent."}}
figure = figures.draw_experiment("lenet_bn_scratch")
figures.show(figure, "4_10_lenet_bn_scratch")

# %% [markdown]
# In each epoch the book's training loss and test accuracy are within the range of the ten runs. The runs differ by less
# than .01 in the final training loss, and by .07 in the final test accuracy, which uses the moving statistics.
#
# The library's layer has other initial values in the book's runs. Its scales $\gamma$ are from $U(0, 1)$, as in PyTorch
# before version 1.2, and the recipe `lenet_bn` has them too.

# %% mystnb={"image": {"alt": "Loss and accuracy of LeNet with the library's batch norm over five epochs, ten runs and the book. The loss of the first epoch is higher than from scratch. The book's loss is inside the range of the runs. The test accuracy varies widely, and the book's second epoch is below the range."}}
figure = figures.draw_experiment("lenet_bn")
figures.show(figure, "4_10_lenet_bn")

# %% [markdown]
# With smaller scales the inputs of the sigmoids differ less between images, and the loss of the first epoch is 1.35 in
# the mean of the runs (the book: 1.36), where the layer from scratch has .99 (1.01). The book's loss is within the range
# of the runs in each epoch. So is its test accuracy, except in the second epoch: .760, where the runs have .780 to .852.
#
# ## Exercises
#
# **Exercise 1.** Which parameters of LeNet have no effect if batch norm follows? How many are there?
#
# <details><summary>Answer</summary>
#
# The biases of the two convolutions and of the first two dense layers: batch norm subtracts the mean, and a bias is a
# part of it. These are $6 + 16 + 120 + 84 = 226$ parameters. The output is the same with a bias of 7, up to rounding:
#
# ```python
# one, zero = jnp.ones(6), jnp.zeros(6)
# y, _ = ops.batch_norm(activations, one, zero, start, train=True)
# with_bias, _ = ops.batch_norm(activations + 7, one, zero, start, train=True)
# jnp.abs(y - with_bias).max()  # about 1e-05
# ```
#
# The parameter $\beta$ takes their place. The book's networks keep these biases, and so do the recipes.
#
# </details>
#
# **Exercise 2.** What does batch norm after a dense layer return in training for a batch of one example? What follows
# for the last batch of an epoch?
#
# <details><summary>Answer</summary>
#
# The mean is the example itself, so $\hat x = 0$ and $y = \beta$, whatever the example is:
#
# ```python
# stats = ops.BatchStats(jnp.zeros(2), jnp.ones(2))
# ops.batch_norm(jnp.array([[3.0, 4.0]]), jnp.ones(2), jnp.array([0.5, 0.5]), stats, train=True)[0]  # [[0.5, 0.5]]
# ```
#
# Nothing about the example reaches the next layer, and its gradient is zero. Small batches are a milder form of this:
# their statistics are noisy. The last batch of an epoch should not be very small, so choose the batch size accordingly.
#
# </details>
#
# **Exercise 3.** In prediction, batch norm is linear. Merge a convolution and the batch norm after it into one
# convolution.
#
# <details><summary>Answer</summary>
#
# With $f = \gamma / \sqrt{\sigma^2 + \epsilon}$ per output channel, $f (K * x + b - \mu) + \beta$ is the convolution
# with the kernel $f K$ and the bias $f (b - \mu) + \beta$:
#
# ```python
# variables = conv.init(jax.random.key(0), images[:1])
# kernel, conv_bias = variables["params"]["kernel"], variables["params"]["bias"]
# stats = ops.BatchStats(activations.mean((0, 1, 2)), activations.var((0, 1, 2)))
# factor = scale / jnp.sqrt(stats.var + 1e-5)
# merged = {"params": {"kernel": kernel * factor, "bias": (conv_bias - stats.mean) * factor + bias}}
# expected, _ = ops.batch_norm(activations, scale, bias, stats, train=False)
# jnp.abs(conv.apply(merged, images[:256]) - expected).max()  # below 1e-05
# ```
#
# Programs for prediction do this, so batch norm costs them nothing.
#
# </details>
