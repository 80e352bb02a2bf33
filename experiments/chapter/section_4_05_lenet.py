"""4.5 LeNet: convolutions and dense layers, the first network of the chapter."""

# %% [markdown]
# # 4.5 LeNet
#
# A dense layer on the pixels of an image does not know which pixels are neighbours, and its matrix grows with the
# image. LeNet first turns the image into features by two convolutions, each with a sigmoid and a max-pooling that
# halves the size, and only then classifies by three dense layers. The image shrinks while the channels grow: 28x28x1,
# 12x12x6, 4x4x16, then 256 numbers in a row. The table shows what each layer gives, before its pooling.

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
# Thirty epochs on a few images. Sigmoids make it slow: their derivative is 1/4 at most, so little of the gradient is
# left at the first layer, and the loss stays near that of guessing, $\log 10 = 2.303$, for a while. `jaxcnn train
# lenet` trains on all 60,000 images; after five epochs three in four are right.

# %%
few = data.load_fashion_mnist().limit(128)
state = training.create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), (28, 28, 1))
losses = []
for epoch in training.fit(state, few, num_epochs=30, batch_size=32, image_size=28):
    losses.append(epoch.train_loss)
    print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, train accuracy {epoch.train_accuracy:.3f}")
