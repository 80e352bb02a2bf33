"""The outputs of the layers of a network."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from jaxcnn.data.pipeline import prepare_images
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
        found: dict[str, Any] = {}

        def record(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], context: Any) -> Any:
            output = call(*args, **kwargs)
            if context.method_name == "__call__" and context.module.path:
                found["/".join(context.module.path)] = output
            return output

        with nn.intercept_methods(record):
            run.state.apply_fn(run.state.variables, prepare_images(images, run.config.recipe.image_size), train=False)
        paths[:] = found
        return list(found.values())

    return dict(zip(paths, map(np.asarray, outputs(images)), strict=True))
