# %% [markdown]
# # 4.5 LeNet
#
# A dense layer on the pixels of an image ignores which pixels are neighbors, and its matrix grows with the image: 120
# outputs of 28x28 pixels need $784 \cdot 120 = 94{,}080$ weights. A convolution with 5x5 kernels and 6 channels has
# $5 \cdot 5 \cdot 6 = 150$ weights, for images of any size.
#
# LeNet (LeCun, Bottou, Bengio and Haffner, 1998) combines both. In the book's version two convolutions, each followed
# by a sigmoid and a max-pooling that halves the size, compute features. Three dense layers then classify them. This
# lesson builds LeNet, compares it with the network of the library, measures why it learns slowly with sigmoids, and
# shows what it learns.

# %%
from collections.abc import Callable
from functools import partial

import figures
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import linen as nn

from jaxcnn import data, layers, models, ops, recipes, training

recipe = recipes.RECIPES["lenet"]
few = data.load_fashion_mnist().limit(2048)

# %% [markdown]
# ## The network
#
# A Linen module describes a network and does not store its parameters. `init` creates them from a key, and `apply`
# takes them as an argument. `layers.Conv` is the convolution of [4.3](section_4_03_channels.py) with a bias for each
# output channel, and `ops.max_pool2d` is the pooling of [4.4](section_4_04_pooling.py). The names of the layers are the
# names of their parameters. LeNet is the same in training and prediction, so it does not use `train`; later networks
# do.


# %%
class LeNet(nn.Module):
    """LeNet with any activation."""

    activation: Callable[[jax.Array], jax.Array] = nn.sigmoid

    @nn.compact
    def __call__(self, x, *, train: bool):  # noqa: ARG002 -- for the networks with two modes
        """Compute the logits of images, (N, 28, 28, 1), with shape (N, 10)."""
        x = ops.max_pool2d(self.activation(layers.Conv(6, 5, name="conv1")(x)), 2)
        x = ops.max_pool2d(self.activation(layers.Conv(16, 5, name="conv2")(x)), 2)
        x = layers.Flatten(name="flatten")(x)
        x = self.activation(layers.Dense(120, name="dense1")(x))
        x = self.activation(layers.Dense(84, name="dense2")(x))
        return layers.Dense(10, name="dense3")(x)


images = jnp.asarray(few.train_images[:256], jnp.float32) / 255
labels = jnp.asarray(few.train_labels[:256], jnp.int32)
initial = training.create_train_state(LeNet(), optax.adam(0.003), jax.random.key(0), (28, 28, 1))
variables = initial.variables

# %% [markdown]
# The size decreases while the number of channels increases: 28x28x1, then 12x12x6 and 4x4x16 after the poolings, then a
# vector of 256. The table shows the output of each layer before pooling, its parameters, and its multiplications for
# one image. A convolution uses each weight once for every pixel of its output, a dense layer once. The convolutions
# have 6 % of the parameters and 85 % of the multiplications.

# %%
print("layer          output      parameters  multiplications")
for layer, shape in models.output_shapes(LeNet(), (28, 28, 1)).items():
    params = variables["params"].get(layer, {})
    count = sum(leaf.size for leaf in params.values())
    products = params["kernel"].size * int(np.prod(shape[:-1])) if params else 0
    print(f"{layer:14} {'x'.join(map(str, shape)):10} {count:11,} {products:16,}")
num_parameters = sum(leaf.size for leaf in jax.tree.leaves(variables))
print(f"parameters: {num_parameters:,}, in the recipe: {recipe.num_parameters:,}\n")

# %% [markdown]
# `models.LeNet` is the same network: it takes the same variables and computes the same logits.

# %%
logits, of_library = (
    jax.jit(partial(model.apply, train=False))(variables, images) for model in (LeNet(), models.LeNet())
)
difference = float(jnp.abs(logits - of_library).max())
print(f"largest difference of the logits to those of models.LeNet: {difference:.1e}\n")

# %% [markdown]
# ## The initial parameters
#
# The book's runs used PyTorch, so the layers begin as in PyTorch: kernels and biases are uniform in
# $\pm 1 / \sqrt{n}$, where $n$ (fan-in) is the number of inputs that one output sums. Their variance is $1 / (3 n)$.
# Flax's own layers begin with a variance of $1 / n$ and biases of 0. The difference matters: with a variance of
# $1 / (3 n)$, each layer makes the differences between images smaller.

# %%
for layer, params in variables["params"].items():
    fan_in = int(np.prod(params["kernel"].shape[:-1]))
    largest = float(jnp.abs(params["kernel"]).max())
    print(f"{layer}: fan-in {fan_in:3}, bound {fan_in**-0.5:.3f}, largest weight {largest:.3f}")
print()

# %% [markdown]
# ## Why sigmoids slow the training
#
# The gradient at a layer is the gradient at the next one, multiplied by the weights between them and by the derivative
# of the activation. The derivative of the sigmoid is $\sigma (1 - \sigma) \leq 1/4$. Between the logits and the first
# convolution there are four sigmoids, so their derivatives alone multiply the gradient by at most
# $(1/4)^4 = 1/256$, and the small initial weights decrease it further.
#
# The same factor limits the forward pass: a sigmoid maps a small difference between two images to a difference at most
# a quarter as large.
#
# Two changes help. Kernels four times as large, with biases of 0, compensate for the factor of 1/4. A ReLU, the
# activation of [AlexNet](section_4_06_alexnet.py), has derivative 1 wherever its input is positive. The next cell
# measures, before training, the standard deviation of each layer's output over 256 images, and the size (root mean
# square) of the gradient of each kernel. With `capture_intermediates`, `apply` also returns the output of each layer.


# %%
@partial(jax.jit, static_argnums=0)
def sizes_by_layer(model, params):
    """Return the spread of each layer's output over the images, and the size of its kernel's gradient."""

    def loss(params):
        logits, captured = model.apply({"params": params}, images, train=True, capture_intermediates=True)
        cross_entropy = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return cross_entropy, {layer: captured["intermediates"][layer]["__call__"][0] for layer in params}

    gradients, outputs = jax.grad(loss, has_aux=True)(params)
    spread = {layer: output.std(axis=0).mean() for layer, output in outputs.items()}
    size = {layer: jnp.sqrt(jnp.mean(gradient["kernel"] ** 2)) for layer, gradient in gradients.items()}
    return spread, size


def scale_kernels(params, factor):
    """Multiply the kernels, and set the biases to 0."""
    return jax.tree.map(lambda leaf: factor * leaf if leaf.ndim > 1 else jnp.zeros_like(leaf), params)


networks = {
    "sigmoid": (LeNet(), initial.params),
    "sigmoid, kernels x 4": (LeNet(), scale_kernels(initial.params, 4)),
    "relu": (LeNet(nn.relu), initial.params),
}
LAYERS = list(initial.params)
spreads, gradient_sizes = {}, {}
print(f"{'':30} {' '.join(f'{layer:>9}' for layer in LAYERS)}")
for name, (model, params) in networks.items():
    spreads[name], gradient_sizes[name] = sizes_by_layer(model, params)
    print(f"{name + ', spread':30} {' '.join(f'{spreads[name][layer]:9.5f}' for layer in LAYERS)}")
    print(f"{name + ', gradient':30} {' '.join(f'{gradient_sizes[name][layer]:9.6f}' for layer in LAYERS)}")
print()

# %% [markdown]
# With sigmoids, the logits of the 256 images are almost equal, and the gradient of the first convolution is less than a
# thousandth of that of the last layer. With kernels four times as large the logits differ more, and the gradient
# decreases less. With ReLUs all gradients have a similar size.
#
# The network with sigmoids now trains on 2,048 images, from both initial states. Adam divides each gradient by its
# size, so small gradients alone do not stop it, but it cannot separate images whose features are almost equal. From the
# small kernels, the loss first stays near that of random guessing, $\log 10 = 2.303$. From the large ones it leaves
# this value in the first epoch. The recipe `lenet_modern` begins with these larger kernels. `training.fit` yields a
# result after each epoch, with the training loss, the test accuracy and the new state.

# %%
all_losses, states = {}, {}
for name in ("sigmoid", "sigmoid, kernels x 4"):
    all_losses[name] = []
    for epoch in training.fit(initial.replace(params=networks[name][1]), few, num_epochs=12, batch_size=64):
        all_losses[name].append(epoch.train_loss)
        states[name] = epoch.state
        if epoch.epoch in (1, 2, 4, 12):
            print(f"{name}, epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, test accuracy {epoch.test_accuracy:.3f}")
losses = all_losses["sigmoid"]

# %% mystnb={"image": {"alt": "Three plots. The derivative of the sigmoid is at most a quarter, that of the ReLU is 1 for positive inputs. With sigmoids the gradient falls by a factor of about a thousand from the last layer to the first; with kernels four times as large it falls less, and with relus it does not. With the small kernels the loss stays at 2.3 for two epochs before it falls, with the large ones it falls earlier."}}
colors = {"sigmoid": "tab:orange", "sigmoid, kernels x 4": "tab:green", "relu": "tab:blue"}
figure, (derivative, size, curve) = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
x = jnp.linspace(-6, 6, 241)
for activation in (nn.sigmoid, nn.relu):
    slopes = jax.vmap(jax.grad(activation))(x)
    derivative.plot(x, slopes, color=colors[activation.__name__], label=activation.__name__)
for number, (name, sizes) in enumerate(gradient_sizes.items()):
    places = np.arange(len(LAYERS)) + 0.27 * (number - 1)
    size.bar(places, [sizes[layer] for layer in LAYERS], width=0.27, color=colors[name], label=name)
for name, values in all_losses.items():
    curve.plot(range(1, len(values) + 1), values, color=colors[name], marker=".", label=name)
curve.axhline(np.log(10), color="gray", linestyle=":", label="random guessing")
derivative.set(title="derivative of the activation", xlabel="input", ylabel="derivative")
size.set(title="gradient before training", xlabel="layer", ylabel="size (root mean square)", yscale="log")
size.set_xticks(range(len(LAYERS)), LAYERS)
size.set_ylim(top=0.5)
curve.set(title="training on a few images", xlabel="epoch", ylabel="cross-entropy, nats")
for axes in (derivative, size, curve):
    axes.legend(fontsize=8)
figures.show(figure, "4_05_gradients")

# %% [markdown]
# ## Filters and feature maps
#
# The kernels of the first convolution see 5x5 pixels. After this short training, most of them take a weighted mean with
# weights of one sign, so their maps show the shape of the object, light or dark. A kernel with weights of both signs
# also responds to edges, as in [4.1](section_4_01_convolution.py). Each map of the second convolution combines all six
# maps of the first. These maps are smaller and less like the image: each shows where one feature was found.

# %% mystnb={"image": {"alt": "A test image, the six learned kernels of the first convolution, their six feature maps, which show the shape of the object or its edges, and eight of the sixteen maps of the second convolution, which are smaller and show where a feature was found."}}
trained = states["sigmoid"]
maps = training.activations(trained, few.test_images[:1], layers=["conv1", "conv2"])
kernels = np.asarray(trained.params["conv1"]["kernel"])[:, :, 0]
limit = np.abs(kernels).max()
figure, grid = plt.subplots(3, 8, figsize=(11, 4.4), layout="constrained")
for axes in grid.flat:
    axes.set_axis_off()
grid[0, 0].imshow(few.test_images[0, :, :, 0], cmap="gray")
grid[0, 0].set_title("the image", fontsize=9)
for channel in range(6):
    grid[0, channel + 1].imshow(kernels[:, :, channel], cmap="RdBu_r", vmin=-limit, vmax=limit)
    grid[0, channel + 1].set_title(f"kernel {channel + 1}", fontsize=9)
    grid[1, channel + 1].imshow(nn.sigmoid(maps["conv1"][0, :, :, channel]), cmap="gray")
    grid[1, channel + 1].set_title(f"its map, {'x'.join(map(str, maps['conv1'].shape[1:3]))}", fontsize=9)
for channel in range(8):
    grid[2, channel].imshow(nn.sigmoid(maps["conv2"][0, :, :, channel]), cmap="gray")
    grid[2, channel].set_title(f"conv2, map {channel + 1}", fontsize=9)
figure.colorbar(grid[0, 6].images[0], ax=grid[0, :], shrink=0.9, label="weight")
figures.show(figure, "4_05_features")

# %% [markdown]
# ## The experiment on all images
#
# `jaxcnn train lenet` trains for five epochs on all 60,000 images with Adam at 0.001.

# %% mystnb={"image": {"alt": "Training loss, training accuracy and test accuracy of LeNet by epoch. The curves of the book are between the smallest and the largest of ten runs."}}
figure = figures.draw_experiment("lenet")
figures.show(figure, "4_05_experiment")

# %% [markdown]
# All values of the book are within the range of the ten runs, for each epoch, so the experiment is reproduced. The
# accuracy still increases after five epochs: sigmoids with small initial weights are slow. With `lenet_modern`, the
# same network reaches .90 in five epochs: its kernels begin four times as large, and it has another optimizer, a
# schedule of the learning rate, and smaller batches.
#
# ## Exercises
#
# **Exercise 1.** How many parameters does a dense layer need that computes the output of `conv1` from the 784 pixels?
#
# <details><summary>Answer</summary>
#
# The output has $24 \cdot 24 \cdot 6 = 3456$ numbers. Each needs 784 weights and a bias: 2,712,960 parameters. The
# convolution has 156. The dense layer can compute the same function, but it has to learn each position separately.
#
# </details>
#
# **Exercise 2.** What is the smallest image that this network takes?
#
# <details><summary>Answer</summary>
#
# 16x16 pixels. An image of 16x16 gives maps of 12x12, 6x6, 2x2 and 1x1. For 15x15 they are 11x11, 5x5 and 1x1, and the
# last pooling has no complete 2x2 window: `models.output_shapes(LeNet(), (15, 15, 1))` raises a `ValueError`.
#
# </details>
#
# **Exercise 3.** Convolution and pooling tolerate small shifts. Does the network?
#
# <details><summary>Answer</summary>
#
# Only partly. The feature maps shift with the image, but each dense weight belongs to one position of a map. To measure
# it, shift the test images, `shifted = np.roll(few.test_images, 3, axis=2)`, and compare
# `training.evaluate(trained, shifted, few.test_labels).accuracy` with the accuracy for the images as they are.
#
# </details>
