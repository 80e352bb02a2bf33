"""4.5 LeNet: convolutions and dense layers. It is the first network of the chapter."""

# %% [markdown]
# # 4.5 LeNet
#
# A dense layer on the pixels of an image ignores which pixels are neighbors, and its matrix grows with the image.
# LeNet first computes features by two convolutions, each followed by a sigmoid and a max-pooling that halves the size.
# Three dense layers then classify them. The size decreases while the number of channels increases: 28x28x1, 12x12x6,
# 4x4x16, then a vector of 256. The table shows the output shape of each layer, before pooling.

# %%
import jax

from jaxcnn import data, models, recipes, training

recipe = recipes.RECIPES["lenet"]
for layer, shape in models.output_shapes(recipe.model, (28, 28, 1)).items():
    print(f"{layer:14} {'x'.join(map(str, shape))}")
print(f"parameters: {recipe.num_parameters:,}\n")

# %% [markdown]
# ## A short training
#
# This example trains for thirty epochs on a few images. Sigmoids slow the training: their derivative is at most 1/4, so
# the gradient at the first layer is small. For a while the loss stays near that of random guessing, $\log 10 = 2.303$.
# `jaxcnn train lenet` trains on all 60,000 images; after five epochs three in four are classified correctly.

# %%
few = data.load_fashion_mnist().limit(128)
state = training.create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), (28, 28, 1))
losses = []
for epoch in training.fit(state, few, num_epochs=30, batch_size=32, image_size=28):
    losses.append(epoch.train_loss)
    print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, train accuracy {epoch.train_accuracy:.3f}")
