"""4.9 GoogLeNet: blocks of four parallel paths."""

# %% [markdown]
# # 4.9 GoogLeNet
#
# An Inception block uses several kernel sizes at once. It has a path with 1x1, one with 3x3, one with 5x5 kernels and
# one with max-pooling, all on the same input, and concatenates their channels. 1x1 convolutions before the large
# kernels reduce the computation.
#
# The paper has a relu after these reductions; the book's network has none. `GoogLeNet(activate_reductions=True)` is the
# paper's version.

# %%
import jax

from jaxcnn import data, models, recipes, training

recipe = recipes.RECIPES["googlenet"]
for layer, shape in models.output_shapes(recipe.model, (96, 96, 1)).items():
    print(f"{layer:14} {'x'.join(map(str, shape))}")
print(f"parameters: {recipe.num_parameters:,}\n")

# %% [markdown]
# ## A short training
#
# Without batch normalization, and with PyTorch's initialization, the signal fades on its way through the many layers.
# In the book's run the first epoch, 235 steps, stays at random guessing: one in ten is right. The few steps here show
# only the beginning of this plateau. `jaxcnn train googlenet` trains for five epochs.

# %%
few = data.load_fashion_mnist().limit(32)
state = training.create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), (32, 32, 1))
losses = []
for epoch in training.fit(state, few, num_epochs=3, batch_size=16, image_size=32):
    losses.append(epoch.train_loss)
    print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, train accuracy {epoch.train_accuracy:.3f}")
