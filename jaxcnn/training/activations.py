"""The outputs of the layers of a network."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict
from jaxtyping import Array, Shaped

from jaxcnn.data.pipeline import prepare_images
from jaxcnn.training.batches import check_images, check_range, check_state
from jaxcnn.training.compilation import compiled
from jaxcnn.training.state import TrainState


def activations(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "n h w c"],
    *,
    layers: Sequence[str] | None = None,
    image_size: int | None = None,
) -> dict[str, Array]:
    """The outputs of the modules of a network, in evaluation mode, recorded by Flax's `capture_intermediates`.

    Args:
        state: the state of one run; `state.eval_variables` are used.
        images: (N, H, W, C): uint8 or floats in [0, 1].
        layers: patterns of module paths, such as 'conv1' or 'stage2_*/conv?'; None for all modules.
        image_size: height and width that the network takes; None for the size of the images.

    Returns:
        The outputs by module path, such as 'stage2_block1/conv1', in the order of the calls; a block comes after its
        layers. If a module is called more than once, the output is that of the last call. Modules that do not return
        a single array are left out.

    Raises:
        TypeError: if an argument is not a state or an array, or `layers` is a single string.
        ValueError: if the state is that of an ensemble, the images have other axes, floats are outside [0, 1], or a
            pattern matches no module.

    Examples:
        >>> import optax
        >>> from jaxcnn.models import LeNet
        >>> from jaxcnn.training import create_train_state
        >>> state = create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))
        >>> found = activations(state, np.zeros((2, 28, 28, 1), np.uint8), layers=["conv*"])
        >>> {name: output.shape for name, output in found.items()}
        {'conv1': (2, 24, 24, 6), 'conv2': (2, 8, 8, 16)}
    """
    check_state(state)
    check_images(images)
    check_range(images)
    if isinstance(layers, str):
        raise TypeError(f"layers {layers!r}: expected a sequence of patterns, such as ['conv*']")
    names = layer_shapes(state, images.shape[1:], image_size=image_size)
    for pattern in layers or ():
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"layers {pattern!r}: no module of the network matches; it has {', '.join(names)}")
    chosen = names if layers is None else [name for name in names if any(fnmatchcase(name, each) for each in layers)]
    found = _activations(state, jnp.asarray(images), layers=tuple(chosen), image_size=image_size)
    return {name: found[name] for name in chosen}


def layer_shapes(
    state: TrainState, image_shape: Sequence[int], *, image_size: int | None = None
) -> dict[str, tuple[int, ...]]:
    """The paths of the modules in the order of the calls, and their output shapes without the batch axis.

    Args:
        state: the state of one run.
        image_shape: height, width and channels of the images.
        image_size: as for `activations`.
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def record(state: TrainState, images: Array) -> None:
        for name, output in _capture(state, prepare_images(images, image_size), None).items():
            shapes[name] = output.shape[1:]

    jax.eval_shape(record, state, jax.ShapeDtypeStruct((1, *image_shape), jnp.float32))
    return shapes


@compiled(static_argnames=("layers", "image_size"))
def _activations(
    state: TrainState, images: Shaped[Array, "n h w c"], *, layers: tuple[str, ...], image_size: int | None
) -> dict[str, Array]:
    return _capture(state, prepare_images(images, image_size), layers)


def _capture(state: TrainState, images: Array, layers: Collection[str] | None) -> dict[str, Array]:
    """The outputs of the modules at the paths `layers`, or of all, in the order of the calls."""

    def is_chosen(module: nn.Module, method: str) -> bool:
        return bool(method == "__call__" and module.path and (layers is None or "/".join(module.path) in layers))

    _, captured = state.apply_fn(
        state.eval_variables, images, train=False, capture_intermediates=is_chosen, mutable=["intermediates"]
    )
    outputs: dict[str, Any] = flatten_dict(captured.get("intermediates", {}), sep="/")
    last = {name.removesuffix("/__call__"): calls[-1] for name, calls in outputs.items()}
    return {name: output for name, output in last.items() if isinstance(output, Array)}
