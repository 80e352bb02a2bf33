"""The settings and the directories of several runs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jaxcnn.errors import InputError
from jaxcnn.runs.config import RunConfig


def sweep(config: RunConfig, root: Path, *, learning_rates: Sequence[float], num_seeds: int) -> dict[Path, RunConfig]:
    """`config` with each learning rate and `num_seeds` seeds, beginning with its own, and a directory for each run.

    A single run is in `root` itself, several seeds are in root/seed-S, and several rates in root/rate-R/seed-S.

    Raises:
        InputError: if there is no seed, a rate is given twice, or a setting is out of its range.

    Examples:
        >>> from jaxcnn.recipes import get_recipe
        >>> configs = sweep(RunConfig(get_recipe("lenet"), seed=3), Path("runs"), learning_rates=[1e-3], num_seeds=2)
        >>> [(str(path), config.seed) for path, config in configs.items()]
        [('runs/seed-3', 3), ('runs/seed-4', 4)]
    """
    if num_seeds < 1:
        raise InputError(f"--seeds {num_seeds}: expected 1 or more")
    if len(set(learning_rates)) < len(learning_rates):
        raise InputError(f"--learning-rate {','.join(map(repr, learning_rates))}: expected each rate once")
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
