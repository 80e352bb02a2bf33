"""The options of training: one object, from `fit` to the compiled program."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from flax.core import FrozenDict

from jaxcnn.data.augmentation import Mixing, Transform
from jaxcnn.training.metrics import METRICS, Metric, check_metrics
from jaxcnn.training.placement import SINGLE, Placement


@dataclass(frozen=True)
class FitOptions:
    """How to train.

    Attributes:
        num_epochs: number of epochs, 0 or more.
        batch_size: examples of a step, 1 or more. Each member of an ensemble takes as many.
        image_size: height and width that the network takes; None for the size of the images.
        augment: function of a key and the images of a step, as they are in the data set, that returns the images to
            train on. It is traced; functions that are not equal are compiled separately. `data.Augmentation` is one.
        label_smoothing: as for `train_step`.
        class_weights: as for `train_step`; not used in evaluation.
        mixing: as for `train_step`; not used in evaluation.
        metrics: further metrics, functions by name; `METRICS` are always computed.
        accumulate: as for `train_step`; 1 or more.
        chunk_seconds: approximate time that the device computes between two returns to Python, which is how soon a
            keyboard interrupt is seen. It does not change any result.
        chunk_steps: maximum number of steps between two returns; None for no maximum.
        placement: the devices, and how members of an ensemble share them.

    Raises:
        ValueError: if a number is out of its range.

    Examples:
        >>> FitOptions(num_epochs=5, batch_size=256).image_size is None
        True
    """

    num_epochs: int
    batch_size: int
    image_size: int | None = None
    augment: Transform | None = None
    label_smoothing: float | int = 0.0
    class_weights: Sequence[float] | None = None
    mixing: Mixing | None = None
    metrics: Mapping[str, Metric] = FrozenDict()
    accumulate: int = 1
    chunk_seconds: float | int = 0.5
    chunk_steps: int | None = None
    placement: Placement = SINGLE

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", check_metrics(self.metrics))
        if self.class_weights is not None:
            object.__setattr__(self, "class_weights", tuple(map(float, self.class_weights)))
        for name, minimum, is_optional in (
            ("num_epochs", 0, False), ("batch_size", 1, False), ("accumulate", 1, False), ("image_size", 1, True),
            ("chunk_steps", 1, True),
        ):  # fmt: skip
            if is_optional and getattr(self, name) is None:
                continue
            value: Any = getattr(self, name)
            if not hasattr(value, "__index__") or operator.index(value) < minimum:
                raise ValueError(f"{name} {value!r}: expected an integer, {minimum} or more")
            object.__setattr__(self, name, operator.index(value))
        if not self.chunk_seconds >= 0:
            raise ValueError(f"chunk_seconds {self.chunk_seconds}: expected 0 or more")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing {self.label_smoothing}: expected 0 or more, and less than 1")
        if not isinstance(self.placement, Placement):
            raise TypeError(f"placement {self.placement!r}: expected a training.Placement")

    def input_shape(self, image_shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Height, width and channels of the network's input for images of `image_shape`."""
        height, width, channels = image_shape
        return self.image_size or height, self.image_size or width, channels

    @property
    def all_metrics(self) -> Mapping[str, Metric]:
        """`METRICS` and the further ones."""
        return MappingProxyType({**METRICS, **self.metrics})

    @property
    def train_program(self) -> "FitOptions":
        """The same for all options that compile to the same training program."""
        return replace(self, num_epochs=0, chunk_seconds=0.0, chunk_steps=None)

    @property
    def eval_program(self) -> "FitOptions":
        """The same for all options that compile to the same evaluation program."""
        return replace(
            self.train_program, augment=None, mixing=None, class_weights=None, label_smoothing=0.0, accumulate=1
        )


def make_options(options: FitOptions | None, changes: Mapping[str, Any]) -> FitOptions:
    """`options` with `changes`, or those of `changes` alone."""
    if options is not None and not isinstance(options, FitOptions):
        raise TypeError(f"options {options!r}: expected FitOptions, or keywords such as num_epochs=5, batch_size=256")
    return FitOptions(**changes) if options is None else replace(options, **changes)
