"""The book's networks trained with modern methods, for the same number of epochs as in the book."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flax import linen as nn

from jaxcnn import models
from jaxcnn.data import Augmentation
from jaxcnn.layers import library_batch_norm
from jaxcnn.recipes.recipe import Recipe
from jaxcnn.recipes.reference import RECIPES

_HE = 6**0.5  # initial kernels are uniform in ±sqrt(6 / fan_in)
_FLIPS_AND_SHIFTS = Augmentation(flip=True, shift=2)

# The LeNets underfit in 5 epochs, so their batches are smaller, for more steps, and nothing regularizes them.
_SMALL: dict[str, Any] = {"batch_size": 64, "label_smoothing": 0.0, "augmentation": None}


def _modern(
    name: str,
    learning_rate: float,
    *,
    image_size: int,
    model: nn.Module | None = None,
    batch_size: int = 256,
    weight_decay: float = 0.05,
    label_smoothing: float = 0.05,
    init_gain: float = _HE,
    augmentation: Augmentation | None = _FLIPS_AND_SHIFTS,
    optimizer: str | None = None,
    optimizer_options: Mapping[str, Any] | None = None,
) -> Recipe:
    reference = RECIPES[name]
    if optimizer is None:
        optimizer, optimizer_options = ("adamw" if weight_decay else "adam"), reference.optimizer_options
    return replace(
        reference,
        name=f"{name}_modern",
        title=f"{reference.title}, modern training",
        note="",
        caveat="",
        model=reference.model if model is None else model,
        image_size=image_size,
        optimizer=optimizer,
        optimizer_options=optimizer_options or {},
        schedule="one_cycle",
        learning_rate=learning_rate,
        batch_size=batch_size,
        weight_decay=weight_decay,
        label_smoothing=label_smoothing,
        init_gain=init_gain,
        augmentation=augmentation,
    )


MODERN_RECIPES = {
    recipe.name: recipe
    for recipe in (
        _modern(
            "lenet",
            0.05,
            image_size=28,
            init_gain=4.0,
            weight_decay=0.0,
            optimizer="filter_muon",
            optimizer_options={"adam_ratio": 0.3},
            **_SMALL,
        ),
        _modern("alexnet", 0.0005, image_size=224),
        _modern("vgg", 0.001, image_size=224),
        _modern("nin", 0.001, image_size=224),
        _modern("googlenet", 0.001, image_size=96),
        _modern("lenet_bn_scratch", 0.04, image_size=28, weight_decay=0.02, optimizer="muon", **_SMALL),
        _modern(
            "lenet_bn",
            0.04,
            image_size=28,
            model=models.LeNet(norm=library_batch_norm),
            weight_decay=0.02,
            optimizer="muon",
            **_SMALL,
        ),
        _modern("resnet", 0.003, image_size=48, model=models.ResNet18()),
        _modern("densenet", 0.003, image_size=96, model=models.DenseNet()),
    )
}
"""The modern recipes by name, in the chapter's order.

The networks are the book's, with batch norm scales initialized to 1.
"""
