"""The names of augmentations, as the command line takes them."""

from collections.abc import Callable, Mapping
from typing import Any

from jaxcnn.data.augmentation.chain import Chain, Transform
from jaxcnn.data.augmentation.colors import Brightness
from jaxcnn.data.augmentation.erasing import Cutout, RandomErasing
from jaxcnn.data.augmentation.geometry import Augmentation, Rotation
from jaxcnn.data.augmentation.mixing import CutMix, Mixing, Mixup, OneOf
from jaxcnn.errors import InputError

_NUMBERS: Mapping[str, Callable[[str], Any]] = {
    "flip": bool, "shift": int, "rotate": float, "brightness": float, "erase": float, "cutout": int, "mixup": float,
    "cutmix": float,
}  # fmt: skip
_FORMS = "flip, shift:2, rotate:15, brightness:0.2, erase:0.5, cutout:8, mixup:0.2 and cutmix:1"


def parse_augmentation(text: str) -> tuple[Transform | None, Mixing | None]:
    """Make the augmentation and the mixing that `text` names.

        none            neither
        flip            mirror left to right with probability 1/2
        shift:PIXELS    shift along each axis by at most this many pixels
        rotate:DEGREES  rotate by at most this many degrees
        brightness:B    multiply by a number from 1 - B to 1 + B
        erase:P         erase a random rectangle with probability P
        cutout:PIXELS   erase a square with this side
        mixup:ALPHA     average images and labels in pairs
        cutmix:ALPHA    exchange rectangles of images, and their share of the labels

    Several names are separated by commas, each given at most once, and applied in the order of this list. If both mixup
    and cutmix are given, each image is mixed by one of them.

    Returns:
        The values of `Recipe.augmentation` and `Recipe.mixing`; None for none.

    Raises:
        InputError: if a name is unknown or given twice, or a number is missing or out of its range.

    Examples:
        >>> augmentation, mixing = parse_augmentation("flip,shift:2,erase:0.5,mixup:0.2")
        >>> str(augmentation), str(mixing)
        ('flips, shifts to 2, erasing 0.5', 'mixup 0.2')
    """
    if text == "none":
        return None, None
    given: dict[str, Any] = {}
    for part in text.split(","):
        name, _, value = part.partition(":")
        kind = _NUMBERS.get(name)
        if kind is None or name in given or bool(value) != (kind is not bool):
            raise InputError(f"--augment {text}: expected none, or some of {_FORMS}, each once, separated by commas")
        try:
            given[name] = True if kind is bool else kind(value)
        except ValueError as error:
            what = "an integer" if kind is int else "a number"
            raise InputError(f"--augment {text}: {value!r} is not {what}, as in {_FORMS}") from error
    if given.get("shift") == 0:
        raise InputError(f"--augment {text}: expected a shift of 1 pixel or more")
    try:
        return _augmentation(given), _mixing(given)
    except InputError as error:
        raise InputError(f"--augment {text}: {error}") from error


def name_augmentation(augmentation: Transform | None, mixing: Mixing | None = None) -> str | None:
    """The text from which `parse_augmentation` makes `augmentation` and `mixing`; None if there is no such text.

    Examples:
        >>> name_augmentation(Chain((Augmentation(flip=True, shift=2), Cutout(8))), Mixup(0.2))
        'flip,shift:2,cutout:8,mixup:0.2'
    """
    names = []
    mixings = [mixing.first, mixing.second] if isinstance(mixing, OneOf) else [mixing]
    for part in [*(augmentation.transforms if isinstance(augmentation, Chain) else [augmentation]), *mixings]:
        match part:
            case Augmentation(flip=flip, shift=shift):
                names += [*(["flip"] if flip else []), *([f"shift:{shift}"] if shift else [])]
            case Rotation(degrees=degrees):
                names.append(f"rotate:{degrees!r}")
            case Brightness(strength=strength):
                names.append(f"brightness:{strength!r}")
            case RandomErasing(probability=probability):
                names.append(f"erase:{probability!r}")
            case Cutout(size=size):
                names.append(f"cutout:{size}")
            case Mixup(alpha=alpha):
                names.append(f"mixup:{alpha!r}")
            case CutMix(alpha=alpha):
                names.append(f"cutmix:{alpha!r}")
    text = ",".join(names) or "none"
    try:
        parsed = parse_augmentation(text)
    except InputError:  # the same name twice, for example
        return None
    return text if parsed == (augmentation, mixing) else None


def _augmentation(given: Mapping[str, Any]) -> Transform | None:
    """The augmentation of images with these parts, by their names."""
    transforms: list[Transform] = []
    if {"flip", "shift"} & set(given):
        transforms.append(Augmentation(flip="flip" in given, shift=given.get("shift", 0)))
    makers = {"rotate": Rotation, "brightness": Brightness, "erase": RandomErasing, "cutout": Cutout}
    transforms += [make(given[name]) for name, make in makers.items() if name in given]
    return Chain(tuple(transforms)) if len(transforms) > 1 else next(iter(transforms), None)


def _mixing(given: Mapping[str, Any]) -> Mixing | None:
    """The mixing with these parts, by their names."""
    mixings = [make(given[name]) for name, make in (("mixup", Mixup), ("cutmix", CutMix)) if name in given]
    return OneOf(*mixings) if len(mixings) > 1 else next(iter(mixings), None)
