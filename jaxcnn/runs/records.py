"""Reading and comparing the records in the directory of a run: settings, metrics and summary."""

import json
import logging
from pathlib import Path
from typing import Any

from jaxcnn.errors import InputError, list_differences
from jaxcnn.runs.data_spec import normalize_names
from jaxcnn.training import EpochResult
from jaxcnn.words import count_of

_LOGGER = logging.getLogger(__name__)

FORMAT = 2
"""Format of a run directory; it increases when an older jaxcnn could not resume the run.

1: config.json holds no network, and only the settings of the recipe that the command line can change.
"""

SELECTION = {"val_fraction": None, "val_seed": 0, "patience": None, "until": None}
"""Settings of validation and early stopping with their defaults. They are recorded if they differ from these."""

_CLASSES = "data class_names"
_VAL = "data_sha256 val"
_NOT_COMPARED = {"source place", "data source", "init_from source"}  # files can be moved; their SHA-256 is compared
_OPTIONS = {
    "num_epochs": "--epochs",
    "ema_decay": "--ema",
    "freeze": "--freeze",
    "init_from sha256": "--init-from with SHA-256",
    **{
        name: f"--{name.replace('_', '-')}"
        for name in ("batch_size", "learning_rate", "seed", "limit", "dtype", "accumulate", *SELECTION)
    },
    "matmul_precision": "JAX_DEFAULT_MATMUL_PRECISION",
    **{f"data_sha256 {part}": "--data with SHA-256" for part in ("sample", "all")},
    _VAL: "--data with validation images of SHA-256",
}
"""The option or variable for an entry of the settings. Other entries belong to the recipe or to JAX."""


def read_config(path: Path) -> dict[str, Any]:
    """The settings in the config.json of the run in `path`.

    Raises:
        InputError: if there is none, or it is not the config of a run, or one of a newer version.
    """
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is not a run: give a directory that jaxcnn train has made") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path / 'config.json'} cannot be read ({error}): give another directory") from error
    is_record = isinstance(config, dict) and isinstance(config.get("format"), int)
    if not (is_record and isinstance(config.get("jax", {}), dict)):
        raise InputError(f"{path / 'config.json'} does not describe a run: give another directory")
    if config["format"] > FORMAT:
        raise InputError(
            f"{path} was written by a newer jaxcnn (format {config['format']}, here {FORMAT}): "
            "update jaxcnn or give another directory"
        )
    return config


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines in the metrics.jsonl of the run in `path`, one for each finished epoch; none without the file.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        lines = (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [EpochResult.from_json(json.loads(line)).as_json() for line in lines]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise InputError(f"{path / 'metrics.jsonl'} cannot be read ({error}): give another directory") from error


def read_summary(path: Path) -> dict[str, Any]:
    """The content of the summary.json of the run in `path`; empty if the run has not ended.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        return dict(json.loads((path / "summary.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path / 'summary.json'} cannot be read ({error}): give another directory") from error


def check_same_config(path: Path, config: dict[str, Any]) -> bool:
    """Check that the run in `path` has the settings `config`, and return whether `config` extends it by more epochs.

    A run can be extended if its learning rate does not depend on the number of epochs. Settings of JAX and the SHA-256
    of the data are compared if both sides have them. The log names those that the run lacks because an older version
    did not record them.

    Raises:
        InputError: if the settings differ, with the differences; or if those of the run cannot be read, or have an
            older format.
    """
    found = SELECTION | flatten_config(read_config(path))
    config = SELECTION | flatten_config({"format": FORMAT, **config})
    if isinstance(found.get(_CLASSES), list):  # older runs recorded the names of folders without normalization
        found[_CLASSES] = list(normalize_names(map(str, found[_CLASSES])))
    if found["format"] < FORMAT:
        raise InputError(
            f"{path} was written by an older jaxcnn (format {found['format']}, here {FORMAT}), which recorded fewer "
            "settings: it can be evaluated, reported on and exported, but not resumed; give another directory"
        )
    keys = [key for key in {**found, **config} if found.get(key) != config.get(key) and key not in _NOT_COMPARED]
    has_digests = "data_sha256 sample" in found and "data_sha256 sample" in config
    one_sided = [
        key
        for key in keys
        if key.startswith(("jax", "data_sha256")) and None in (found.get(key), config.get(key))
        if not (has_digests and key == _VAL)  # where others are recorded, it is absent if there is no validation split
    ]
    if unknown := [key for key in one_sided if key not in found]:
        _LOGGER.info(
            "%s was written by an older jaxcnn, which did not record %s: not compared", path, ", ".join(unknown)
        )
    keys = [key for key in keys if key not in one_sided]
    if keys == ["num_epochs"] and config["num_epochs"] > found["num_epochs"]:
        if found["schedule"] == "constant":
            return True
        raise InputError(
            f"{path} has a run of {count_of(found['num_epochs'], 'epoch')} with the schedule {found['schedule']}, "
            f"which ends with them: --epochs {config['num_epochs']} has other learning rates from the first epoch on; "
            "give another directory"
        )
    if keys:
        differences = ", ".join(_describe_difference(key, found.get(key), config.get(key)) for key in keys)
        raise InputError(
            f"{path} has a run with other settings: {differences}; give the same settings or another directory"
        )
    return False


def _describe_difference(key: str, there: Any, here: Any) -> str:
    if key == _CLASSES and isinstance(there, list) and isinstance(here, list):
        return f"classes ({list_differences({'the run': there, 'the data': here}) or 'in another order'})"
    name = f"JAX_{key.removeprefix('jax ').upper()}" if key.startswith("jax ") else _OPTIONS.get(key, key)
    return f"{name} {there} there and {here} here"


def flatten_config(config: dict[str, Any]) -> dict[str, Any]:
    """`config` without nesting: the name of an inner entry follows that of its mapping, separated by a space.

    Examples:
        >>> flatten_config({"seed": 0, "model": {"norm": {"momentum": 0.9}}})
        {'seed': 0, 'model norm momentum': 0.9}
    """
    flat = {}
    for key, value in config.items():
        inner = flatten_config(value) if isinstance(value, dict) else {}
        flat |= {f"{key} {name}": held for name, held in inner.items()} or {key: value}
    return flat
