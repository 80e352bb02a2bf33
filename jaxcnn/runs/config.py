"""The settings of a run."""

import logging
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data import Dataset, StreamedDataset, names_other_data
from jaxcnn.errors import InputError, list_differences
from jaxcnn.recipes import ALL_RECIPES, RECIPES, Recipe, RecipeSource, get_recipe, load_recipe
from jaxcnn.runs.data_spec import ARRAYS, FASHION_MNIST, DataSpec, normalize_names
from jaxcnn.runs.initialization import InitFrom
from jaxcnn.runs.records import SELECTION

_LOGGER = logging.getLogger(__name__)
_MIN_RATE, _MAX_RATE = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
_MAX_COUNT = int(np.iinfo(np.int32).max)  # counters on the device are int32

DTYPES = ("float32", "bfloat16")
_JAX_SETTINGS = ("default_prng_impl", "enable_x64", "random_seed_offset", "threefry_partitionable")
_HYPERPARAMETERS = {"image_size": int, "batch_size": int, "learning_rate": float, "num_epochs": int}


@dataclass(frozen=True)
class RunConfig:
    """All settings that decide the results of a run.

    Attributes:
        recipe: the experiment, with the hyperparameters of this run.
        seed: of initialization, dropout, augmentation and the order of the data.
        device: platform to compute on; None for JAX's default.
        dtype: type of the computation; parameters, statistics and loss are float32.
        limit: number of images of each split that are used, the first; None for all.
        deterministic: whether a GPU uses only operations with a fixed order of summation, which are slower; it needs
            `platform.enable_deterministic_ops()`. On a CPU it changes nothing.
        data: what it trains and tests on.
        val_fraction: share of the training images of each class that are held out for validation; None for none, or
            for the validation split that the data has.
        val_seed: chooses the held-out images. Runs with other seeds have the same validation split, so that they can be
            compared and trained in one program.
        patience: the run ends after this many epochs without a better validation accuracy; None for no such rule.
        until: the run ends when its validation accuracy reaches this; None for no such rule.
        init_from: the weights that the run starts from; None for the network's own initialization.

    Raises:
        InputError: if a setting is out of its range.
    """

    recipe: Recipe
    seed: int = 0
    device: str | None = None
    dtype: str = "float32"
    limit: int | None = None
    deterministic: bool = False
    data: DataSpec = FASHION_MNIST
    val_fraction: float | None = None
    val_seed: int = 0
    patience: int | None = None
    until: float | None = None
    init_from: InitFrom | None = None

    def __post_init__(self) -> None:
        recipe = self.recipe
        if not isinstance(recipe, Recipe):
            raise InputError(f"recipe {recipe!r}: expected a recipes.Recipe, such as recipes.get_recipe('lenet')")
        if recipe.num_epochs < 1:
            raise InputError(f"--epochs {recipe.num_epochs}: expected 1 or more")
        if not 1 <= recipe.batch_size <= _MAX_COUNT:
            raise InputError(f"--batch-size {recipe.batch_size}: expected an integer from 1 to {_MAX_COUNT}")
        if recipe.warmup_epochs > recipe.num_epochs:
            raise InputError(
                f"--warmup-epochs {recipe.warmup_epochs:g}: expected at most {recipe.num_epochs}, the number of epochs"
            )
        if not 1 <= recipe.accumulate <= recipe.batch_size:
            raise InputError(
                f"--accumulate {recipe.accumulate}: expected an integer from 1 to {recipe.batch_size}, the batch size"
            )
        if recipe.ema_decay is not None and not 0 < recipe.ema_decay < 1:
            raise InputError(f"--ema {recipe.ema_decay}: expected more than 0 and less than 1, such as 0.999")
        if not _MIN_RATE <= recipe.learning_rate <= _MAX_RATE:
            raise InputError(f"--learning-rate {recipe.learning_rate}: expected a positive number, as float32 holds it")
        if not (isinstance(self.seed, int) and 0 <= self.seed < 2**32):
            raise InputError(f"--seed {self.seed}: expected an integer from 0 to 4294967295")
        if self.dtype not in DTYPES:
            raise InputError(f"--dtype {self.dtype}: expected one of {', '.join(DTYPES)}")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"--limit {self.limit}: expected 1 or more")
        if self.val_fraction is not None and not 0 < self.val_fraction < 1:
            raise InputError(f"--val-fraction {self.val_fraction}: expected more than 0 and less than 1, such as 0.1")
        if not (isinstance(self.val_seed, int) and 0 <= self.val_seed < 2**32):
            raise InputError(f"--val-seed {self.val_seed}: expected an integer from 0 to 4294967295")
        if self.val_seed and self.val_fraction is None:
            raise InputError(f"--val-seed {self.val_seed}: it needs --val-fraction, such as --val-fraction 0.1")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"--patience {self.patience}: expected 1 or more epochs")
        if self.until is not None and not 0 < self.until <= 1:
            raise InputError(f"--until {self.until}: expected an accuracy, more than 0 and at most 1")

    @property
    def is_comparable(self) -> bool:
        """Whether the run has the settings of one of the book's recipes, so that the book's figures apply to it."""
        reference = RECIPES.get(self.recipe.name)
        same = reference is not None and reference.settings() == self.recipe.settings()
        is_usual = self.limit is None and self.data == FASHION_MNIST and self.init_from is None
        return same and is_usual and not self._selection()

    def _selection(self) -> dict[str, Any]:
        """The settings of validation and early stopping that differ from the defaults."""
        return {name: getattr(self, name) for name in SELECTION if getattr(self, name) != SELECTION[name]}

    def hold_out(self, dataset: Dataset | StreamedDataset) -> Dataset | StreamedDataset:
        """`dataset`, limited as the run is, with the run's validation split.

        Raises:
            InputError: if the data has a validation split and the run holds out another, or no class has two training
                examples.
        """
        if self.val_fraction is None:
            return dataset
        if dataset.val is not None:
            raise InputError(
                f"--val-fraction {self.val_fraction}: the data already has a validation split; leave the option out"
            )
        try:
            return dataset.hold_out(self.val_fraction, self.val_seed)
        except InputError as error:
            raise InputError(f"--val-fraction {self.val_fraction}: {error}") from error

    def check_early_stopping(self, dataset: Dataset | StreamedDataset) -> None:
        """Check that `dataset` has a validation split if a rule of early stopping needs one.

        Raises:
            InputError: if it has none.
        """
        rules = {"--patience": self.patience, "--until": self.until}
        given = next((f"{option} {value}" for option, value in rules.items() if value is not None), None)
        if given is not None and dataset.val is None:
            raise InputError(f"{given}: there is no validation split; hold one out, as with --val-fraction 0.1")

    def as_json(self) -> dict[str, Any]:
        """The settings as config.json holds them, with the settings of JAX that affect results."""
        config = self.recipe.settings() | {
            "seed": self.seed,
            "dtype": self.dtype,
            "matmul_precision": jax.config.values["jax_default_matmul_precision"] or "default",
            "limit": self.limit,
            "deterministic": self.deterministic,
            **self._selection(),
            "jax": {name: jax.config.values[f"jax_{name}"] for name in _JAX_SETTINGS},
        }
        if self.init_from is not None:
            config["init_from"] = {"source": self.init_from.source, "sha256": self.init_from.sha256}
        if self.data != FASHION_MNIST:
            config["data"] = {
                "source": self.data.source,
                "class_names": list(self.data.class_names),
                "image_shape": list(self.data.image_shape),
                "num_examples": None if self.data.num_examples is None else list(self.data.num_examples),
            }
        return config

    def with_data(self, dataset: Dataset | StreamedDataset, source: str | None) -> "RunConfig":
        """This config with a description of `dataset`, which was loaded from `source` or made from arrays (None)."""
        if names_other_data(source):
            form, _, path = str(source).partition(":")
            place = f"{form}:{Path(path).expanduser().absolute()}"
        elif (dataset.class_names, dataset.image_shape) == (FASHION_MNIST.class_names, FASHION_MNIST.image_shape):
            return self
        else:
            place = ARRAYS
        counts = len(dataset.train), len(dataset.test)
        data = DataSpec(place, dataset.class_names, dataset.image_shape, counts)
        return replace(self, recipe=self.recipe.without_reference(), data=data)

    def check_data(self, dataset: Dataset | StreamedDataset) -> None:
        """Check that `dataset` has the classes and the image shape of the run's data.

        Raises:
            InputError: if it has others.
        """
        names = normalize_names(dataset.class_names)
        faults = []
        if names != self.data.class_names:
            differences = list_differences({"the data": names, "the run": self.data.class_names})
            faults.append(f"other classes than the run ({differences or 'the same names in another order'})")
        if dataset.image_shape != self.data.image_shape:
            faults.append(f"images of shape {dataset.image_shape}, the run {self.data.image_shape}")
        if faults:
            raise InputError(f"the data has {'; '.join(faults)}: give the data that the run was trained on (--data)")

    @classmethod
    def from_json(cls, config: dict[str, Any]) -> "RunConfig":
        """The settings in `config`, read from a config.json.

        Raises:
            InputError: if it has no such settings, or one is out of its range.
        """
        try:
            recipe = _recipe_of(config)
            others = {name: config[name] for name in ("seed", "dtype", "limit", "deterministic")}
            others |= {name: config[name] for name in SELECTION if name in config}
            if (init_from := config.get("init_from")) is not None:
                others["init_from"] = InitFrom(str(init_from["source"]), str(init_from["sha256"]))
            others["data"] = replace(FASHION_MNIST, sha256=config.get("data_sha256"))
            if "data" in config:
                recipe = recipe.without_reference()
                data = config["data"]
                height, width, channels = map(int, data["image_shape"])
                counts = data.get("num_examples")
                others["data"] = DataSpec(
                    str(data["source"]),
                    tuple(map(str, data["class_names"])),
                    (height, width, channels),
                    None if counts is None else tuple(map(int, counts)),
                    config.get("data_sha256"),
                )
            return cls(recipe, **others)
        except InputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"these are not the settings of a run ({error})") from error

    def check_augmentation(self, image_shape: tuple[int, int, int]) -> None:
        """Check that the augmentation can change images of this shape.

        Raises:
            InputError: if it cannot.
        """
        augmentation = self.recipe.augmentation
        if augmentation is not None:
            images = jax.ShapeDtypeStruct((self.recipe.batch_size, *image_shape), jnp.uint8)
            try:
                jax.eval_shape(augmentation, jax.random.key(0), images)
            except InputError as error:
                raise InputError(f"--augment: {error}") from error

    def check_steps(self, num_examples: int) -> None:
        """Check that the steps for `num_examples` examples an epoch can be counted.

        Raises:
            InputError: if there are too many.
        """
        steps = math.ceil(num_examples / self.recipe.batch_size)
        if self.recipe.num_epochs * steps > _MAX_COUNT:
            raise InputError(
                f"--epochs {self.recipe.num_epochs} of {steps} steps each: expected at most {_MAX_COUNT} steps in all"
            )

    def warn_if_not_portable(self) -> None:
        """Log a warning if the network cannot be made again from the settings, so the run cannot be opened later."""
        if self.recipe.source is None:
            try:
                _recipe_of({"format": 2, **self.as_json()})
            except ValueError as error:
                _LOGGER.warning(
                    "the run cannot be opened by other commands (%s): put the network and its recipe in a file, and "
                    "load it with recipes.get_recipe('FILE.py:ATTRIBUTE')",
                    error,
                )


def _recipe_of(config: dict[str, Any]) -> Recipe:
    """The recipe with the settings in `config`. A network in a file is loaded from that file."""
    config = {**config, "metrics": {}}  # further metrics are not needed to use a run
    if config["format"] == 1:
        changes = {name: kind(config[name]) for name, kind in _HYPERPARAMETERS.items()}
        return replace(get_recipe(config["recipe"]), **changes)
    if (source := config.get("source")) is None:
        name = config["recipe"]
        return ALL_RECIPES[name].with_settings(config) if name in ALL_RECIPES else Recipe.from_settings(config)
    recipe = load_recipe(RecipeSource(**{name: str(source[name]) for name in ("place", "attribute", "sha256")}))
    return recipe.with_settings({name: value for name, value in config.items() if name != "model"})
