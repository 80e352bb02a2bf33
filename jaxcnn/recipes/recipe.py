"""What an experiment is: network, data size, hyperparameters and the book's figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jaxtyping import Array, ArrayLike, PyTree

from jaxcnn.data import Augmentation
from jaxcnn.recipes.description import describe

_ABOUT = ("title", "section", "reference_shapes", "reference", "reference_norm", "note", "caveat", "is_reference")


@dataclass(frozen=True)
class ReferenceEpoch:
    """What the book prints of one epoch.

    Attributes:
        loss: mean over the epoch's steps of their mean cross-entropy, in nats.
        train_accuracy: share of the training examples right during the epoch.
        test_accuracy: share of the test examples right after the epoch.
        seconds: how long it took, on a GPU that the book does not name.
        on_plateau: whether the loss is on a plateau during a part of the epoch. Such epochs are not compared, because
            the length of the plateau depends on the seed.
    """

    loss: float
    train_accuracy: float
    test_accuracy: float
    seconds: float
    on_plateau: bool = False


@dataclass(frozen=True)
class Recipe:
    """How an experiment is run on Fashion-MNIST.

    Attributes:
        name: what the command line calls it.
        title: what the network is called.
        section: of the book; empty where none has it.
        model: the network.
        num_parameters: how many parameters it has on grayscale images with 10 classes.
        image_size: height and width that the images are resized to.
        batch_size: examples a step; the last step of an epoch takes what is left.
        learning_rate: that of Adam; the highest one of a one-cycle schedule.
        num_epochs: epochs trained.
        reference_shapes: of the image and the main activations in their order, height x width x channels. The book
            prints ResNet's at 224 pixels, DenseNet's at 96 and all others at `image_size`.
        reference: the book's figures, an entry an epoch; empty where there are none.
        reference_norm: gamma and beta of the first batch norm after the book's run, where it prints them.
        note: settings of the book's run that its text does not state.
        caveat: why a run may give other figures, where that is known.
        is_reference: whether it is carried out as in the book, so that the figures should be the book's.
        one_cycle: whether the learning rate rises from a 25th over the first 30 % of the steps and then falls to
            almost 0, each as half a cosine.
        weight_decay: share of the kernels, times the learning rate, that each step takes off them (AdamW).
        label_smoothing: as for `training.train_step`.
        init_gain: kernels begin uniform in ±init_gain / sqrt(fan_in) and biases at 0; None for PyTorch's
            default. The square root of 6 is He's initialisation.
        augmentation: what is done to the training images; None for nothing.

    References:
        Smith and Topin, Super-Convergence, 2019 (one cycle); Loshchilov and Hutter, Decoupled Weight Decay
        Regularization, 2019; He and others, Delving Deep into Rectifiers, 2015, equation 10.
    """

    name: str
    title: str
    model: nn.Module
    num_parameters: int
    image_size: int
    learning_rate: float
    section: str = ""
    reference_shapes: str = field(default="", repr=False)
    reference: tuple[ReferenceEpoch, ...] = field(default=(), repr=False)
    reference_norm: tuple[tuple[float, ...], tuple[float, ...]] | None = field(default=None, repr=False)
    note: str = field(default="", repr=False)
    caveat: str = field(default="", repr=False)
    batch_size: int = 256
    num_epochs: int = 5
    is_reference: bool = True
    one_cycle: bool = False
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    init_gain: float | None = None
    augmentation: Augmentation | None = None

    def on_other_data(self) -> "Recipe":
        """The same without the book's figures, which are of Fashion-MNIST."""
        return replace(self, section="", reference=(), reference_norm=None, note="", caveat="", is_reference=False)

    def settings(self) -> dict[str, Any]:
        """All that decides what a run of this recipe computes, as JSON holds it.

        The network is described by its class and fields. The book's figures and the words about them are left out.
        """
        names = [field.name for field in fields(self) if field.name not in (*_ABOUT, "name", "num_parameters")]
        return {"recipe": self.name} | {name: describe(getattr(self, name)) for name in names}

    @property
    def rule(self) -> str:
        """How the network is trained, in words."""
        return self.rule_at([self.learning_rate])

    def rule_at(self, learning_rates: Sequence[float]) -> str:
        """How networks are trained by this recipe at several learning rates, in words."""
        rates = ", ".join(f"{rate:g}" for rate in learning_rates)
        words = [f"Adam {'in one cycle up to' if self.one_cycle else 'at'} {rates}"]
        if self.weight_decay:
            words.append(f"weight decay {self.weight_decay:g}")
        if self.label_smoothing:
            words.append(f"label smoothing {self.label_smoothing:g}")
        if self.augmentation is not None:
            words.append(str(self.augmentation))
        return ", ".join(words)

    def optimizer(self, num_examples: int = 60_000, *, rate_as_data: bool = False) -> optax.GradientTransformation:
        """Adam with the book's constants, decay and schedule as the recipe has them.

        Args:
            num_examples: of an epoch, which set the length of the schedule.
            rate_as_data: whether the learning rate is an entry of the state, as `optax.inject_hyperparams` has it, by
                which recipes that differ in it alone share what is compiled. It takes the same steps.
        """
        steps = self.num_epochs * math.ceil(num_examples / self.batch_size) if self.one_cycle else None
        if rate_as_data:
            return _adam_of_any_rate(self.weight_decay, steps)
        return _adam(self.learning_rate, self.weight_decay, steps)

    def initialize(self, params: PyTree[Array]) -> PyTree[Array]:
        """The parameters to begin with, of those that the network itself begins with."""
        if self.init_gain is None:
            return params
        names = {"kernel": self.init_gain, "bias": 0.0}
        return jax.tree_util.tree_map_with_path(lambda path, leaf: leaf * names.get(path[-1].key, 1.0), params)


@lru_cache
def _adam_of_any_rate(weight_decay: float, one_cycle_steps: int | None) -> optax.GradientTransformation:
    """`_adam` with the learning rate in its state, where it is 0 until it is told."""

    def rule(learning_rate: Array) -> optax.GradientTransformation:
        return _adam.__wrapped__(learning_rate, weight_decay, one_cycle_steps)

    return optax.inject_hyperparams(rule)(learning_rate=0.0)


@lru_cache
def _adam(
    learning_rate: float | Array, weight_decay: float, one_cycle_steps: int | None
) -> optax.GradientTransformation:
    """The same object for the same arguments, because compiled steps are found by it."""
    rate: optax.ScalarOrSchedule = learning_rate
    if one_cycle_steps is not None:
        rate = partial(_share_of_rate, optax.cosine_onecycle_schedule(one_cycle_steps, 1.0), learning_rate)
    if weight_decay:
        return optax.adamw(rate, b1=0.9, b2=0.999, eps=1e-8, weight_decay=weight_decay, mask=_is_kernel)
    return optax.adam(rate, b1=0.9, b2=0.999, eps=1e-8)


def _share_of_rate(schedule: optax.Schedule, rate: ArrayLike, step: ArrayLike) -> Array:
    return jnp.asarray(rate * schedule(step))


def _is_kernel(params: PyTree[Array]) -> PyTree[bool]:
    """Of each leaf whether it decays: kernels do, biases and norm scales, of one axis, do not."""
    return jax.tree.map(lambda leaf: jnp.ndim(leaf) > 1, params)
