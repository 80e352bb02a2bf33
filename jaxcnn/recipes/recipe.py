"""Recipes: the network, the image size, the hyperparameters and the book's figures of an experiment."""

import math
import operator
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

from jaxcnn.data import DataSource, Mixing, Normalization, Transform, balanced_class_weights
from jaxcnn.errors import InputError
from jaxcnn.recipes.description import describe, rebuild
from jaxcnn.recipes.optimizers import check_schedule, find_optimizer, make_optimizer, make_schedule, steps_of
from jaxcnn.training import FitOptions, Metric
from jaxcnn.training.losses import check_class_weights
from jaxcnn.training.metrics import check_metrics
from jaxcnn.words import count_of

_ABOUT = ("title", "section", "reference_shapes", "reference", "reference_norm", "note", "caveat")
_LATER = ("accumulate", "ema_decay", "mixing", "normalization", "class_weights", "freeze")
"""Settings that older records lack. Records leave them out if they have the default."""

_COUNTS = ("image_size", "batch_size", "num_epochs", "accumulate")
_TITLES = {"adam": "Adam", "adam_epsilon_hat": "Adam (epsilon hat)", "adamw": "AdamW", "muon": "Muon", "sgd": "SGD"}
_SCHEDULES = {"constant": "at", "linear": "falling linearly from", "one_cycle": "in one cycle up to"}


@dataclass(frozen=True)
class ReferenceEpoch:
    """The book's figures of one epoch.

    Attributes:
        loss: cross-entropy, averaged over each batch and then over the steps of the epoch, in nats.
        train_accuracy: fraction of correct training examples during the epoch.
        test_accuracy: fraction of correct test examples after the epoch.
        seconds: duration, on a GPU that the book does not name.
        on_plateau: whether the loss is on a plateau during part of the epoch. These epochs are not compared, because
            the length of the plateau depends on the seed.
    """

    loss: float
    train_accuracy: float
    test_accuracy: float
    seconds: float
    on_plateau: bool = False


@dataclass(frozen=True)
class RecipeSource:
    """The location of your own recipe.

    Attributes:
        place: absolute path of a file, or name of a module.
        attribute: name of the recipe in the file or module.
        sha256: SHA-256 of the file.
    """

    place: str
    attribute: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.place}:{self.attribute}"


@dataclass(frozen=True)
class Recipe:
    """A complete description of an experiment, except for its data and its seed.

    Attributes:
        name: name on the command line.
        model: the network, called as `model.apply(variables, images, train=...)`. A run sets its fields `num_classes`
            and `dtype`, if it has them.
        image_size: height and width that the images are resized to, in pixels.
        learning_rate: the learning rate, or the peak rate of a schedule.
        title: title of the network; empty for the name of its class.
        section: section of the book; empty if there is none.
        reference_shapes: shapes of the image and the main activations in order, height x width x channels. The book
            prints ResNet's at 224 pixels, DenseNet's at 96 and all others at `image_size`.
        reference: the book's figures of each epoch; empty if there are none.
        reference_norm: gamma and beta of the first batch norm after the book's run; None if it does not print them.
        note: settings of the book's run that its text does not state.
        caveat: possible reasons for differences between a run and the book.
        batch_size: examples in a step. The last batch of an epoch holds the rest.
        num_epochs: number of epochs.
        optimizer: name of a constructor in `optax` or `optax.contrib`, such as 'adam', 'sgd' or 'lion'.
        optimizer_options: its keyword arguments except the learning rate, such as {'momentum': 0.9}.
        schedule: name of a learning rate schedule in `recipes.SCHEDULES`: 'constant', 'linear', 'cosine', 'step' or
            'one_cycle'.
        schedule_options: keyword arguments of the schedule.
        warmup_epochs: epochs at the beginning in which the rate rises linearly from 0, such as 0.5.
        weight_decay: weight decay coefficient. If the optimizer has weight decay (AdamW), that is used; otherwise
            weight_decay * kernel is added to the gradients. Biases and norm scales do not decay, except with optimizers
            whose weight decay has no mask.
        clip_norm: maximum global norm of the gradients; None disables clipping.
        label_smoothing: as for `training.train_step`.
        init_gain: initial kernels are uniform in ±init_gain / sqrt(fan_in), and biases are 0. The square root of 6
            gives He's initialization; None keeps the network's own.
        augmentation: augmentation of the training images, such as `data.Augmentation`; None for no augmentation.
        mixing: mixing of the images and labels of a step, such as `data.Mixup`; None for no mixing.
        normalization: normalization of the network's input, in training and evaluation, such as `data.Normalization`;
            'train' for the mean and standard deviation of the run's training split; None for none.
        class_weights: weight of the loss of each class; 'balanced' for `data.balanced_class_weights` of the run's
            training split; None for none.
        metrics: additional metrics, functions by name, as for `training.FitOptions`.
        accumulate: number of micro-batches of a step, as for `training.train_step`.
        ema_decay: decay of the moving average of parameters and statistics that is evaluated and exported, as for
            `training.TrainState.with_ema`; None for none.
        freeze: patterns of layers and parameters that training does not change, as for `training.freeze`.
        source: the file or module that the recipe was loaded from; None for a registered recipe.

    Raises:
        InputError: if a setting is out of its range, or the optimizer or schedule does not exist. `runs.RunConfig`
            checks the learning rate, the decay of the average, and the numbers of epochs, examples and micro-batches.

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
    augmentation: Transform | None = None
    mixing: Mixing | None = None
    normalization: Normalization | str | None = None
    class_weights: Sequence[float] | str | None = None
    metrics: Mapping[str, Metric] = FrozenDict()
    accumulate: int = 1
    ema_decay: float | None = None
    freeze: tuple[str, ...] = ()
    source: RecipeSource | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", check_metrics(self.metrics))
        for name in _COUNTS:
            try:
                object.__setattr__(self, name, operator.index(getattr(self, name)))
            except TypeError as error:
                raise InputError(f"{name} {getattr(self, name)!r}: expected an integer") from error
        for name in ("optimizer_options", "schedule_options"):
            options = {key: _as_tuple(value) for key, value in getattr(self, name).items()}
            object.__setattr__(self, name, FrozenDict(options))
        if isinstance(self.freeze, str):
            raise InputError(f"freeze {self.freeze!r}: expected a tuple of patterns, such as ('conv*',)")
        object.__setattr__(self, "freeze", tuple(sorted(set(self.freeze))))
        if self.class_weights is not None and not isinstance(self.class_weights, str):
            object.__setattr__(self, "class_weights", tuple(map(float, self.class_weights)))
        if not isinstance(self.model, nn.Module):
            raise InputError(f"model {self.model!r}: expected a Linen module")
        if not self.title:
            object.__setattr__(self, "title", type(self.model).__name__)
        find_optimizer(self.optimizer)
        check_schedule(self.schedule)
        if self.image_size < 1:
            raise InputError(f"image_size {self.image_size}: expected 1 or more pixels")
        if not self.weight_decay >= 0:
            raise InputError(f"weight_decay {self.weight_decay}: expected 0 or more")
        if isinstance(self.normalization, str) and self.normalization != "train":
            raise InputError(f"normalization {self.normalization!r}: expected 'train', data.Normalization or None")
        if isinstance(self.class_weights, str) and self.class_weights != "balanced":
            raise InputError(f"class_weights {self.class_weights!r}: expected 'balanced', numbers or None")
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"label_smoothing {self.label_smoothing}: expected 0 or more, and less than 1")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise InputError(f"clip_norm {self.clip_norm}: expected a number above 0, or None")
        if not 0 <= self.warmup_epochs < math.inf:
            raise InputError(f"warmup_epochs {self.warmup_epochs}: expected 0 or more, and finite")

    @property
    def num_parameters(self) -> int:
        """The number of parameters of the network for grayscale images."""
        return _count_parameters(self.model, self.image_size)

    @property
    def command_name(self) -> str:
        """The argument that selects this recipe on the command line: its name, or FILE.py:ATTRIBUTE."""
        return self.name if self.source is None else str(self.source)

    def without_reference(self) -> "Recipe":
        """This recipe without the book's figures, for data other than Fashion-MNIST."""
        return replace(self, section="", reference=(), reference_norm=None, note="", caveat="")

    def with_epochs(self, num_epochs: int) -> "Recipe":
        """This recipe with `num_epochs` epochs. If they are fewer, the warm-up keeps its share of them.

        Examples:
            >>> from jaxcnn.recipes import get_recipe
            >>> [get_recipe("speedrun").with_epochs(number).warmup_epochs for number in (4, 16, 32)]
            [0.5, 2.0, 2.0]
        """
        share = min(num_epochs / self.num_epochs, 1)
        return replace(self, num_epochs=num_epochs, warmup_epochs=share * self.warmup_epochs)

    def settings(self) -> dict[str, Any]:
        """All settings that determine the results of a run, as JSON. `with_settings` reads them.

        The network is described by its class and fields. The book's figures, notes and titles are not included.
        """
        settings = {"recipe": self.name} | {name: describe(getattr(self, name)) for name in setting_names()}
        for name in _LATER:
            if getattr(self, name) == getattr(Recipe, name):
                del settings[name]
        if self.source is not None:
            settings["source"] = {field.name: getattr(self.source, field.name) for field in fields(self.source)}
        return settings

    def with_settings(self, settings: Mapping[str, Any]) -> "Recipe":
        """This recipe with `settings` in place of its settings.

        Raises:
            ValueError: if a setting is invalid.
        """
        defaults = {name: getattr(Recipe, name) for name in _LATER}
        own, settings = defaults | self.settings(), defaults | {**settings}
        changed = {name for name in own if name in settings and settings[name] != own[name]} - {"recipe", "source"}
        for name in changed:
            if isinstance(own[name], int | float) and not isinstance(settings[name], int | float):
                raise ValueError(f"{name} is {settings[name]!r}: expected a number")
        return replace(self, **{name: rebuild(settings[name]) for name in changed})

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "Recipe":
        """Rebuild a recipe from the `settings` of another.

        Raises:
            KeyError: if a setting is missing.
            ValueError: if a setting is invalid.
        """
        given = {name: getattr(Recipe, name) for name in _LATER} | {**settings}
        return cls(settings["recipe"], **{name: rebuild(given[name]) for name in setting_names()})

    def describe_training(self, learning_rates: Sequence[float] | None = None) -> str:
        """Describe the training in one line.

        Args:
            learning_rates: the learning rates of several runs; None for the recipe's own.
        """
        rates = ", ".join(f"{rate:g}" for rate in learning_rates or [self.learning_rate])
        how = _SCHEDULES.get(self.schedule, f"with the schedule {self.schedule} from")
        words = [f"{_TITLES.get(self.optimizer, self.optimizer)} {how} {rates}"]
        usual = {"b1": 0.9, "b2": 0.999, "eps": 1e-8}
        words += [f"{name} {value}" for name, value in self.optimizer_options.items() if usual.get(name) != value]
        if self.warmup_epochs:
            words.append(f"warm-up {count_of(self.warmup_epochs, 'epoch')}")
        if self.weight_decay and "weight_decay" not in self.optimizer_options:
            words.append(f"weight decay {self.weight_decay:g}")
        if self.clip_norm is not None:
            words.append(f"gradients clipped to {self.clip_norm:g}")
        if self.label_smoothing:
            words.append(f"label smoothing {self.label_smoothing:g}")
        if self.accumulate > 1:
            words.append(f"{self.accumulate} micro-batches a step")
        if self.ema_decay is not None:
            words.append(f"EMA {self.ema_decay:g}")
        words += [str(each) for each in (self.augmentation, self.mixing) if each is not None]
        if self.normalization is not None:
            words.append("normalized images" if self.normalization == "train" else f"images {self.normalization}")
        if self.class_weights is not None:
            words.append("balanced classes" if self.class_weights == "balanced" else "class weights")
        if self.freeze:
            words.append(f"frozen {', '.join(self.freeze)}")
        return ", ".join(words)

    def make_optimizer(
        self, num_examples: int = 60_000, *, inject_learning_rate: bool = False
    ) -> optax.GradientTransformation:
        """Make the optimizer, with its schedule, weight decay and clipping.

        Args:
            num_examples: number of training examples. It determines the length of the schedule.
            inject_learning_rate: whether to store the learning rate in the state, as `optax.inject_hyperparams` does.
                Recipes that differ only in the learning rate then share one compiled program. The updates are the same.
        """
        return make_optimizer(
            self.optimizer,
            FrozenDict(self.optimizer_options),
            None if inject_learning_rate else self.learning_rate,
            self._make_schedule(num_examples),
            self.weight_decay,
            self.clip_norm,
            self.freeze,
        )

    def learning_rate_at(self, step: int, num_examples: int = 60_000) -> float:
        """The learning rate of step `step`, where 0 is the first.

        Examples:
            >>> from jaxcnn.models import LeNet
            >>> recipe = Recipe("mine", LeNet(), 28, 0.1, schedule="linear", num_epochs=1, batch_size=60)
            >>> [round(recipe.learning_rate_at(step), 4) for step in (0, 500)]
            [0.1, 0.05]
        """
        schedule = self._make_schedule(num_examples)
        if schedule is None:
            return self.learning_rate
        with jax.numpy_dtype_promotion("standard"):  # optax's schedules mix types, which JAX's strict mode refuses
            return self.learning_rate * float(jnp.asarray(schedule(step)))

    def resolve(self, train: DataSource, num_classes: int, channels: int) -> "Recipe":
        """This recipe with 'train' and 'balanced' replaced by numbers from the training examples `train`.

        Raises:
            InputError: if the numbers are for another number of classes or channels.
        """
        normalization, class_weights = self.normalization, self.class_weights
        if normalization == "train":
            normalization = Normalization.of_images(train)
        elif isinstance(normalization, Normalization) and len(normalization.mean) != channels:
            raise InputError(
                f"normalization of {len(normalization.mean)} channels, but the images have {channels}: expected one "
                "number for each channel"
            )
        if class_weights == "balanced":
            class_weights = balanced_class_weights(train.read_labels(), num_classes)
        elif isinstance(class_weights, tuple):
            try:
                check_class_weights(class_weights, num_classes)
            except ValueError as error:
                raise InputError(f"--class-weights: {error}") from error
        return replace(self, normalization=normalization, class_weights=class_weights)

    def fit_options(self, **changes: Any) -> FitOptions:
        """The options for `training.fit`, with `changes` in place of the recipe's own.

        Examples:
            >>> from jaxcnn.models import LeNet
            >>> Recipe("mine", LeNet(), 28, 0.1).fit_options(num_epochs=1).batch_size
            256
        """
        if isinstance(self.class_weights, str):
            raise InputError("class_weights 'balanced': call resolve first, which counts the training images")
        own = {
            "num_epochs": self.num_epochs,
            "batch_size": self.batch_size,
            "image_size": self.image_size,
            "augment": self.augmentation,
            "mixing": self.mixing,
            "label_smoothing": self.label_smoothing,
            "class_weights": self.class_weights,
            "metrics": self.metrics,
            "accumulate": self.accumulate,
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
        """Scale the network's initial parameters by `init_gain`."""
        if self.init_gain is None:
            return params
        names = {"kernel": self.init_gain, "bias": 0.0}
        return jax.tree_util.tree_map_with_path(lambda path, leaf: leaf * names.get(path[-1].key, 1.0), params)


def setting_names() -> list[str]:
    """The fields of a recipe that determine the results of a run."""
    return [field.name for field in fields(Recipe) if field.name not in (*_ABOUT, "name", "source")]


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


@lru_cache
def _count_parameters(model: nn.Module, image_size: int) -> int:
    images = jnp.zeros((1, image_size, image_size, 1), jnp.float32)
    params = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)["params"]
    return sum(leaf.size for leaf in jax.tree.leaves(params))
