"""4.6 AlexNet: deeper, wider, with relu and dropout."""

# %% [markdown]
# # 4.6 AlexNet
#
# AlexNet extends the design of LeNet from 28x28 to 224x224 pixels. It has five convolutions, the first with 11x11
# kernels and a stride of 4, and three dense layers, two of them with 4096 outputs. Two techniques make this depth
# trainable. A relu has derivative 1 for positive inputs, so gradients do not vanish as with sigmoids. Dropout sets a
# random half of the dense layers' outputs to zero in each step, so that no unit relies on a single other one.
#
# Nearly all of the 46.8 million parameters are in the dense layers, 26.2 million of them in the first.

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
# The network takes images of at least 67x67 pixels. This example uses the minimum, which is faster. Dropout needs
# random numbers: the training state has a key, and each step derives its own key from it. `jaxcnn train alexnet` trains
# as in the book, on all images at 224x224.

# %%
few = data.load_fashion_mnist().limit(32)
state = training.create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), (67, 67, 1))
losses = []
for epoch in training.fit(state, few, num_epochs=3, batch_size=16, image_size=67):
    losses.append(epoch.train_loss)
    print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, train accuracy {epoch.train_accuracy:.3f}")
