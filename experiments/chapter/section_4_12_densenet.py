"""4.12 DenseNet: every layer sees all before it."""

# %% [markdown]
# # 4.12 DenseNet
#
# ResNet adds what a block makes to its input. DenseNet puts it beside: in a dense block every convolution sees the
# outputs of all before it, and adds 32 channels of its own. So the channels grow with each, and between blocks a
# transition takes them back: a 1x1 convolution halves the channels, an average pooling the size.
#
# Each transition halves the size, rounded down. Images of 28x28 leave 7, 3, 1 and then nothing; 29x29 is the
# smallest. The book trains on 28x28 all the same: PyTorch before version 1.2 left a map of one pixel as it was.
# `DenseNet(clip_window=True)` does that too.

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
# `jaxcnn train densenet` trains as the book does: at 28x28, and with the scales of batch norm from U(0, 1), as
# PyTorch's began before version 1.2.

# %%
few = data.load_fashion_mnist().limit(32)
state = training.create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), (28, 28, 1))
losses = []
for epoch in training.fit(state, few, num_epochs=3, batch_size=16):
    losses.append(epoch.train_loss)
    print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, train accuracy {epoch.train_accuracy:.3f}")
