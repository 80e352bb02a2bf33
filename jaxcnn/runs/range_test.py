"""A learning rate range test with the settings of a run."""

from collections.abc import Callable
from dataclasses import replace

import jax
import numpy as np

from jaxcnn.data import Dataset, StreamedDataset
from jaxcnn.errors import DivergedError, InputError
from jaxcnn.platform import find_devices
from jaxcnn.runs.config import RunConfig
from jaxcnn.runs.states import initial_state, inject_learning_rate
from jaxcnn.training import RangeTest, choose_placement, range_test, stack_members

_MIN_STEPS = 10


def find_learning_rate(
    config: RunConfig,
    dataset: Dataset | StreamedDataset,
    *,
    min_rate: float = 1e-6,
    max_rate: float = 10.0,
    num_steps: int = 200,
    num_seeds: int = 3,
    on_step: Callable[[int], None] = lambda _: None,
) -> RangeTest:
    """Train for a few steps while the learning rate rises exponentially, with several seeds in one program.

    The rate of step i of S steps, counted from 0, is

        min_rate * (max_rate / min_rate)^(i / (S - 1))

    The recipe's learning rate and schedule are not used; all its other settings are. Nothing is written.

    Args:
        config: the settings of a run. The first seed is its own.
        dataset: the data; its training images are used.
        min_rate: the learning rate of the first step.
        max_rate: the learning rate of the last step. A test that diverges ends before it.
        num_steps: number of steps.
        num_seeds: number of seeds, one for each member.
        on_step: called with the number of steps done after each step.

    Returns:
        The test, with a member for each seed.

    Raises:
        InputError: if an argument is out of its range, or the device cannot be used.
        DivergedError: if the first loss is not finite.
    """
    float32 = np.finfo(np.float32)
    if not float(float32.tiny) <= min_rate < max_rate <= float(float32.max):
        raise InputError(
            f"--min {min_rate:g} --max {max_rate:g}: expected finite numbers, 0 < --min < --max, as float32 holds them"
        )
    if num_steps < _MIN_STEPS:
        raise InputError(f"--steps {num_steps}: expected {_MIN_STEPS} or more")
    if num_seeds < 1:
        raise InputError(f"--seeds {num_seeds}: expected 1 or more")
    devices = find_devices(config.device, None)
    dataset = config.hold_out(dataset.limit(config.limit))
    sizes = len(dataset.train), dataset.num_classes, dataset.image_shape[2]
    recipe = config.recipe.resolve(dataset.train, *sizes[1:])
    recipe = replace(recipe, learning_rate=min_rate, schedule="constant", schedule_options={}, warmup_epochs=0.0)
    configs = [replace(config, recipe=recipe, seed=config.seed + number) for number in range(num_seeds)]
    with jax.default_device(devices[0]):
        state = stack_members([inject_learning_rate(each, initial_state(each, *sizes), sizes[0]) for each in configs])
        options = recipe.fit_options()
        placement = choose_placement(state, options.input_shape(dataset.image_shape), devices)
        rates = np.geomspace(min_rate, max_rate, num_steps)
        found = range_test(state, dataset, replace(options, placement=placement), rates=rates, on_step=on_step)
    if not np.isfinite(found.losses[:, 0]).all():
        raise DivergedError("the loss of the initial network is not finite: change its initialization or the data")
    return found
