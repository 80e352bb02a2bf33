"""Grad-CAM: the regions of an image that raise the logit of a class."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Integer, Shaped

from jaxcnn.data.pipeline import prepare_images
from jaxcnn.errors import InputError
from jaxcnn.insight.classes import check_classes
from jaxcnn.training import TrainState
from jaxcnn.training.activations import layer_shapes
from jaxcnn.training.batches import check_images, check_range, check_state
from jaxcnn.training.compilation import compiled


def grad_cam(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "n h w c"],
    *,
    classes: Integer[Array | np.ndarray, " n"] | None = None,
    layer: str | None = None,
    image_size: int | None = None,
) -> Float[Array, "n h w"]:
    """A heat map for each image that shows where the feature maps of a layer raise the logit of a class.

        map_i = relu(sum over channels k of a_ik * A_ik),    a_ik = mean over pixels of d logit_i[class_i] / d A_ik

    with the output A, (N, height, width, channels), of the layer in evaluation mode. Each map is divided by its
    maximum and resized bilinearly to the image.

    Args:
        state: the state of one run; `state.eval_variables` are used.
        images: (N, H, W, C): uint8 or floats in [0, 1].
        classes: (N,), the class of each map; None for the predicted class of each image.
        layer: path of a module whose output has pixels and channels, such as 'stage4_block2'; None for the last module
            whose output has more than one pixel.
        image_size: height and width that the network takes; None for the size of the images.

    Returns:
        (N, H, W), float32, in [0, 1]. A map is 0 everywhere if no pixel raises the logit.

    Raises:
        TypeError: if an argument is not a state or an array.
        ValueError: if the state is that of an ensemble, the images have other axes, floats are outside [0, 1], a
            class does not exist, or there is no such layer; the last is an `InputError`.

    Examples:
        >>> import optax
        >>> from jaxcnn.models import LeNet
        >>> from jaxcnn.training import create_train_state
        >>> state = create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))
        >>> grad_cam(state, np.zeros((3, 28, 28, 1), np.uint8)).shape
        (3, 28, 28)

    References:
        Selvaraju and others, Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, 2017,
        equations 1 and 2.
    """
    check_state(state)
    check_images(images)
    check_range(images)
    maps = feature_maps(state, images.shape[1:], image_size=image_size)
    if not maps:
        raise InputError("the network has no layer with feature maps, which Grad-CAM needs")
    layer = [*maps][-1] if layer is None else layer
    if layer not in maps:
        raise InputError(f"layer {layer!r}: expected a module with feature maps, one of {', '.join(maps)}")
    chosen = None if classes is None else check_classes(state, images, classes, image_size)
    return _grad_cam(state, jnp.asarray(images), chosen, layer=layer, shape=maps[layer], image_size=image_size)


def feature_maps(
    state: TrainState, image_shape: Sequence[int], *, image_size: int | None = None
) -> dict[str, tuple[int, ...]]:
    """The modules whose output has more than one pixel, in the order of the calls, with (height, width, channels).

    Args:
        state: the state of one run.
        image_shape: height, width and channels of the images.
        image_size: as for `grad_cam`.
    """
    shapes = layer_shapes(state, image_shape, image_size=image_size)
    return {name: shape for name, shape in shapes.items() if len(shape) == 3 and shape[0] * shape[1] > 1}


@compiled(static_argnames=("layer", "shape", "image_size"))
def _grad_cam(
    state: TrainState,
    images: Shaped[Array, "n h w c"],
    classes: Integer[Array, " n"] | None,
    *,
    layer: str,
    shape: tuple[int, ...],
    image_size: int | None,
) -> Float[Array, "n h w"]:
    prepared = prepare_images(images, image_size)
    outputs: list[Array] = []

    def logit(change: Array, num_calls: int | None) -> tuple[Array, Array]:
        """The sum of the logits of the classes if `change` is added to the output of the layer; and this output.

        A layer can be called several times: it is the output of the last call. None adds nothing.
        """
        outputs.clear()

        def add(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], context: Any) -> Any:
            output = call(*args, **kwargs)
            if context.method_name != "__call__" or "/".join(context.module.path) != layer:
                return output
            outputs.append(output)
            return output + change.astype(output.dtype) if len(outputs) == num_calls else output

        with nn.intercept_methods(add):
            logits = state.apply_fn(state.eval_variables, prepared, train=False).astype(jnp.float32)
        chosen = logits.argmax(axis=-1) if classes is None else classes
        return jnp.take_along_axis(logits, chosen[:, None], axis=-1).sum(), outputs[-1].astype(jnp.float32)

    no_change = jnp.zeros((len(images), *shape), jnp.float32)
    jax.eval_shape(lambda: logit(no_change, None)[0])
    gradients, features = jax.grad(logit, has_aux=True)(no_change, len(outputs))
    weights = gradients.mean(axis=(1, 2), keepdims=True)
    maps = jax.nn.relu((weights * features).sum(axis=-1))
    highest = maps.max(axis=(1, 2), keepdims=True)
    maps = jnp.where(highest > 0, maps / jnp.where(highest > 0, highest, 1), 0)
    return jax.image.resize(maps, images.shape[:3], "bilinear")
