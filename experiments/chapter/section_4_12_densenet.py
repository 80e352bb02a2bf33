"""4.12 DenseNet: every layer gets the outputs of all previous ones."""

# %% [markdown]
# # 4.12 DenseNet
#
# A ResNet block adds its output to its input. DenseNet concatenates them: in a dense block, every convolution gets the
# outputs of all previous ones and adds 32 channels. The number of channels grows with each convolution. Between blocks,
# a transition reduces it: a 1x1 convolution halves the channels, and an average pooling halves the size.
#
# Each transition halves the size, rounded down. For 28x28 images the sizes are 7, 3, 1 and then 0, so the minimum is
# 29x29. The book nevertheless trains on 28x28: PyTorch before version 1.2 returned a map of one pixel unchanged.
# `DenseNet(clip_window=True)` does the same.

# %%
import jax

from jaxcnn import data, models, recipes, training

recipe = recipes.RECIPES["densenet"]
for layer, shape in models.output_shapes(recipe.model, (96, 96, 1)).items():
    print(f"{layer:14} {'x'.join(map(str, shape))}")
print(f"parameters: {recipe.num_parameters:,}\n")

# %%
try:
    models.output_shapes(models.DenseNet(), (28, 28, 1))
except ValueError as error:
    print(error)
small = models.output_shapes(models.DenseNet(clip_window=True), (28, 28, 1))
print(f"with the window clipped, block4 gives {'x'.join(map(str, small['block4']))}\n")

# %% [markdown]
# ## A short training
#
# `jaxcnn train densenet` trains as in the book: at 28x28, and with initial batch norm scales from U(0, 1), as in
# PyTorch before version 1.2.

# %%
few = data.load_fashion_mnist().limit(32)
state = training.create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), (28, 28, 1))
losses = []
for epoch in training.fit(state, few, num_epochs=3, batch_size=16):
    losses.append(epoch.train_loss)
    print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, train accuracy {epoch.train_accuracy:.3f}")
