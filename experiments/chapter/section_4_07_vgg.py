"""4.7 VGG: a network defined by a list of blocks."""

# %% [markdown]
# # 4.7 VGG
#
# VGG is built from blocks. A block has one or more 3x3 convolutions with padding 1, which keep the size, and a
# max-pooling that halves it. Two successive 3x3 kernels cover 5x5 pixels with 18 weights per channel instead of 25,
# and have a relu in between. The network is defined by a list of (convolutions, channels). Here, as in the book's run,
# every width is divided by 4.

# %%
import jax

from jaxcnn import data, models, recipes, training

recipe = recipes.RECIPES["vgg"]
for layer, shape in models.output_shapes(recipe.model, (224, 224, 1)).items():
    print(f"{layer:14} {'x'.join(map(str, shape))}")
print(f"parameters: {recipe.num_parameters:,}\n")

# %% [markdown]
# At full width, the same function builds the network of the paper:

# %%
full = models.output_shapes(models.VGG11(), (224, 224, 1))
for layer, shape in full.items():
    if layer.startswith("block"):
        print(f"{layer:14} {'x'.join(map(str, shape))} at full width")
print()

# %% [markdown]
# ## A short training
#
# Five poolings reduce 32x32, the minimum image size, to one pixel. `jaxcnn train vgg` trains as in the book, at
# 224x224.

# %%
few = data.load_fashion_mnist().limit(32)
state = training.create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), (32, 32, 1))
losses = []
for epoch in training.fit(state, few, num_epochs=3, batch_size=16, image_size=32):
    losses.append(epoch.train_loss)
    print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, train accuracy {epoch.train_accuracy:.3f}")
