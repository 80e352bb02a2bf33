"""matplotlib without the user's settings, so that a figure is the same in a terminal, a script and a notebook.

The colors are those of Okabe and Ito, which are distinct for all kinds of color vision. Line styles, markers and labels
give the same information, so a print in gray can be read too. Figures have no background, and each color has a lighter
form for dark pages.
"""

import io
import warnings
from contextlib import AbstractContextManager
from typing import Any

from matplotlib import style
from matplotlib.figure import Figure

INK, BLUE, GREEN, ORANGE = "#1b1b1b", "#0072b2", "#009e73", "#d55e00"

_ON_DARK = {INK: "#e8e8e8", BLUE: "#56b4e9", GREEN: "#2fc79b", ORANGE: "#f08a3c"}
_DARK_RULES = "".join(
    f'[style*="{kind}: {color}"] {{{kind}: {lighter} !important}}'
    for color, lighter in _ON_DARK.items()
    for kind in ("fill", "stroke")
)
_STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # names contain $, _ and ^
    "svg.fonttype": "none",  # a browser has fonts for more scripts than matplotlib
    "svg.hashsalt": "jaxcnn",
    "font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
    "legend.frameon": False, "legend.fontsize": 9, "figure.constrained_layout.use": True,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
}  # fmt: skip


def drawing_style(changes: dict[Any, Any] | None = None) -> AbstractContextManager[None]:
    """A context with matplotlib's defaults, the style of the figures, and `changes`. Text is drawn literally."""
    return style.context(["default", _STYLE, changes or {}])


def as_svg(figure: Figure) -> str:
    """`figure` as the content of an SVG file. Call it in the `drawing_style` of the figure."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # the browser has the glyph
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue().replace("</style>", f"@media (prefers-color-scheme: dark) {{{_DARK_RULES}}}</style>", 1)


def as_png(figure: Figure) -> bytes:
    """`figure` as the content of a PNG file. Call it in the `drawing_style` of the figure."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a box is drawn for a character that no font has
        figure.savefig(buffer, format="png", facecolor="white")
    return buffer.getvalue()


def shorten(name: str, width: int = 20) -> str:
    """`name` in at most `width` characters, for labels that must not overlap.

    Examples:
        >>> shorten("Ankle boot"), shorten("a class with a long name", 12)
        ('Ankle boot', 'a class wit…')
    """
    return name if len(name) <= width else f"{name[: width - 1]}…"
