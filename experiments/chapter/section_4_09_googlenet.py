"""4.9 GoogLeNet: four paths side by side."""

# %% [markdown]
# # 4.9 GoogLeNet
#
# Which kernel size is best? An Inception block does not choose: it has a path with 1x1, one with 3x3, one with 5x5
# and one with max-pooling, all on the same input, and puts their channels side by side. Convolutions of 1x1 before
# the large kernels keep the work small.
#
# The paper has a relu behind those reductions, the book's network has none; `GoogLeNet(activate_reductions=True)`
# is the paper's.

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
# Without batch normalisation, and started as PyTorch starts its layers, the signal fades on its way through the many
# layers: the book's run spends its first epoch, 235 steps, guessing: one in ten is right. A few steps only show
# where that begins. `jaxcnn train googlenet` goes on for five epochs.

# %%
few = data.load_fashion_mnist().limit(32)
state = training.create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), (32, 32, 1))
losses = []
for epoch in training.fit(state, few, num_epochs=3, batch_size=16, image_size=32):
    losses.append(epoch.train_loss)
    print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, train accuracy {epoch.train_accuracy:.3f}")
