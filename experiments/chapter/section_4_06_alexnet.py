"""4.6 AlexNet: deeper, wider, with relu and dropout."""

# %% [markdown]
# # 4.6 AlexNet
#
# What LeNet does on 28x28 pixels AlexNet does on 224x224: five convolutions, the first with kernels of 11x11 and a
# stride of 4, and three dense layers, two of them with 4096 outputs. Two things made that depth trainable. A relu has
# the derivative 1 wherever it lets through, so gradients do not fade as behind sigmoids. Dropout leaves out a random
# half of the dense layers' outputs in each step, so that none can rely on a single other.
#
# Nearly all of its 46.8 million parameters are in the dense layers: 26.2 million in the first.

# %%
import jax

from jaxcnn import data, models, recipes, training

recipe = recipes.RECIPES["alexnet"]
for layer, shape in models.output_shapes(recipe.model, (224, 224, 1)).items():
    print(f"{layer:14} {'x'.join(map(str, shape))}")
print(f"parameters: {recipe.num_parameters:,}\n")

# %% [markdown]
# ## A short training
#
# The network takes any image of at least 67x67, which is quicker here. Dropout needs randomness, and randomness is
# never hidden: the state holds a key, and each step derives its own from it. `jaxcnn train alexnet` trains as
# the book does, on all images at 224x224.

# %%
few = data.load_fashion_mnist().limit(32)
state = training.create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), (67, 67, 1))
losses = []
for epoch in training.fit(state, few, num_epochs=3, batch_size=16, image_size=67):
    losses.append(epoch.train_loss)
    print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, train accuracy {epoch.train_accuracy:.3f}")
