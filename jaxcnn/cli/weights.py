"""The weights of --init-from."""

import logging
from collections.abc import Iterable
from pathlib import Path

from jaxcnn import interop, runs
from jaxcnn.errors import InputError
from jaxcnn.recipes import Recipe

_LOGGER = logging.getLogger(__name__)


def find_weights(source: Path, recipe: Recipe, paths: Iterable[Path]) -> runs.InitFrom:
    """The weights in the directory of a run or in a safetensors file.

    If runs that started from it have a checkpoint, the weights are not read again: the source may have changed since.

    Args:
        source: the directory or file.
        recipe: the recipe of the runs that start from it.
        paths: the directories of these runs.

    Raises:
        InputError: if there are no weights, or they cannot be read.
    """
    place = str(source.absolute())
    if recorded := _recorded(place, paths):
        return recorded
    if not source.exists():
        raise InputError(f"--init-from {source} does not exist: expected the directory of a run, or a safetensors file")
    try:
        if source.is_dir():
            run = runs.TrainedRun.open(source)
            _compare_normalization(source, run.config.recipe, recipe)
            return runs.InitFrom.of(place, run.state.eval_variables)
        return runs.InitFrom.of(place, interop.load_weights(source, recipe.model, recipe.image_size))
    except InputError as error:
        raise InputError(f"--init-from {error}") from error


def _recorded(place: str, paths: Iterable[Path]) -> runs.InitFrom | None:
    """The record of the weights in the settings of the runs in `paths`, if all of them have a checkpoint."""
    paths = list(paths)
    if not all(any(step.name.isdecimal() for step in path.glob("checkpoints/*")) for path in paths):
        return None
    found = {runs.RunConfig.from_json(runs.read_config(path)).init_from for path in paths}
    recorded = found.pop() if len(found) == 1 else None
    return recorded if recorded is not None and recorded.source == place else None


def _compare_normalization(source: Path, trained: Recipe, recipe: Recipe) -> None:
    """Log a warning if the weights in `source` expect images that are normalized in another way."""
    if trained.normalization is None and recipe.normalization is not None:
        _LOGGER.warning("%s was trained without --normalize, but this run is trained with it", source)
    elif trained.normalization is not None and recipe.normalization is None:
        _LOGGER.warning("%s was trained with --normalize, but this run is trained without it", source)
