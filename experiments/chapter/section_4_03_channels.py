"""4.3 Several input and output channels: sums of correlations, stacks of kernels, and 1x1 kernels."""

# %% [markdown]
# # 4.3 Several input and output channels
#
# A color image has three channels, and a deep layer has hundreds. The kernel has as many channels as its input. Each
# input channel is correlated with the same channel of the kernel, and the results are summed:
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
# With `vmap` the code reads like the formula: correlate channel by channel, then sum.

# %%
by_vmap = jax.vmap(ops.corr2d)(X, K).sum(0)
print(f"the same by vmap: {bool((one_output == by_vmap).all())}\n")

# %% [markdown]
# ## Several output channels
#
# Every output channel has its own kernel. Stacked, the kernels have the shape $(C_{out}, C_{in}, h, w)$.

# %%
kernels = jnp.stack([K, K + 1, K + 2])
three_outputs = ops.corr2d_multi_in_out(X, kernels)
print(f"kernels {kernels.shape} give {three_outputs.shape}:\n{three_outputs}\n")

# %% [markdown]
# ## 1x1 kernels
#
# A 1x1 kernel uses no neighboring pixels. It multiplies the channels of each pixel by a matrix, like a dense layer
# applied to every pixel:
#
# $$Y[o, i, j] = \sum_c K[o, c] \, X[c, i, j]$$
#
# It mixes the channels and changes their number, and keeps height and width.

# %%
x_key, k_key = jax.random.split(jax.random.key(0))
x = jax.random.normal(x_key, (3, 3, 3))
k = jax.random.normal(k_key, (2, 3, 1, 1))
as_product = ops.corr2d_multi_in_out_1x1(x, k)
difference = jnp.abs(as_product - ops.corr2d_multi_in_out(x, k)).max()
print(f"1x1 kernels as a matrix product and as a correlation differ by {difference:.1e} at most")
