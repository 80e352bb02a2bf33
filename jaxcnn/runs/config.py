"""What a run is asked for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from jaxcnn.data import FASHION_MNIST_CLASSES, Dataset, StreamedDataset, names_other_data
from jaxcnn.errors import InputError
from jaxcnn.recipes import ALL_RECIPES, Recipe, get_recipe
from jaxcnn.training import TrainState, create_train_state

_LEAST_RATE, _MOST_RATE = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
_MOST = int(np.iinfo(np.int32).max)  # of what is counted on the device

DTYPES = ("float32", "bfloat16")
_JAX_SETTINGS = ("default_prng_impl", "enable_x64", "threefry_partitionable")
_HYPERPARAMETERS = {"image_size": int, "batch_size": int, "learning_rate": float, "num_epochs": int}


@dataclass(frozen=True)
class DataForm:
    """What data a run is of.

    Attributes:
        source: as `data.load_dataset` takes it; None for Fashion-MNIST.
        class_names: the name of each class.
        image_shape: height, width and channels of its images.
        num_examples: how many there are to train and to test on, up to the run's limit; None where that was not kept.
    """

    source: str | None
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    num_examples: tuple[int, ...] | None


FASHION_MNIST = DataForm(None, FASHION_MNIST_CLASSES, (28, 28, 1), (60_000, 10_000))


@dataclass(frozen=True)
class RunConfig:
    """What decides a run's figures.

    Attributes:
        recipe: the experiment, its hyperparameters as this run has them.
        seed: of initialisation, dropout and the order of the data.
        device: platform to compute on; None for JAX's default.
        dtype: type of the computation; parameters, statistics and loss are float32.
        limit: use the first so many images of each split alone; None for all.
        deterministic: whether operations whose sums come in any order are done without; a GPU has some, which are
            faster. On a CPU nothing changes.
        data: what it trains and tests on.

    Raises:
        InputError: if a hyperparameter is out of its range.
    """

    recipe: Recipe
    seed: int = 0
    device: str | None = None
    dtype: str = "float32"
    limit: int | None = None
    deterministic: bool = False
    data: DataForm = FASHION_MNIST

    def __post_init__(self) -> None:
        recipe = self.recipe
        if recipe.num_epochs < 1:
            raise InputError(f"{recipe.num_epochs} epochs: at least 1 is needed")
        if not 1 <= recipe.batch_size <= _MOST:
            raise InputError(f"batches of {recipe.batch_size}: 1 to {_MOST} examples are needed")
        if not _LEAST_RATE <= recipe.learning_rate <= _MOST_RATE:
            raise InputError(
                f"a learning rate of {recipe.learning_rate}: a positive number that float32 can hold is needed"
            )
        if not 0 <= self.seed < 2**32:
            raise InputError(f"a seed of {self.seed}: a whole number from 0 to 4294967295 is needed")
        if self.dtype not in DTYPES:
            raise InputError(f"no computation in {self.dtype!r}: choose one of {', '.join(DTYPES)}")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"a limit of {self.limit} images: at least 1 is needed")

    def as_json(self) -> dict[str, Any]:
        """The config as config.json holds it, with the JAX settings that affect results."""
        config = self.recipe.settings() | {
            "seed": self.seed,
            "dtype": self.dtype,
            "matmul_precision": jax.config.values["jax_default_matmul_precision"] or "default",
            "limit": self.limit,
            "deterministic": self.deterministic,
            "jax": {name: jax.config.values[f"jax_{name}"] for name in _JAX_SETTINGS},
        }
        if self.data != FASHION_MNIST:
            config["data"] = {
                "source": self.data.source,
                "class_names": list(self.data.class_names),
                "image_shape": list(self.data.image_shape),
                "num_examples": None if self.data.num_examples is None else list(self.data.num_examples),
            }
        return config

    def on(self, dataset: Dataset | StreamedDataset, source: str | None) -> "RunConfig":
        """The same on what `data.load_dataset` has read from `source`."""
        if source is None or not names_other_data(source):
            return self
        form, _, place = source.partition(":")
        place = f"{form}:{Path(place).expanduser().absolute()}"
        counts = len(dataset.train), len(dataset.test)
        data = DataForm(place, dataset.class_names, dataset.image_shape, counts)
        return replace(self, recipe=self.recipe.without_reference(), data=data)

    def check_data(self, dataset: Dataset | StreamedDataset) -> None:
        """See that `dataset` is of the form that the run was trained on.

        Raises:
            InputError: if it is not.
        """
        if (dataset.class_names, dataset.image_shape) != (self.data.class_names, self.data.image_shape):
            raise InputError(
                f"{dataset.num_classes} classes and images of shape {dataset.image_shape}, for a run of "
                f"{len(self.data.class_names)} classes and images of shape {self.data.image_shape}: give its own --data"
            )

    @classmethod
    def from_json(cls, config: dict[str, Any]) -> "RunConfig":
        """The config that `config`, read from a config.json, holds.

        Raises:
            InputError: if it is none, or is out of its range.
        """
        try:
            recipe = _recipe_of(config)
            others = {name: config[name] for name in ("seed", "dtype", "limit", "deterministic")}
            if "data" in config:
                recipe = recipe.without_reference()
                data = config["data"]
                height, width, channels = map(int, data["image_shape"])
                counts = data.get("num_examples")
                others["data"] = DataForm(
                    str(data["source"]),
                    tuple(map(str, data["class_names"])),
                    (height, width, channels),
                    None if counts is None else tuple(map(int, counts)),
                )
        except InputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"not the config of a run ({error})") from error
        return cls(recipe, **others)

    def check_steps(self, num_examples: int) -> None:
        """See that so many examples make no more steps than can be counted.

        Raises:
            InputError: if they do.
        """
        steps = math.ceil(num_examples / self.recipe.batch_size)
        if self.recipe.num_epochs * steps > _MOST:
            raise InputError(f"{self.recipe.num_epochs} epochs of {steps} steps: at most {_MOST} steps can be counted")

    def _model(self, num_classes: int, image_shape: tuple[int, int, int]) -> nn.Module:
        """The recipe's network for so many classes, computing in the run's type."""
        model = self.recipe.model
        wanted = {"dtype": self.dtype, "num_classes": num_classes}
        known = {field.name for field in fields(model)}
        if "dtype" not in known and self.dtype != "float32":
            raise InputError(
                f"{type(model).__name__} has no field dtype: give --dtype float32, or the network that field"
            )
        if "num_classes" not in known:
            init = partial(model.init_with_output, train=False)
            logits, _ = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, *image_shape)))
            if logits.shape != (1, num_classes):
                raise InputError(
                    f"{type(model).__name__} gives {logits.shape[-1]} logits for {num_classes} classes: give it a "
                    "field num_classes, or data with as many classes"
                )
        return model.clone(**{name: value for name, value in wanted.items() if name in known})

    def initial_state(self, num_examples: int, num_classes: int, channels: int) -> TrainState:
        """The state before the first step, for epochs of so many images of so many classes and channels."""
        recipe = self.recipe
        image_shape = (recipe.image_size, recipe.image_size, channels)
        model = self._model(num_classes, image_shape)
        optimizer = recipe.make_optimizer(num_examples)
        state = create_train_state(model, optimizer, jax.random.key(self.seed), image_shape)
        return state.replace(params=recipe.initialize(state.params))

    def inject_learning_rate(self, state: TrainState, num_examples: int) -> TrainState:
        """`state` of this run, with the learning rate in it, so that runs at other rates can be its replicas."""
        rates = {"learning_rate": jnp.float32(self.recipe.learning_rate)}
        return state.replace(
            tx=self.recipe.make_optimizer(num_examples, inject_learning_rate=True),
            opt_state=optax.InjectStatefulHyperparamsState(state.step, rates, {}, state.opt_state),
        )

    def extract_learning_rate(self, state: TrainState, num_examples: int) -> TrainState:
        """The state of which `inject_learning_rate` gives `state`."""
        rated = state.opt_state
        assert isinstance(rated, optax.InjectStatefulHyperparamsState)
        return state.replace(tx=self.recipe.make_optimizer(num_examples), opt_state=rated.inner_state)

    def zeros_state(self, num_examples: int, num_classes: int, channels: int) -> TrainState:
        """A state of the same form, zero throughout, which takes no time to make."""
        fixed = {}

        def parts() -> dict[str, Any]:
            state = self.initial_state(num_examples, num_classes, channels)
            fixed.update(apply_fn=state.apply_fn, tx=state.tx)
            return {name: getattr(state, name) for name in ("step", "params", "batch_stats", "opt_state")}

        forms = jax.eval_shape(parts)
        zeros = jax.tree.map(lambda form: jnp.asarray(np.zeros(form.shape, form.dtype)), forms)
        return TrainState(**zeros, **fixed, key=jax.random.key(self.seed))


def _recipe_of(config: dict[str, Any]) -> Recipe:
    """The recipe whose settings `config` has: made of them, but for a network in a file, which is loaded from it."""
    if config["format"] == 1:
        changes = {name: kind(config[name]) for name, kind in _HYPERPARAMETERS.items()}
        return replace(get_recipe(config["recipe"]), **changes)
    if (source := config.get("source")) is None:
        name = config["recipe"]
        return ALL_RECIPES[name].with_settings(config) if name in ALL_RECIPES else Recipe.from_settings(config)
    recipe = get_recipe(f"{source['place']}:{source['attribute']}")
    if recipe.source is None or recipe.source.sha256 != source["sha256"]:
        raise InputError(
            f"{source['place']} was changed since the run (SHA-256 {source['sha256'][:8]} then): restore it"
        )
    return recipe.with_settings({name: value for name, value in config.items() if name != "model"})


def cross(config: RunConfig, root: Path, *, learning_rates: Sequence[float], num_seeds: int) -> dict[Path, RunConfig]:
    """`config` with each learning rate and `num_seeds` seeds, from its own on, and the directory for each run.

    A single one has `root` itself; several seeds have root/seed-S, and several rates root/rate-R/seed-S.

    Raises:
        InputError: if there is no seed, a rate comes twice, or a config is out of its range.

    Examples:
        >>> configs = cross(RunConfig(get_recipe("lenet"), seed=3), Path("runs"), learning_rates=[1e-3], num_seeds=2)
        >>> [(str(path), config.seed) for path, config in configs.items()]
        [('runs/seed-3', 3), ('runs/seed-4', 4)]
    """
    if num_seeds < 1:
        raise InputError(f"{num_seeds} seeds: at least 1 is needed")
    if len(set(learning_rates)) < len(learning_rates):
        raise InputError(f"learning rates {', '.join(map(repr, learning_rates))}: each is to be given once")
    configs = {}
    for rate in learning_rates:
        for seed in range(config.seed, config.seed + num_seeds):
            path = root
            if len(learning_rates) > 1:
                path /= f"rate-{rate!r}"
            if len(learning_rates) * num_seeds > 1:
                path /= f"seed-{seed}"
            configs[path] = replace(config, recipe=replace(config.recipe, learning_rate=rate), seed=seed)
    return configs
