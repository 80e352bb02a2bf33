"""Random augmentation of training images: pure functions of a key and the images of a step, inside the compiled loop.

`parse_augmentation("flip,shift:2,mixup:0.2")` makes them from their names.
"""

from jaxcnn.data.augmentation.chain import Chain, Transform
from jaxcnn.data.augmentation.colors import Brightness
from jaxcnn.data.augmentation.erasing import Cutout, RandomErasing
from jaxcnn.data.augmentation.geometry import Augmentation, Rotation
from jaxcnn.data.augmentation.mixing import CutMix, Mixed, Mixing, Mixup, OneOf
from jaxcnn.data.augmentation.names import name_augmentation, parse_augmentation

__all__ = [
    "Augmentation", "Brightness", "Chain", "CutMix", "Cutout", "Mixed", "Mixing", "Mixup", "OneOf", "RandomErasing",
    "Rotation", "Transform", "name_augmentation", "parse_augmentation",
]  # fmt: skip
