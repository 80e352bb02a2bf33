"""What an experiment is: network, data size, hyperparameters and the book's figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax.core import FrozenDict
from jaxtyping import Array, PyTree

from jaxcnn.data import Augmentation
from jaxcnn.errors import InputError
from jaxcnn.recipes.description import describe, rebuild
from jaxcnn.recipes.optimizers import check_schedule, find_optimizer, make_optimizer, make_schedule, steps_of
from jaxcnn.training import FitOptions, Metric

_ABOUT = ("title", "section", "reference_shapes", "reference", "reference_norm", "note", "caveat")
_TITLES = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}
_SCHEDULES = {"constant": "at", "one_cycle": "in one cycle up to"}


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
class RecipeSource:
    """Where a recipe of your own is.

    Attributes:
        place: the absolute path of a file, or the name of a module.
        attribute: the name of the recipe in it.
        sha256: of the file.
    """

    place: str
    attribute: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.place}:{self.attribute}"


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: all that decides it but for the data and the seed.

    Attributes:
        name: what the command line calls it.
        model: the network, called as `model.apply(variables, images, train=...)`. Where it has the fields `num_classes`
            and `dtype`, a run sets them.
        image_size: height and width that the images are resized to.
        learning_rate: the rate, or the highest one of a schedule.
        title: what the network is called; the name of its class unless given.
        section: of the book; empty where none has it.
        reference_shapes: of the image and the main activations in their order, height x width x channels. The book
            prints ResNet's at 224 pixels, DenseNet's at 96 and all others at `image_size`.
        reference: the book's figures, an entry an epoch; empty where there are none.
        reference_norm: gamma and beta of the first batch norm after the book's run, where it prints them.
        note: settings of the book's run that its text does not state.
        caveat: why a run may give other figures, where that is known.
        batch_size: examples a step; the last step of an epoch takes what is left.
        num_epochs: epochs trained.
        optimizer: the name of an optax constructor, of `optax` or `optax.contrib`, such as 'adam', 'sgd' or 'lion'.
        optimizer_options: its keyword arguments but for the learning rate, such as {'momentum': 0.9}.
        schedule: how the learning rate changes: 'constant', 'linear', 'cosine', 'step' or 'one_cycle', as
            `recipes.SCHEDULES` says.
        schedule_options: keyword arguments of the schedule.
        warmup_epochs: epochs at the beginning over which the rate rises linearly from 0; a part of one is possible.
        weight_decay: share of the kernels, times the learning rate, that each step takes off them. It is the
            optimizer's own where it has one (AdamW), and is added to the gradients elsewhere.
        clip_norm: the largest norm of all gradients together; None for no bound.
        label_smoothing: as for `training.train_step`.
        init_gain: kernels begin uniform in ±init_gain / sqrt(fan_in) and biases at 0; None for the network's own
            initialisation. The square root of 6 is He's.
        augmentation: what is done to the training images; None for nothing.
        metrics: further metrics, functions by name, as for `training.FitOptions`.
        source: the file or module that it was loaded from; None for a registered recipe.

    Raises:
        InputError: if a setting is out of its range, or there is no optimizer or schedule of that name.

    Examples:
        >>> from jaxcnn.models import LeNet
        >>> recipe = Recipe("mine", LeNet(), 28, 0.1, optimizer="sgd", optimizer_options={"momentum": 0.9})
        >>> recipe.title, recipe.num_parameters, recipe.describe_training()
        ('LeNet', 44426, 'SGD at 0.1, momentum 0.9')

    References:
        Smith and Topin, Super-Convergence, 2019 (one cycle); Loshchilov and Hutter, Decoupled Weight Decay
        Regularization, 2019; He and others, Delving Deep into Rectifiers, 2015, equation 10.
    """

    name: str
    model: nn.Module
    image_size: int
    learning_rate: float
    title: str = ""
    section: str = ""
    reference_shapes: str = field(default="", repr=False)
    reference: tuple[ReferenceEpoch, ...] = field(default=(), repr=False)
    reference_norm: tuple[tuple[float, ...], tuple[float, ...]] | None = field(default=None, repr=False)
    note: str = field(default="", repr=False)
    caveat: str = field(default="", repr=False)
    batch_size: int = 256
    num_epochs: int = 5
    optimizer: str = "adam"
    optimizer_options: Mapping[str, Any] = FrozenDict()
    schedule: str = "constant"
    schedule_options: Mapping[str, Any] = FrozenDict()
    warmup_epochs: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float | None = None
    label_smoothing: float = 0.0
    init_gain: float | None = None
    augmentation: Augmentation | None = None
    metrics: Mapping[str, Metric] = FrozenDict()
    source: RecipeSource | None = None

    def __post_init__(self) -> None:
        for name in ("optimizer_options", "schedule_options", "metrics"):
            object.__setattr__(self, name, FrozenDict(getattr(self, name)))
        if not isinstance(self.model, nn.Module):
            raise InputError(f"a model that is {self.model!r}: expected a network, a Linen module")
        if not self.title:
            object.__setattr__(self, "title", type(self.model).__name__)
        find_optimizer(self.optimizer)
        check_schedule(self.schedule)
        if self.image_size < 1:
            raise InputError(f"an image size of {self.image_size}: expected 1 or more pixels")
        if not self.weight_decay >= 0:
            raise InputError(f"a weight decay of {self.weight_decay}: expected 0 or more")
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"a label smoothing of {self.label_smoothing}: expected 0 or more, and less than 1")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise InputError(f"gradients clipped to a norm of {self.clip_norm}: expected a number above 0")
        if not self.warmup_epochs >= 0:
            raise InputError(f"a warm-up of {self.warmup_epochs} epochs: expected 0 or more")

    @property
    def num_parameters(self) -> int:
        """How many parameters the network has on grayscale images."""
        return _count_parameters(self.model, self.image_size)

    @property
    def command_name(self) -> str:
        """What the command line finds it by: its name, or FILE.py:ATTRIBUTE."""
        return self.name if self.source is None else str(self.source)

    def without_reference(self) -> "Recipe":
        """The same without the book's figures, which are of Fashion-MNIST."""
        return replace(self, section="", reference=(), reference_norm=None, note="", caveat="")

    def settings(self) -> dict[str, Any]:
        """All that decides what a run of this recipe computes, as JSON holds it; `with_settings` reads it.

        The network is described by its class and fields. The book's figures and the words about them are left out.
        """
        settings = {"recipe": self.name} | {name: describe(getattr(self, name)) for name in _setting_names()}
        if self.source is not None:
            settings["source"] = {field.name: getattr(self.source, field.name) for field in fields(self.source)}
        return settings

    def with_settings(self, settings: Mapping[str, Any]) -> "Recipe":
        """The same with `settings`, those that it has in the place of its own.

        Raises:
            ValueError: if one of them cannot be used.
        """
        own = self.settings()
        changed = {name for name in own if name in settings and settings[name] != own[name]} - {"recipe", "source"}
        for name in changed:
            if isinstance(own[name], int | float) and not isinstance(settings[name], int | float):
                raise ValueError(f"{name} is {settings[name]!r}: expected a number")
        return replace(self, **{name: rebuild(settings[name]) for name in changed})

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "Recipe":
        """The recipe that has `settings`, as `settings` gave them.

        Raises:
            KeyError: if one of them is missing.
            ValueError: if one of them cannot be used.
        """
        return cls(settings["recipe"], **{name: rebuild(settings[name]) for name in _setting_names()})

    def describe_training(self, learning_rates: Sequence[float] | None = None) -> str:
        """How the network is trained, in words.

        Args:
            learning_rates: those of several runs; the recipe's own unless given.
        """
        rates = ", ".join(f"{rate:g}" for rate in learning_rates or [self.learning_rate])
        how = _SCHEDULES.get(self.schedule, f"with the schedule {self.schedule} from")
        words = [f"{_TITLES.get(self.optimizer, self.optimizer)} {how} {rates}"]
        usual = {"b1": 0.9, "b2": 0.999, "eps": 1e-8}
        words += [f"{name} {value}" for name, value in self.optimizer_options.items() if usual.get(name) != value]
        if self.warmup_epochs:
            words.append(f"warm-up {self.warmup_epochs:g} epochs")
        if self.weight_decay:
            words.append(f"weight decay {self.weight_decay:g}")
        if self.clip_norm is not None:
            words.append(f"gradients clipped to {self.clip_norm:g}")
        if self.label_smoothing:
            words.append(f"label smoothing {self.label_smoothing:g}")
        if self.augmentation is not None:
            words.append(str(self.augmentation))
        return ", ".join(words)

    def make_optimizer(
        self, num_examples: int = 60_000, *, inject_learning_rate: bool = False
    ) -> optax.GradientTransformation:
        """The optimizer, with schedule, decay and clipping.

        Args:
            num_examples: of an epoch, which set the length of the schedule.
            inject_learning_rate: whether the learning rate is an entry of the state, as `optax.inject_hyperparams` has
                it, by which recipes that differ in it alone share what is compiled. It takes the same steps.
        """
        return make_optimizer(
            self.optimizer,
            FrozenDict(self.optimizer_options),
            None if inject_learning_rate else self.learning_rate,
            self._make_schedule(num_examples),
            self.weight_decay,
            self.clip_norm,
        )

    def learning_rate_at(self, step: int, num_examples: int = 60_000) -> float:
        """The learning rate of step `step`, counted from 0.

        Examples:
            >>> from jaxcnn.models import LeNet
            >>> recipe = Recipe("mine", LeNet(), 28, 0.1, schedule="linear", num_epochs=1, batch_size=60)
            >>> [round(recipe.learning_rate_at(step), 4) for step in (0, 500)]
            [0.1, 0.05]
        """
        schedule = self._make_schedule(num_examples)
        return self.learning_rate if schedule is None else self.learning_rate * float(jnp.asarray(schedule(step)))

    def fit_options(self, **changes: Any) -> FitOptions:
        """The options for `training.fit`, with `changes` in the place of the recipe's own.

        Examples:
            >>> from jaxcnn.models import LeNet
            >>> Recipe("mine", LeNet(), 28, 0.1).fit_options(num_epochs=1).batch_size
            256
        """
        own = {
            "num_epochs": self.num_epochs,
            "batch_size": self.batch_size,
            "image_size": self.image_size,
            "augment": self.augmentation,
            "label_smoothing": self.label_smoothing,
            "metrics": self.metrics,
        }
        return FitOptions(**{**own, **changes})

    def _make_schedule(self, num_examples: int) -> optax.Schedule | None:
        return make_schedule(
            self.schedule,
            FrozenDict(self.schedule_options),
            steps_of(self.num_epochs, num_examples, self.batch_size),
            steps_of(self.warmup_epochs, num_examples, self.batch_size),
        )

    def initialize(self, params: PyTree[Array]) -> PyTree[Array]:
        """The parameters to begin with, of those that the network itself begins with."""
        if self.init_gain is None:
            return params
        names = {"kernel": self.init_gain, "bias": 0.0}
        return jax.tree_util.tree_map_with_path(lambda path, leaf: leaf * names.get(path[-1].key, 1.0), params)


def _setting_names() -> list[str]:
    """The fields of a recipe that decide what a run computes."""
    return [field.name for field in fields(Recipe) if field.name not in (*_ABOUT, "name", "source")]


@lru_cache
def _count_parameters(model: nn.Module, image_size: int) -> int:
    images = jnp.zeros((1, image_size, image_size, 1))
    params = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)["params"]
    return sum(leaf.size for leaf in jax.tree.leaves(params))
