"""Metadata of exported files: what other programs need to use a network without jaxcnn."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_COLORS = {1: "gray", 3: "RGB"}
_PADDED = (
    "Image files are converted to gray, inverted if their border is light, padded to a square with the median of the "
    "border, and resized to {height}x{width} by averaging (Pillow's BOX)."
)
_CROPPED = (
    "Image files are cropped to their central square and resized to {height}x{width} bilinearly with antialiasing "
    "(Pillow's BILINEAR)."
)


@dataclass(frozen=True)
class NetworkInfo:
    """Description of a trained network.

    Attributes:
        network: its display name, such as 'ResNet'.
        steps: number of training steps.
        data: the name of the data that it was trained on.
        class_names: the name of each class, in the order of the logits.
        light_on_dark: whether image files are made light on a dark background, as by `data.read_image`. Otherwise
            their colors are not changed, as by `data.read_pictures`.
        test_accuracy: accuracy on the test images.
        mean: of each channel, which the program subtracts from the pixels; empty for no normalization.
        std: of each channel, by which the program divides then.
    """

    network: str = "network"
    steps: int | None = None
    data: str | None = None
    class_names: tuple[str, ...] = ()
    light_on_dark: bool = False
    test_accuracy: float | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def make_metadata(
    about: NetworkInfo, image_shape: tuple[int, int, int], image_size: int | None = None
) -> dict[str, Any]:
    """The metadata of a network: `about`, and the preprocessing of its input in numbers and in words.

    Args:
        about: description of the network; unknown parts are left out.
        image_shape: height, width and channels of the input images.
        image_size: height and width to which the exported program resizes them; None for no resizing.

    Examples:
        >>> metadata = make_metadata(NetworkInfo("LeNet", class_names=("shirt", "bag")), (28, 28, 1))
        >>> metadata["class_names"], metadata["preprocessing"]["range"]
        (['shirt', 'bag'], [0, 1])
    """
    height, width, channels = image_shape
    size = [height, width] if image_size is None else [image_size] * 2
    preprocessing: dict[str, Any] = {
        "layout": "NHWC", "dtype": "float32", "range": [0, 1], "height": height, "width": width, "channels": channels,
        "fit": "pad" if about.light_on_dark else "crop", "resized_inside_to": size,
    }  # fmt: skip
    words = (
        f"Input: float32 (batch, {height}, {width}, {channels}), channels last, "
        f"{_COLORS.get(channels, f'{channels} channels')}, pixels divided by 255, from 0 to 1. "
        + (_PADDED if about.light_on_dark else _CROPPED).format(height=height, width=width)
    )
    if size != [height, width]:
        words += (
            f" The program resizes the input to {size[0]}x{size[1]} bilinearly; for weights alone, resize it first."
        )
    if about.mean:
        preprocessing |= {"normalized_inside": {"mean": list(about.mean), "std": list(about.std)}}
        words += (
            f" The program subtracts {_listed(about.mean)} and divides by {_listed(about.std)}; for weights alone, do "
            "it first, after resizing."
        )
    known = {
        "network": about.network, "steps": about.steps, "data": about.data, "class_names": list(about.class_names),
        "test_accuracy": about.test_accuracy,
    }  # fmt: skip
    return {key: value for key, value in known.items() if value not in (None, [])} | {
        "preprocessing": preprocessing,
        "preprocessing_in_words": words,
    }


def _listed(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:.6g}" for number in numbers)


def as_strings(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The values as strings, for formats that store only strings; other values are encoded as JSON.

    Examples:
        >>> as_strings({"network": "LeNet", "class_names": ["shirt", "bag"]})
        {'network': 'LeNet', 'class_names': '["shirt", "bag"]'}
    """
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
