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

    Args:
        source: the directory or file. If it no longer exists, runs that started from it can still be resumed.
        recipe: the recipe of the runs that start from it.
        paths: the directories of these runs.

    Raises:
        InputError: if there are no weights, or they cannot be read.
    """
    place = str(source.absolute())
    if not source.exists():
        return _recorded(source, place, paths)
    try:
        if source.is_dir():
            run = runs.TrainedRun.open(source)
            had, has = (each.normalization is not None for each in (run.config.recipe, recipe))
            if had != has:
                words = ("with", "without") if had else ("without", "with")
                _LOGGER.warning("%s was trained %s --normalize, but this run is trained %s it", source, *words)
            return runs.InitFrom.of(place, run.state.eval_variables)
        return runs.InitFrom.of(place, interop.load_weights(source, recipe.model, recipe.image_size))
    except InputError as error:
        raise InputError(f"--init-from {error}") from error


def _recorded(source: Path, place: str, paths: Iterable[Path]) -> runs.InitFrom:
    """The record of weights that no longer exist, from the settings of a run in `paths`."""
    for path in paths:
        if (path / "config.json").exists():
            recorded = runs.RunConfig.from_json(runs.read_config(path)).init_from
            if recorded is not None and recorded.source == place:
                return recorded
    raise InputError(f"--init-from {source} does not exist: expected the directory of a run, or a safetensors file")
