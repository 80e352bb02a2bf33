"""A training run: a recipe, with what the user changed, from the first step to the files it leaves."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from jaxcnn.data import Dataset
from jaxcnn.errors import InputError
from jaxcnn.recipes import Recipe
from jaxcnn.runs.directory import RunDirectory, params_sha256
from jaxcnn.runs.environment import Device, describe_device, find_device, software_versions
from jaxcnn.runs.terminal import Display
from jaxcnn.training import (
    Checkpoints,
    EpochFigures,
    EpochResult,
    TrainState,
    create_train_state,
    fit_in_chunks,
)

DTYPES = ("float32", "bfloat16")


@dataclass(frozen=True)
class RunConfig:
    """What decides a run's figures, besides the data.

    Attributes:
        recipe: the experiment, its hyperparameters as this run has them.
        seed: of initialisation, dropout and the order of the data.
        device: platform to compute on; None for JAX's default.
        dtype: type of the computation; parameters, statistics and loss are float32.
        limit: use the first so many images of each split alone; None for all.

    Raises:
        InputError: if a hyperparameter is out of its range.
    """

    recipe: Recipe
    seed: int = 0
    device: str | None = None
    dtype: str = "float32"
    limit: int | None = None

    def __post_init__(self) -> None:
        recipe = self.recipe
        if recipe.num_epochs < 1:
            raise InputError(f"{recipe.num_epochs} epochs: at least 1 is needed")
        if recipe.batch_size < 1:
            raise InputError(f"batches of {recipe.batch_size}: at least 1 example is needed")
        if not (math.isfinite(recipe.learning_rate) and recipe.learning_rate > 0):
            raise InputError(f"a learning rate of {recipe.learning_rate}: a positive, finite number is needed")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"a seed of {self.seed}: a whole number from 0 to 4294967295 is needed")
        if self.dtype not in DTYPES:
            raise InputError(f"no computation in {self.dtype!r}: choose one of {', '.join(DTYPES)}")
        if self.limit is not None and self.limit < 1:
            raise InputError(f"a limit of {self.limit} images: at least 1 is needed")

    def as_json(self) -> dict[str, Any]:
        """The config as config.json holds it."""
        recipe = self.recipe
        return {
            "recipe": recipe.name,
            "image_size": recipe.image_size,
            "batch_size": recipe.batch_size,
            "learning_rate": recipe.learning_rate,
            "num_epochs": recipe.num_epochs,
            "seed": self.seed,
            "dtype": self.dtype,
            "matmul_precision": jax.config.values["jax_default_matmul_precision"] or "default",
            "limit": self.limit,
        }


def train(config: RunConfig, dataset: Dataset, workdir: Path, console: Console) -> list[EpochFigures]:
    """Carry out a run and keep it in `workdir`.

    An interrupt ends the run after the chunk in progress: the epochs that were done stay, with their checkpoint, and
    summary.json says 'interrupted'.

    Args:
        config: what to run.
        dataset: what to train and test on.
        workdir: a new or empty directory.
        console: where to show it.

    Returns:
        The figures of the epochs.

    Raises:
        InputError: if the device or the directory cannot be used.
        KeyboardInterrupt: if it was interrupted, after the run was put in order.
    """
    device = find_device(config.device)
    directory = RunDirectory(workdir)
    recipe = config.recipe
    dataset = dataset if config.limit is None else dataset.limit(config.limit)
    display = Display(console, recipe)
    directory.write_config(config.as_json())
    display.start(
        f"{recipe.title} on {len(dataset.train_images):,} images of {recipe.image_size}x{recipe.image_size}, "
        f"{recipe.num_epochs} epochs of batches of {recipe.batch_size}, Adam at {recipe.learning_rate:g}, "
        f"seed {config.seed}, {config.dtype}, {describe_device(device)}"
    )
    results: list[EpochFigures] = []
    status = "failed"
    with jax.default_device(device), display.live():
        state = _initial_state(config, dataset)
        try:
            with Checkpoints(directory.checkpoints) as checkpoints:
                for event in fit_in_chunks(
                    state,
                    dataset,
                    num_epochs=recipe.num_epochs,
                    batch_size=recipe.batch_size,
                    image_size=recipe.image_size,
                ):
                    if not isinstance(event, EpochResult):
                        display.chunk(event, recipe.num_epochs)
                        continue
                    checkpoints.save(event.state)
                    directory.add_metrics(dataclasses.asdict(event.figures))
                    display.epoch(event.figures)
                    state = event.state
                    results.append(event.figures)
            status = "finished"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            directory.write_summary(_summary(config, status, results, state, device))
            if results:
                display.table(results)
            display.end(f"{status} after {len(results)} of {recipe.num_epochs} epochs; the run is in {directory.path}")
    return results


def _initial_state(config: RunConfig, dataset: Dataset) -> TrainState:
    recipe = config.recipe
    model = recipe.model.clone(dtype=config.dtype, num_classes=dataset.num_classes)
    image_shape = (recipe.image_size, recipe.image_size, dataset.image_shape[2])
    return create_train_state(model, recipe.optimizer(), jax.random.key(config.seed), image_shape)


def _summary(
    config: RunConfig, status: str, results: list[EpochFigures], state: TrainState, device: Device
) -> dict[str, Any]:
    return {
        "status": status,
        **config.as_json(),
        "epochs_done": len(results),
        "last_epoch": dataclasses.asdict(results[-1]) if results else None,
        "seconds": sum(result.seconds for result in results),
        "compile_seconds": sum(result.compile_seconds for result in results),
        "params_sha256": params_sha256(state.variables),
        "device": describe_device(device),
        "versions": software_versions(),
    }
