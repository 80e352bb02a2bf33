"""4.8 NiN: a network without dense layers."""

# %% [markdown]
# # 4.8 NiN
#
# The dense layers of AlexNet and VGG contain most of their parameters and discard spatial information. NiN has no dense
# layers. Two 1x1 convolutions follow each larger one and act as a small dense network at every pixel. The last block
# has one channel per class, and the mean over its pixels is the logit. NiN has two million parameters, AlexNet 46.8
# million.
#
# As in the book, the last block also ends in a relu, so no logit is negative. If the channel of a class is zero on
# every pixel, its gradient is also zero.

# %%
import jax

from jaxcnn import data, models, recipes, training

recipe = recipes.RECIPES["nin"]
for layer, shape in models.output_shapes(recipe.model, (224, 224, 1)).items():
    print(f"{layer:14} {'x'.join(map(str, shape))}")
print(f"parameters: {recipe.num_parameters:,}\n")

# %% [markdown]
# ## A short training
#
# This example uses the minimum image size, 67x67. So few steps barely change the loss. `jaxcnn train nin` trains as in
# the book, at 224x224 and with twice the learning rate of the other networks.

# %%
few = data.load_fashion_mnist().limit(32)
state = training.create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), (67, 67, 1))
losses = []
for epoch in training.fit(state, few, num_epochs=3, batch_size=16, image_size=67):
    losses.append(epoch.train_loss)
    print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, train accuracy {epoch.train_accuracy:.3f}")
