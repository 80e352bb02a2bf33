"""The documented experiments: network, data size, hyperparameters and the figures they gave."""

from dataclasses import dataclass, field
from functools import lru_cache

import optax
from flax import linen as nn

from jaxcnn import models
from jaxcnn.errors import InputError


@dataclass(frozen=True)
class DocumentedEpoch:
    """What the documentation says of one epoch.

    Attributes:
        loss: mean over the epoch's steps of their mean cross-entropy, in nats.
        train_accuracy: share of the training examples right during the epoch.
        test_accuracy: share of the test examples right after the epoch.
        seconds: how long it took, on a GPU that is not documented.
    """

    loss: float
    train_accuracy: float
    test_accuracy: float
    seconds: float


@dataclass(frozen=True)
class Recipe:
    """How a documented experiment is run on Fashion-MNIST.

    Attributes:
        name: what the command line calls it.
        title: what the network is called.
        section: the section that documents it.
        model: the network.
        image_size: height and width that the images are resized to.
        batch_size: examples a step; the last step of an epoch takes what is left.
        learning_rate: that of Adam.
        num_epochs: epochs trained.
        documented: the documented figures, an entry an epoch.
    """

    name: str
    title: str
    section: str
    model: nn.Module
    image_size: int
    learning_rate: float
    documented: tuple[DocumentedEpoch, ...] = field(repr=False)
    batch_size: int = 256
    num_epochs: int = 5

    def optimizer(self) -> optax.GradientTransformation:
        """Adam with the documented constants."""
        return _adam(self.learning_rate)


@lru_cache
def _adam(learning_rate: float) -> optax.GradientTransformation:
    """The same object for the same rate, because compiled steps are found by it."""
    return optax.adam(learning_rate, b1=0.9, b2=0.999, eps=1e-8)


LENET = Recipe(
    name="lenet",
    title="LeNet",
    section="4.5",
    model=models.LeNet(),
    image_size=28,
    learning_rate=0.001,
    documented=(
        DocumentedEpoch(1.8646, 0.318, 0.587, 4.7),
        DocumentedEpoch(0.9301, 0.646, 0.685, 4.3),
        DocumentedEpoch(0.7464, 0.720, 0.727, 4.2),
        DocumentedEpoch(0.6674, 0.741, 0.744, 4.2),
        DocumentedEpoch(0.6137, 0.757, 0.760, 4.3),
    ),
)
"""LeNet on 28x28 images: `jaxcnn train lenet`; about .76 test accuracy after 5 epochs, a minute on two CPU cores."""

RECIPES = {recipe.name: recipe for recipe in (LENET,)}
"""Every recipe by its name."""


def get_recipe(name: str) -> Recipe:
    """The recipe called `name`.

    Raises:
        InputError: if there is none of that name; it says which names there are.
    """
    if name not in RECIPES:
        raise InputError(f"no recipe is called {name!r}: choose one of {', '.join(RECIPES)}")
    return RECIPES[name]
