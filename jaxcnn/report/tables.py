"""Tables for the templates."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class HtmlTable:
    """The text of a table.

    Attributes:
        caption: what it shows.
        rows: the headings of the columns, then the rows; the first cell of a row is its heading.
        num_words: number of columns with words, at the left; the other columns have numbers.
        muted: headings of rows that are shown in a lighter color.
    """

    caption: str
    rows: Sequence[Sequence[str]]
    num_words: int = 1
    muted: Collection[str] = ()


def cell(value: float | None, digits: int = 3) -> str:
    """A number with `digits` digits after the point; a dash for None and NaN.

    Examples:
        >>> cell(0.5), cell(12.25, 1), cell(float("nan")), cell(None)
        ('0.500', '12.2', '-', '-')
    """
    return "-" if value is None or value != value else f"{value:.{digits}f}"
