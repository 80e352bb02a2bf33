"""Fixed views of images, for predictions that are averaged over them (test-time augmentation)."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Shaped

from jaxcnn.data.augmentation.geometry import check_shift
from jaxcnn.errors import InputError


@dataclass(frozen=True)
class Views:
    """Mirrored and shifted copies of images.

    The views are the image itself and, with a shift, the image shifted by this many pixels up, down, left and right,
    with a border of zeros; with a flip, also all of these mirrored left to right.

    Attributes:
        flip: whether to mirror.
        shift: pixels to shift by; 0 for no shifts.

    Raises:
        InputError: if the shift is not an integer, 0 or more.

    Examples:
        >>> Views(flip=True, shift=1)(jnp.zeros((3, 28, 28, 1), jnp.uint8)).shape
        (10, 3, 28, 28, 1)
    """

    flip: bool = False
    shift: int = 0

    def __post_init__(self) -> None:
        if not (isinstance(self.shift, int) and self.shift >= 0):
            raise InputError(f"shift {self.shift}: expected an integer, 0 or more")

    def __str__(self) -> str:
        return f"mean of {(1 + 4 * (self.shift > 0)) * (1 + self.flip)} views"

    def __call__(self, images: Shaped[Array, "n h w c"]) -> Shaped[Array, "views n h w c"]:
        """All views of `images`, the images themselves first."""
        check_shift(self.shift, images.shape)
        views = [images]
        if self.shift:
            height, width = images.shape[1:3]
            margin = (self.shift, self.shift)
            padded = jnp.pad(images, ((0, 0), margin, margin, (0, 0)))
            for row, column in ((2, 1), (0, 1), (1, 2), (1, 0)):
                top, left = row * self.shift, column * self.shift
                views.append(padded[:, top : top + height, left : left + width])
        if self.flip:
            views += [view[:, :, ::-1] for view in views]
        return jnp.stack(views)


def parse_views(text: str) -> Views:
    """Make the views that `text` names: flip, shift:PIXELS, or both, separated by a comma; shift alone means 1 pixel.

    Raises:
        InputError: if `text` does not name views.

    Examples:
        >>> parse_views("flip,shift:2")
        Views(flip=True, shift=2)
    """
    given: dict[str, int] = {}
    for part in text.split(","):
        name, colon, number = part.partition(":")
        is_number = number.isdecimal() and int(number) > 0
        if name in given or not ((name == "flip" and not colon) or (name == "shift" and (is_number or not colon))):
            raise InputError(f"--tta {text}: expected flip, shift:PIXELS, or both with a comma, as in flip,shift:1")
        given[name] = int(number or 1)
    return Views(flip="flip" in given, shift=given.get("shift", 0))
