"""The outputs of the layers of a network."""

from typing import Any

import jax
import numpy as np

from jaxcnn.data.pipeline import prepare_images
from jaxcnn.models.calls import record_calls
from jaxcnn.runs import TrainedRun


def find_activations(run: TrainedRun, images: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of all modules of a run's network by their paths, such as 'stage2_block1/conv1', in order.

    Args:
        run: the run; its network is in evaluation mode.
        images: (N, H, W, C), uint8.
    """
    paths: list[str] = []

    @jax.jit
    def outputs(images: jax.Array) -> list[Any]:
        prepared = prepare_images(images, run.config.recipe.image_size)
        with record_calls() as calls:
            run.state.apply_fn(run.state.eval_variables, prepared, train=False)
        found = {"/".join(call.path): call.output for call in calls if call.path}
        paths[:] = found
        return list(found.values())

    return dict(zip(paths, map(np.asarray, outputs(images)), strict=True))
