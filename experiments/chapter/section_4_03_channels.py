"""4.3 Several input and output channels: sums of correlations, stacks of kernels, and kernels of one pixel."""

# %% [markdown]
# # 4.3 Several input and output channels
#
# A colour image has three channels, a layer deep inside a network hundreds. The kernel then has as many channels as
# its input; each is correlated with its own, and the results are added:
#
# $$Y = \sum_c \mathrm{corr2d}(X_c, K_c)$$

# %%
import jax
import jax.numpy as jnp

from jaxcnn import ops

plane = jnp.arange(9.0).reshape(3, 3)
X = jnp.stack([plane, plane + 1])
taps = jnp.arange(4.0).reshape(2, 2)
K = jnp.stack([taps, taps + 1])

one_output = ops.corr2d_multi_in(X, K)
print(f"two channels in, one out:\n{one_output}\n")

# %% [markdown]
# With `vmap` the formula can be read off the code: correlate channel by channel, then add.

# %%
by_vmap = jax.vmap(ops.corr2d)(X, K).sum(0)
print(f"the same by vmap: {bool((one_output == by_vmap).all())}\n")

# %% [markdown]
# ## Several output channels
#
# Every output channel has a kernel of its own; stacked they are $(C_{out}, C_{in}, h, w)$.

# %%
kernels = jnp.stack([K, K + 1, K + 2])
three_outputs = ops.corr2d_multi_in_out(X, kernels)
print(f"kernels {kernels.shape} give {three_outputs.shape}:\n{three_outputs}\n")

# %% [markdown]
# ## Kernels of one pixel
#
# A 1x1 kernel sees no neighbours. What is left is a product of a matrix with the channels of each pixel, a dense
# layer applied everywhere at once:
#
# $$Y[o, i, j] = \sum_c K[o, c] \, X[c, i, j]$$
#
# It mixes channels and changes their number, and leaves height and width as they are.

# %%
x_key, k_key = jax.random.split(jax.random.key(0))
x = jax.random.normal(x_key, (3, 3, 3))
k = jax.random.normal(k_key, (2, 3, 1, 1))
as_product = ops.corr2d_multi_in_out_1x1(x, k)
difference = jnp.abs(as_product - ops.corr2d_multi_in_out(x, k)).max()
print(f"1x1 kernels as a matrix product and as a correlation differ by {difference:.1e} at most")
