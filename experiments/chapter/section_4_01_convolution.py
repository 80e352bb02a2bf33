"""4.1 The convolution layer: what it computes, and how it learns to detect an edge."""

# %% [markdown]
# # 4.1 The convolution layer
#
# A convolution layer slides a small *kernel* over an image. At every position it multiplies the pixels under the
# kernel with the kernel, element by element, and sums the products. This is a cross-correlation:
#
# $$Y[i, j] = \sum_{u, v} X[i + u, j + v] \, K[u, v]$$
#
# An image of $H \times W$ and a kernel of $h \times w$ give an output of $(H - h + 1) \times (W - w + 1)$.

# %%
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn import layers, ops
from jaxcnn.report import default_pyplot

plt = default_pyplot()
FIGURES = Path("runs/chapter")
FIGURES.mkdir(parents=True, exist_ok=True)

X = jnp.arange(9.0).reshape(3, 3)
K = jnp.arange(4.0).reshape(2, 2)
small = ops.corr2d(X, K)
print(f"a 3x3 image under a 2x2 kernel:\n{small}\n")

# %% [markdown]
# The top left entry is $0 \cdot 0 + 1 \cdot 1 + 3 \cdot 2 + 4 \cdot 3 = 19$.
#
# A convolution in mathematics first rotates the kernel by 180 degrees. A layer *learns* its kernel, so it would learn
# the rotated one, and nothing else would change. Deep learning calls both operations a convolution.

# %% [markdown]
# ## Finding an edge
#
# This image is white with a black bar. The kernel $[1, -1]$ subtracts from each pixel its right neighbor. The result
# is 0 where both are equal, 1 where white changes to black and -1 where black changes to white.

# %%
image = jnp.ones((6, 8)).at[:, 2:6].set(0)
edge_kernel = jnp.array([[1.0, -1.0]])
edges = ops.corr2d(image, edge_kernel)
print(f"the image:\n{image}\n")
print(f"its vertical edges:\n{edges}\n")

# %% [markdown]
# In the transposed image the edges are parallel to the kernel, so it finds none.

# %%
sideways = ops.corr2d(image.T, edge_kernel)
print(f"edges in the image on its side: {int(jnp.abs(sideways).sum())}\n")

# %% [markdown]
# ## A layer with parameters
#
# `layers.Corr2D` has a kernel and a scalar bias, both initialized from $N(0, 1)$, and computes `corr2d(x, kernel)
# + bias`. The layer object does not store them: `init` creates them from a key, and `apply` takes them as an argument.
#
# The kernel can be learned. Given the image and its edges, gradient descent on the sum of squared errors finds it. One
# step is a pure function from parameters to parameters, so `lax.scan` runs all thirty steps in one compiled program.

# %%
NUM_STEPS, LEARNING_RATE = 30, 0.01
layer = layers.Corr2D((1, 2))
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
print(f"learned weight [[{weight[0, 0]:.4f}, {weight[0, 1]:.4f}]], bias {bias:.1e}\n")

# %% [markdown]
# The weight approaches $[1, -1]$, and the loss falls by a factor of about 3.6 every five steps. The factor follows from
# the image. The loss is a quadratic function of the parameters, with the smallest curvature along the difference of the
# two weights. In this direction one step reduces the distance by $2 \cdot 0.01 \cdot 6 = 12\,\%$. After five steps
# $0.88^5$ of the distance remains, and the square of that, 28 %, of the loss.
#
# The initial weight is random. Does the result depend on it? `learn` is a function of a key, so `vmap` makes it a
# function of twenty keys: twenty runs in one program.

# %%
all_losses, all_variables = jax.jit(jax.vmap(learn))(jax.random.split(jax.random.key(0), 20))
last = all_losses[:, -1]
distance = jnp.abs(all_variables["params"]["kernel"] - edge_kernel[None]).max()
print(f"20 starts: last loss {jnp.median(last):.3f} in the median, {last.max():.3f} at worst")
print(f"no weight is further than {distance:.3f} from [1, -1]")

# %%
figure, axes = plt.subplots(1, 4, figsize=(13, 2.8), layout="constrained", width_ratios=[8, 7, 5, 9])
signed = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1}
axes[0].imshow(image, cmap="gray", vmin=0, vmax=1)
axes[0].set_title("image")
axes[1].imshow(edges, **signed)
axes[1].set_title("its edges: 1 and -1")
axes[2].imshow(weight, **signed)
axes[2].set_title("kernel learned from both")
for column, value in enumerate(np.asarray(weight)[0]):
    axes[2].text(column, 0, f"{value:.3f}", ha="center", va="center", color="white")
for axis in axes[:3]:
    axis.set_xticks([])
    axis.set_yticks([])
axes[3].semilogy(np.arange(1, NUM_STEPS + 1), all_losses.T, color="tab:blue", alpha=0.35)
axes[3].set(title="20 starts", xlabel="step", ylabel="squared error")
figure.savefig(FIGURES / "4_01_edges.png", dpi=150)
print(f"figure: {FIGURES / '4_01_edges.png'}")
