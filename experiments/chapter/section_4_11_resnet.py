"""4.11 ResNet: blocks that add their output to their input."""

# %% [markdown]
# # 4.11 ResNet
#
# A deeper network can represent every function of a shallower one if its additional layers compute the identity. But
# layers of weights learn the identity with difficulty. A residual block adds its input to its output,
#
# $$y = \mathrm{relu}(x + f(x))$$
#
# so that $f = 0$ gives the identity, and gradients can bypass every $f$. Where the shape changes, a 1x1 convolution
# projects $x$ to the new shape. Each block has two 3x3 convolutions with batch normalization. The moving statistics are
# state: each step takes them together with the parameters and returns the updated ones.

# %%
import jax

from jaxcnn import data, models, recipes, training

recipe = recipes.RECIPES["resnet"]
for layer, shape in models.output_shapes(recipe.model, (224, 224, 1)).items():
    print(f"{layer:14} {'x'.join(map(str, shape))}")
print(f"parameters: {recipe.num_parameters:,}\n")

# %% [markdown]
# ## A short training
#
# With residual connections and batch normalization, the loss falls from the first step. `jaxcnn train resnet` trains as
# in the book: at 28x28, because the book's code does not resize the images, and with initial batch norm scales from
# U(0, 1), as in PyTorch before version 1.2.

# %%
few = data.load_fashion_mnist().limit(32)
state = training.create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), (28, 28, 1))
losses = []
for epoch in training.fit(state, few, num_epochs=3, batch_size=16):
    losses.append(epoch.train_loss)
    print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, train accuracy {epoch.train_accuracy:.3f}")
