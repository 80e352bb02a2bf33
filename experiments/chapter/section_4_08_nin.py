"""4.8 NiN: no dense layer at all."""

# %% [markdown]
# # 4.8 NiN
#
# The dense layers of AlexNet and VGG hold most of their parameters and throw away where things are. NiN has none.
# Behind each convolution come two of 1x1, a small dense network applied at every pixel. The last block has a channel
# for each class, and the mean over its pixels is the logit. Two million parameters do what took AlexNet 46.8.
#
# As in the book, the last block ends in a relu like the others, so a logit is never negative. Where a class's channel
# is zero on every pixel, its gradient is zero too.

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
# At 67x67, the smallest. So few steps barely move it; `jaxcnn train nin` trains as the book does, at 224x224 and with
# twice the others' learning rate.

# %%
few = data.load_fashion_mnist().limit(32)
state = training.create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), (67, 67, 1))
losses = []
for epoch in training.fit(state, few, num_epochs=3, batch_size=16, image_size=67):
    losses.append(epoch.train_loss)
    print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}, train accuracy {epoch.train_accuracy:.3f}")
