"""matplotlib without the user's settings, so that a figure is the same in a terminal, a script and a notebook."""

import io
import warnings
from contextlib import AbstractContextManager
from typing import Any

from matplotlib import style
from matplotlib.figure import Figure

_TEXT: dict[Any, Any] = {
    "text.parse_math": False,  # names contain $, _ and ^
    "svg.fonttype": "none",  # a browser has fonts for more scripts than matplotlib
    "svg.hashsalt": "jaxcnn",
}


def drawing_style(changes: dict[Any, Any]) -> AbstractContextManager[None]:
    """A context with matplotlib's defaults and `changes`, in which text is drawn literally."""
    return style.context(["default", _TEXT, changes])


def as_svg(figure: Figure) -> str:
    """`figure` as the content of an SVG file. Call it in the `drawing_style` of the figure."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # the browser has the glyph
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def as_png(figure: Figure) -> bytes:
    """`figure` as the content of a PNG file. Call it in the `drawing_style` of the figure."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a box is drawn for a character that no font has
        figure.savefig(buffer, format="png")
    return buffer.getvalue()
