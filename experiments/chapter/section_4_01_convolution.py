# %% [markdown]
# # 4.1 The convolution layer
#
# A convolution layer slides a small *kernel* over an image. At every position it multiplies the pixels under the
# kernel with the kernel, element by element, and sums the products. This is a cross-correlation:
#
# $$Y[i, j] = \sum_{u, v} X[i + u, j + v] \, K[u, v]$$
#
# An image of $H \times W$ and a kernel of $h \times w$ give an output of $(H - h + 1) \times (W - w + 1)$.
#
# This lesson writes the operation as a loop, writes it again with arrays, applies known kernels to a photograph, and
# learns a kernel from examples.

# %%
import time

import figures
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import linen as nn
from matplotlib import cbook

from jaxcnn import layers, ops

# %% [markdown]
# ## The loop
#
# The formula, read literally, is a loop over the positions of the output.


# %%
def corr2d_by_position(x, k):
    """Multiply and sum under the kernel, one position at a time."""
    x, k = np.asarray(x), np.asarray(k)
    (height, width), (h, w) = x.shape, k.shape
    y = np.zeros((height - h + 1, width - w + 1), np.float32)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = (x[i : i + h, j : j + w] * k).sum()
    return y


X = np.arange(9.0, dtype=np.float32).reshape(3, 3)
K = np.arange(4.0, dtype=np.float32).reshape(2, 2)
print(f"a 3x3 image under a 2x2 kernel:\n{corr2d_by_position(X, K)}")

# %% [markdown]
# The top left entry is $0 \cdot 0 + 1 \cdot 1 + 3 \cdot 2 + 4 \cdot 3 = 19$.
#
# ## The same sum with arrays
#
# A photograph has thousands of positions, and each step of the loop is a small sum. A loop over the weights computes
# the same result. The pixels that one weight multiplies are the image, shifted and cropped to the size of the output. So
# the result is a sum of $h \cdot w$ shifted images, each times one weight. The loop over weights is short, and its steps
# are operations on whole arrays. `jax.jit` compiles all of them into one program.


# %%
@jax.jit
def corr2d(x, k):
    """Sum the shifted images, each times one weight."""
    (height, width), (h, w) = x.shape, k.shape
    rows, columns = height - h + 1, width - w + 1
    return sum(k[u, v] * x[u : u + rows, v : v + columns] for u in range(h) for v in range(w))


# %% [markdown]
# `ops.corr2d` of this library computes the same sum. It adds checks of the shapes, and a faster form for CPUs. All
# three are compared here on a photograph that comes with Matplotlib: Grace Hopper, in gray, 256x256 pixels.

# %%
photo = plt.imread(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))[:512].mean(-1) / 255
gray = jnp.asarray(photo.reshape(256, 2, 256, 2).mean((1, 3)), jnp.float32)
blur = jnp.full((5, 5), 1 / 25)
by_position = corr2d_by_position(gray, blur)
largest_difference = 0.0
for name, function in (("shifted images", corr2d), ("ops.corr2d", ops.corr2d)):
    difference = float(jnp.abs(function(gray, blur) - by_position).max())
    largest_difference = max(largest_difference, difference)
    print(f"{name:14} differ from the loop by {difference:.0e} at most")
for name, function in (("loop", corr2d_by_position), ("shifted images", corr2d), ("ops.corr2d", ops.corr2d)):
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        jax.block_until_ready(function(gray, blur))
        seconds.append(time.perf_counter() - start)
    print(f"{name:14} {1e3 * min(seconds):7.2f} ms")

# %% [markdown]
# ## Convolution and cross-correlation
#
# A convolution in mathematics first rotates the kernel by 180 degrees. A layer *learns* its kernel, so it would learn
# the rotated one, and nothing else would change. Deep learning calls both operations a convolution.

# %%
convolved = jax.scipy.signal.convolve2d(X, K[::-1, ::-1], mode="valid")
print(f"SciPy's convolution with the rotated kernel is the same: {bool((convolved == corr2d(X, K)).all())}")

# %% [markdown]
# ## What a kernel can do
#
# Before kernels were learned, they were designed. A kernel multiplies a constant area by the sum of its weights. If the
# sum is 1, the kernel keeps the brightness. If the sum is 0, the kernel removes it and responds only to changes.

# %% mystnb={"image": {"alt": "A photograph under five kernels. Blur softens it, sharpen raises its contrast, the two Sobel kernels keep only vertical or only horizontal edges, and the Laplacian keeps thin lines."}}
KERNELS = {
    "blur": blur,
    "sharpen": jnp.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "Sobel, vertical": jnp.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]),
    "Sobel, horizontal": jnp.array([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]]),
    "Laplacian": jnp.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]),
}
figure, axes = plt.subplots(2, 3, figsize=(8, 5.6), layout="constrained")
axes[0, 0].imshow(gray, cmap="gray", vmin=0, vmax=1)
axes[0, 0].set_title("photograph")
for axis, (name, kernel) in zip(axes.flat[1:], KERNELS.items(), strict=True):
    keeps_brightness = bool(kernel.sum() > 0.5)
    limits = (0, 1) if keeps_brightness else (-1, 1)
    axis.imshow(corr2d(gray, kernel), cmap="gray" if keeps_brightness else "RdBu_r", vmin=limits[0], vmax=limits[1])
    axis.set_title(f"{name}, sum {kernel.sum() + 0.0:.0f}")
for axis in axes.flat:
    axis.set_xticks([])
    axis.set_yticks([])
figures.show(figure, "4_01_kernels")

# %% [markdown]
# In the lower row, white is 0, red is positive and blue is negative. In the upper row the images are gray.
#
# ## Finding an edge
#
# This image is white with a black bar. The kernel $[1, -1]$ subtracts from each pixel its right neighbor. The result
# is 0 where both are equal, 1 where white changes to black and -1 where black changes to white.

# %%
image = jnp.ones((6, 8)).at[:, 2:6].set(0)
edge_kernel = jnp.array([[1.0, -1.0]])
edges = corr2d(image, edge_kernel)
print(f"the image:\n{image}\n")
print(f"its vertical edges:\n{edges}\n")

# %% [markdown]
# In the transposed image the edges are parallel to the kernel, so the kernel finds none.

# %%
sideways = corr2d(image.T, edge_kernel)
print(f"edges in the image on its side: {int(jnp.abs(sideways).sum())}")

# %% [markdown]
# ## A layer with parameters
#
# A layer is a cross-correlation with a kernel and a bias that are parameters. Linen is the module library of Flax. A
# Linen module declares them with `self.param`: a name, an initializer and a shape. The module does not store them.
# `init` creates them from a key, and `apply` takes them as an argument.


# %%
class Corr2D(nn.Module):
    """A cross-correlation with a kernel and a bias, both initially from N(0, 1)."""

    kernel_size: tuple[int, int]

    @nn.compact
    def __call__(self, x):
        """Compute the cross-correlation of one image, (H, W)."""
        kernel = self.param("kernel", nn.initializers.normal(1.0), self.kernel_size)
        bias = self.param("bias", nn.initializers.normal(1.0), ())
        return corr2d(x, kernel) + bias


layer = Corr2D((1, 2))
initial = layer.init(jax.random.key(2), image)
of_the_library = layers.Corr2D((1, 2)).apply(initial, image)
layer_difference = float(jnp.abs(layer.apply(initial, image) - of_the_library).max())
print(f"from the same parameters, layers.Corr2D differs by {layer_difference:.0e} at most")

# %% [markdown]
# The kernel can be learned. Given the image and its edges, gradient descent on the sum of squared errors finds it. One
# step is a pure function from parameters to parameters, so `lax.scan` runs all thirty steps in one compiled program.

# %%
NUM_STEPS, LEARNING_RATE = 30, 0.01
sgd = optax.sgd(LEARNING_RATE)


def squared_error(variables):
    """Return the squared error of the layer's output, summed over the pixels."""
    return jnp.sum((layer.apply(variables, image) - edges) ** 2)


def learn(key):
    """Return the loss before each step and the variables after the last one."""

    def step(carry, _):
        variables, opt_state = carry
        loss, gradients = jax.value_and_grad(squared_error)(variables)
        updates, opt_state = sgd.update(gradients, opt_state)
        return (optax.apply_updates(variables, updates), opt_state), loss

    variables = layer.init(key, image)
    (variables, _), losses = jax.lax.scan(step, (variables, sgd.init(variables)), length=NUM_STEPS)
    return losses, variables


losses, variables = jax.jit(learn)(jax.random.key(2))
for number in range(5, NUM_STEPS + 1, 5):
    print(f"step {number:2}, loss {losses[number - 1]:.3f}")
weight, bias = variables["params"]["kernel"], variables["params"]["bias"]
print(f"learned weight [[{weight[0, 0]:.4f}, {weight[0, 1]:.4f}]], bias {bias:.1e}")

# %% [markdown]
# The weight approaches $[1, -1]$, and the loss falls by a factor of about 3.6 every five steps. The factor follows from
# the image. The loss is a quadratic function of the parameters, with the smallest curvature along the difference of the
# two weights, the direction $(1, -1) / \sqrt 2$. A unit step in this direction changes the 12 outputs at the edges,
# each by $1 / \sqrt 2$, and the sum of these squares is 6. So one step of gradient descent reduces the distance by $2
# \cdot 0.01 \cdot 6 = 12\,\%$. After five steps $0.88^5$ of the distance remains, and the square of that, 28 %, of the
# loss.
#
# The initial weight is random. Does the result depend on it? `learn` is a function of a key, so `vmap` makes it a
# function of twenty keys: twenty runs in one program.

# %%
all_losses, all_variables = jax.jit(jax.vmap(learn))(jax.random.split(jax.random.key(0), 20))
last = all_losses[:, -1]
distance = jnp.abs(all_variables["params"]["kernel"] - edge_kernel[None]).max()
print(f"20 starts: last loss {jnp.median(last):.3f} in the median, {last.max():.3f} at worst")
print(f"no weight is further than {distance:.3f} from [1, -1]")

# %% mystnb={"image": {"alt": "The black bar, its two edges, the learned kernel, close to 1 and -1, and twenty curves of the squared error. All of them fall along straight lines on the logarithmic axis."}}
figure, axes = plt.subplots(1, 4, figsize=(11, 2.5), layout="constrained", width_ratios=[8, 7, 5, 9])
signed = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1}
axes[0].imshow(image, cmap="gray", vmin=0, vmax=1)
axes[0].set_title("image")
axes[1].imshow(edges, **signed)
axes[1].set_title("its edges: 1 and -1")
axes[2].imshow(weight, **signed)
axes[2].set_title("learned kernel")
for column, value in enumerate(np.asarray(weight)[0]):
    axes[2].text(column, 0, f"{value:.3f}", ha="center", va="center", color="white")
for axis in axes[:3]:
    axis.set_xticks([])
    axis.set_yticks([])
axes[3].semilogy(np.arange(1, NUM_STEPS + 1), all_losses.T, color="tab:blue", alpha=0.35)
axes[3].set(title="20 starts", xlabel="step", ylabel="squared error")
figures.show(figure, "4_01_edges")

# %% [markdown]
# ## What is learned depends on the image
#
# The bar and its edges are one pair of examples. The photograph and its horizontal edges, found by a Sobel kernel, are
# another. The next cell learns this kernel from the photograph, and from an image of independent random pixels. It uses
# gradient descent on the mean squared error, from a kernel of zeros. Both images have mean 0 and variance 1.
#
# The mean squared error is quadratic in the kernel. Its curvature is $2C$, where $C$ has nine rows and columns: the
# mean products of two pixels under the kernel. A step of size $\eta$ multiplies the difference between the kernel and
# the solution, along each eigenvector of $C$, by $1 - 2 \eta \lambda$, where $\lambda$ is the eigenvalue. For random
# pixels all $\lambda$ are 1. In a photograph neighboring pixels are similar, so the largest $\lambda$ belongs to the
# mean of the nine pixels, and the smallest to their fine differences. The step must be small enough for the largest,
# and is then far too small for the smallest.

# %%
SOBEL = KERNELS["Sobel, horizontal"]
SHOWN = (10, 100, 1000)
pixels = {
    "photograph": (gray - gray.mean()) / gray.std(),
    "random pixels": jax.random.normal(jax.random.key(0), (256, 256)),
}


@jax.jit
def learn_kernel(x):
    """Return the eigenvalues of the curvature, and the kernel and the error after each step."""
    rows, columns = x.shape[0] - 2, x.shape[1] - 2
    patches = jnp.stack([x[u : u + rows, v : v + columns] for u in range(3) for v in range(3)]).reshape(9, -1)
    products = patches @ patches.T / patches.shape[1]
    eigenvalues = jnp.linalg.eigvalsh(products)
    error = jax.value_and_grad(lambda k: jnp.mean((corr2d(x, k) - corr2d(x, SOBEL)) ** 2))

    def step(kernel, _):
        kernel = kernel - 0.5 / eigenvalues[-1] * error(kernel)[1]
        return kernel, (kernel, error(kernel)[0])

    _, (kernels, errors) = jax.lax.scan(step, jnp.zeros((3, 3)), length=max(SHOWN))
    return eigenvalues, kernels, errors


learned = {name: learn_kernel(x) for name, x in pixels.items()}
for name, (eigenvalues, kernels, _) in learned.items():
    far = jnp.abs(kernels - SOBEL[None]).max((1, 2))
    print(f"{name:13} eigenvalues {eigenvalues[0]:.4f} to {eigenvalues[-1]:.2f}, largest error of a weight after")
    print("              " + ", ".join(f"{count} steps: {far[count - 1]:.3f}" for count in SHOWN))

# %% mystnb={"image": {"alt": "Kernels after 10, 100 and 1000 steps, next to the Sobel kernel. From random pixels the kernel is right after 10 steps. From the photograph it is smooth at first and still inexact after 1000 steps, although its error is small."}}
figure = plt.figure(figsize=(9, 3.8), layout="constrained")
grid = figure.add_gridspec(2, 5, width_ratios=[1, 1, 1, 1, 3.2])
axes = [[figure.add_subplot(grid[row, column]) for column in range(4)] for row in range(2)]
for row, (name, (_, kernels, _)) in zip(axes, learned.items(), strict=True):
    shown = {f"{count} steps": kernels[count - 1] for count in SHOWN} | {"Sobel": SOBEL}
    for axis, (title, kernel) in zip(row, shown.items(), strict=True):
        axis.imshow(kernel, cmap="RdBu_r", vmin=-2, vmax=2)
        axis.set_title(title, fontsize=10)
        axis.set_xticks([])
        axis.set_yticks([])
    row[0].set_ylabel(name)
axis = figure.add_subplot(grid[:, 4])
for name, (_, _, errors) in learned.items():
    axis.loglog(np.arange(1, len(errors) + 1), errors / (corr2d(pixels[name], SOBEL) ** 2).mean(), label=name)
axis.set(xlabel="step", ylabel="squared error / squared response", ylim=(1e-8, 1.5))
axis.legend()
figures.show(figure, "4_01_learned")

# %% [markdown]
# The random pixels give the kernel in a few steps. After 10 steps on the photograph the kernel has the right sign in
# each row, but the weights of a row are nearly equal, as in a blur: along an edge the three pixels have almost the same
# value, so the error hardly depends on how the weight is divided among them. After 100 steps the squared error is below
# 1 % of the squared response, while weights are still wrong by up to a quarter of the largest weight. A small error of
# the output does not imply the right kernel.
#
# Deep networks have the same difficulty in every layer. [Section 4.10](section_4_10_batch_normalization.py) normalizes
# the inputs of the layers for this reason.
#
# ## Exercises
#
# **Exercise 1.** A cross-correlation is linear in the image. Which matrix maps the nine pixels of a 3x3 image to the
# four outputs of a 2x2 kernel? How many different numbers does it have?
#
# <details><summary>Answer</summary>
#
# The matrix of a linear function is its Jacobian, which JAX computes:
#
# ```python
# matrix = jax.jacobian(ops.corr2d)(jnp.ones((3, 3)), jnp.arange(1.0, 5.0).reshape(2, 2)).reshape(4, 9)
#
# [[1. 2. 0. 3. 4. 0. 0. 0. 0.]
#  [0. 1. 2. 0. 3. 4. 0. 0. 0.]
#  [0. 0. 0. 1. 2. 0. 3. 4. 0.]
#  [0. 0. 0. 0. 1. 2. 0. 3. 4.]]
# ```
#
# A dense layer would have 36 weights. Here 20 of them are zero, because an output depends on nearby pixels only, and the
# other 16 are the same four numbers in each row, because every position has the same kernel.
#
# </details>
#
# **Exercise 2.** Some kernels are the product of a column and a row. The 5x5 blur is one of them. How many products
# per output pixel does it take if the column is applied first, and then the row? Is the Sobel kernel such a product? Is
# the Laplacian?
#
# <details><summary>Answer</summary>
#
# It takes 5 + 5 = 10 products instead of 25:
#
# ```python
# column, row = jnp.full((5, 1), 1 / 5), jnp.full((1, 5), 1 / 5)
# jnp.abs(ops.corr2d(ops.corr2d(gray, column), row) - ops.corr2d(gray, blur)).max()  # 2e-07
# ```
#
# A kernel is such a product if its matrix has rank 1, so `jnp.linalg.matrix_rank` answers the question. The Sobel
# kernel has rank 1: it is the column $[1, 0, -1]^T$ times the row $[1, 2, 1]$, the difference of two blurred rows. The
# Laplacian has rank 2: it is a sum of two such products.
#
# </details>
#
# **Exercise 3.** The kernel $[1, -1]$ does not see edges that are parallel to it. Find a 2x2 kernel whose response to
# edges along one diagonal is 0, and whose response to edges along the other is not.
#
# <details><summary>Answer</summary>
#
# The kernel $\begin{bmatrix} 1 & 0 \\ 0 & -1 \end{bmatrix}$ subtracts from each pixel its neighbor to the lower right.
# `jnp.tri(6)` is white below its main diagonal and black above. Its edge runs from the upper left to the lower right,
# and the two pixels under the kernel are on the same side of it:
#
# ```python
# kernel = jnp.array([[1.0, 0.0], [0.0, -1.0]])
# jnp.abs(ops.corr2d(jnp.tri(6), kernel)).sum()           # 0.0
# jnp.abs(ops.corr2d(jnp.tri(6)[:, ::-1], kernel)).sum()  # 9.0
# ```
#
# </details>
