"""Checks of the images and labels of a batch.

Axes, counts and types are known while JAX traces, so they are always checked. Values are checked only in NumPy arrays:
reading those of a JAX array would wait for the device, and a traced array has none.
"""

import math
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcnn.training.state import TrainState

MAX_FLOAT = 2.0
"""The maximum of float images without negative values. Pixels from 0 to 255 exceed it."""


def check_batch(state: TrainState, images: Array | np.ndarray, labels: Array | np.ndarray) -> None:
    """Check the arguments of a step.

    Float images can have any mean and variance, for networks that take such images. Those without negative values that
    exceed `MAX_FLOAT` raise an error, because they are unscaled pixels from 0 to 255.

    Raises:
        TypeError: if an argument is not a state or an array.
        ValueError: if the state is that of an ensemble, the axes are not (N, H, W, C) and (N,), the labels are not
            integers, or a NumPy array has a label that is not a class, pixels from 0 to 255 as floats, NaN or infinity.
    """
    check_state(state)
    check_axes(images, labels)
    if isinstance(labels, np.ndarray):
        check_labels(labels, abstract_logits(state, images.shape[1:]).shape[-1])
    if isinstance(images, np.ndarray) and images.size and jnp.issubdtype(images.dtype, jnp.floating):
        lowest, highest = float(images.min()), float(images.max())
        if not math.isfinite(highest - lowest) or (lowest >= 0 and highest > MAX_FLOAT):
            raise ValueError(
                f"images with floats from {lowest:g} to {highest:g}: expected values in [0, 1], or normalized to a "
                "mean near 0; give pixel values from 0 to 255 as uint8, or divide them by 255"
            )


def check_state(state: TrainState) -> None:
    """Check that `state` is that of one run.

    Raises:
        TypeError: if it is not a state.
        ValueError: if it is that of an ensemble.
    """
    if not isinstance(state, TrainState):
        raise TypeError(f"state of type {type(state).__name__}: expected a TrainState, as create_train_state returns")
    if state.step.ndim:
        raise ValueError(
            f"a stacked state of {state.step.size} runs: expected that of one run, such as state of result.member(0)"
        )


def check_images(images: Array | np.ndarray, *, one: bool = False) -> None:
    """Check that `images` has the axes (N, H, W, C), or also (H, W, C) if `one` is true.

    Raises:
        TypeError: if it is not an array.
        ValueError: if it has other axes.
    """
    _check_array("images", images)
    if images.ndim != 4 and not (one and images.ndim == 3):
        raise ValueError(f"images of shape {images.shape}: expected (N, H, W, C){' or (H, W, C)' if one else ''}")


def check_range(images: Array | np.ndarray) -> None:
    """Check that floats are in [0, 1]. This reads the images.

    Raises:
        ValueError: if they are not.
    """
    if images.size and jnp.issubdtype(images.dtype, jnp.floating):
        lowest, highest = float(images.min()), float(images.max())
        if not (lowest >= 0 and highest <= 1):  # also true for NaN
            raise ValueError(
                f"images with floats from {lowest:g} to {highest:g}: expected values in [0, 1]; give pixel values from "
                "0 to 255 as uint8, and normalized images to eval_step"
            )


def _check_array(name: str, array: Array | np.ndarray) -> None:
    if not isinstance(array, Array | np.ndarray):
        raise TypeError(f"{name} of type {type(array).__name__}: expected a JAX or NumPy array")


def check_axes(images: Array | np.ndarray, labels: Array | np.ndarray) -> None:
    """Check that there is one integer label for each image.

    Raises:
        TypeError: if one is not an array.
        ValueError: if the axes are not (N, H, W, C) and (N,), or the labels are not integers.
    """
    check_images(images)
    _check_array("labels", labels)
    if labels.shape != images.shape[:1]:
        raise ValueError(
            f"labels of shape {labels.shape} for images of shape {images.shape}: expected one label for each image, "
            f"{images.shape[:1]}"
        )
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(f"labels of type {labels.dtype}: expected integers")


def check_labels(labels: Array | np.ndarray, num_classes: int) -> None:
    """Check that each label is in 0 .. num_classes - 1. This reads the labels.

    Raises:
        ValueError: if one is not.
    """
    if not labels.size:
        return
    lowest, highest = int(labels.min()), int(labels.max())
    if not 0 <= lowest <= highest < num_classes:
        raise ValueError(
            f"labels from {lowest} to {highest} for a network with {num_classes} outputs: expected 0 to "
            f"{num_classes - 1}"
        )


def abstract_logits(state: TrainState, image_shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    """Shape (1, K) and type of the output for one image, of the network or of one member of an ensemble.

    Raises:
        ValueError: if the network does not return such an array.
    """
    axis = state.step.ndim
    leaves, tree = jax.tree.flatten(state.variables)
    abstract = tuple(jax.ShapeDtypeStruct(leaf.shape[axis:], leaf.dtype) for leaf in leaves)
    return _abstract_logits(state.apply_fn, tree, abstract, tuple(image_shape), jax.dtypes.canonicalize_dtype(float))


@lru_cache
def _abstract_logits(
    apply_fn: Any, tree: Any, leaves: tuple[jax.ShapeDtypeStruct, ...], image_shape: tuple[int, ...], _float: Any
) -> jax.ShapeDtypeStruct:
    """`abstract_logits`, cached by its arguments and JAX's default type of floats.

    Tracing the network takes longer than a step.
    """
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    logits = jax.eval_shape(partial(apply_fn, train=False), jax.tree.unflatten(tree, leaves), images)
    if getattr(logits, "ndim", 0) != 2 or logits.shape[0] != 1:
        shape = getattr(logits, "shape", type(logits).__name__)
        raise ValueError(f"the network returned {shape} for an image {image_shape}: expected logits, (1, num_classes)")
    return logits
