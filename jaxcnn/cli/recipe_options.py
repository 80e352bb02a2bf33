"""The options of `jaxcnn train` that change a recipe."""

import json
import math
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import optax
import tyro

from jaxcnn.cli.options import option
from jaxcnn.data import parse_augmentation
from jaxcnn.errors import InputError, first_line
from jaxcnn.recipes import Recipe

_RECIPE = "the recipe's"
_FIELDS = {"epochs": "num_epochs", "ema": "ema_decay"}
"""The fields of a recipe with another name than their option."""

_PARSED = ("learning_rate", "augment", "normalize")
"""Options that are not the value of a field."""


@dataclass(frozen=True)
class RecipeOptions:
    """Changes of the recipe.

    Attributes:
        epochs: number of epochs. If they are fewer than the recipe's, its warm-up is shorter too.
        batch_size: examples of a step.
        learning_rate: learning rate, the highest one of a schedule. Several, such as 1e-4,1e-3, are compared.
        optimizer: a constructor of optax or optax.contrib, such as sgd, adamw, lion or muon, or adam_epsilon_hat or
            filter_muon, and its arguments, as in sgd:momentum=0.9,nesterov=true. They replace those of the recipe.
        schedule: schedule of the learning rate: constant, linear, cosine, step or one_cycle.
        warmup_epochs: epochs at the beginning in which the learning rate rises linearly from 0, such as 0.5.
        weight_decay: weight decay of the kernels.
        clip_norm: maximum norm of all gradients together.
        label_smoothing: share of the target that is spread over all classes, such as 0.1.
        accumulate: divide each batch into this many micro-batches and average their gradients, which needs less memory.
            Each micro-batch has its own dropout masks and batch norm.
        ema: evaluate, predict and export with an exponential moving average of the parameters and batch statistics, of
            this decay, such as 0.999.
        augment: random augmentation of the training images: some of flip, shift:PIXELS, rotate:DEGREES, brightness:B,
            erase:PROBABILITY, cutout:PIXELS, mixup:ALPHA and cutmix:ALPHA, as in flip,shift:2,erase:0.5; or none.
        normalize: normalize each channel by the mean and the standard deviation of the training images.
        class_weights: weight of the loss of each class: balanced, numbers separated by commas, or none.
        freeze: layers and parameters that are not trained, such as 'conv*,dense1/bias'; or none. A frozen batch norm
            uses its moving statistics.
    """

    epochs: Annotated[int | None, option("INT", _RECIPE)] = None
    batch_size: Annotated[int | None, option("INT", _RECIPE)] = None
    learning_rate: Annotated[str | None, option("FLOAT[,FLOAT...]", _RECIPE, "--lr")] = None
    optimizer: Annotated[str | None, option("NAME[:ARG=VALUE,...]", _RECIPE)] = None
    schedule: Annotated[str | None, option("NAME", _RECIPE)] = None
    warmup_epochs: Annotated[float | None, option("FLOAT", _RECIPE)] = None
    weight_decay: Annotated[float | None, option("FLOAT", _RECIPE)] = None
    clip_norm: Annotated[float | None, option("FLOAT", _RECIPE)] = None
    label_smoothing: Annotated[float | None, option("FLOAT", _RECIPE)] = None
    accumulate: Annotated[int | None, option("INT", _RECIPE)] = None
    ema: Annotated[float | None, option("FLOAT", _RECIPE)] = None
    augment: Annotated[str | None, option("NAME[:N][,...]", _RECIPE)] = None
    normalize: tyro.conf.FlagCreatePairsOff[bool] = False
    class_weights: Annotated[str | None, option("balanced|FLOAT,...", _RECIPE)] = None
    freeze: Annotated[str | None, option("PATTERN[,PATTERN...]", _RECIPE)] = None

    def change(self, recipe: Recipe) -> Recipe:
        """`recipe` with the options that were given, except for the learning rate.

        Raises:
            InputError: if one has an invalid value.
        """
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        changes: dict[str, Any] = {
            _FIELDS.get(name, name): value for name, value in given.items() if value is not None and name not in _PARSED
        }
        if self.epochs is not None and self.warmup_epochs is None:
            changes["warmup_epochs"] = recipe.with_epochs(self.epochs).warmup_epochs
        if self.normalize:
            changes["normalization"] = "train"
        if self.augment is not None:
            changes["augmentation"], changes["mixing"] = parse_augmentation(self.augment)
        if self.class_weights is not None:
            changes["class_weights"] = _parse_class_weights(self.class_weights)
        if self.freeze is not None:
            changes["freeze"] = () if self.freeze == "none" else tuple(self.freeze.split(","))
        if self.optimizer is not None:
            changes["optimizer"], changes["optimizer_options"] = _parse_optimizer(self.optimizer)
            if self.weight_decay is not None and "weight_decay" in changes["optimizer_options"]:
                raise InputError(
                    f"--weight-decay {self.weight_decay}: --optimizer {self.optimizer} has another; give one"
                )
        if self.schedule is not None and self.schedule != recipe.schedule:
            changes["schedule_options"] = {}
        return replace(recipe, **changes)

    def check_optimizer(self, recipe: Recipe) -> None:
        """Take a step with the optimizer of `recipe`, without computing it.

        Raises:
            InputError: if it refuses the arguments of --optimizer.
        """
        shapes = {"convolution": (3, 3, 2, 2), "kernel": (2, 2), "bias": (2,)}
        params = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in shapes.items()}

        def step(params: Any) -> Any:
            optimizer = optax.with_extra_args_support(recipe.make_optimizer())
            loss = jnp.float32(0)
            extra = {"value": loss, "grad": params, "value_fn": lambda _: loss}
            return optimizer.update(params, optimizer.init(params), params, **extra)

        try:
            jax.eval_shape(step, params)
        except (TypeError, ValueError, IndexError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"--optimizer {self.optimizer}: it refuses these arguments ({first_line(error)})"
            ) from error

    def learning_rates(self, recipe: Recipe) -> tuple[float, ...]:
        """The learning rates to train with.

        Raises:
            InputError: if one is not a number.
        """
        if self.learning_rate is None:
            return (recipe.learning_rate,)
        try:
            return tuple(map(float, self.learning_rate.split(",")))
        except ValueError as error:
            raise InputError(
                f"--learning-rate {self.learning_rate}: expected a number, or several separated by commas, such as "
                "1e-4,1e-3"
            ) from error


def _parse_optimizer(text: str) -> tuple[str, dict[str, Any]]:
    """The name of an optimizer, and its arguments: finite numbers, booleans or None."""
    name, _, rest = text.partition(":")
    arguments = {}
    for part in filter(None, rest.split(",")):
        argument, _, value = part.partition("=")
        try:
            arguments[argument] = json.loads(value)
            if not (arguments[argument] is None or math.isfinite(arguments[argument])):
                raise ValueError("the number is not finite")
        except (TypeError, ValueError) as error:
            raise InputError(
                f"--optimizer {text}: expected arguments as NAME=VALUE with a number, true, false or null, as in "
                "sgd:momentum=0.9,nesterov=true"
            ) from error
    return name, arguments


def _parse_class_weights(text: str) -> str | tuple[float, ...] | None:
    """The value of `Recipe.class_weights` that --class-weights names.

    Raises:
        InputError: if `text` is not one.
    """
    if text in ("balanced", "none"):
        return None if text == "none" else text
    try:
        return tuple(map(float, text.split(",")))
    except ValueError as error:
        raise InputError(
            f"--class-weights {text}: expected balanced, none, or a number for each class, as in 1,1,2.5"
        ) from error
