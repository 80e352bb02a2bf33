"""The lessons as pages: links to them.

The lessons are in experiments/chapter, and docs/tutorials/chapter is a symbolic link to it. MyST follows the link, and
so does not find the page of a lesson that a page links to.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_FOLDER = "tutorials/chapter"


def link_pages(source: str) -> str:
    """Replace links to the files of lessons by references to their pages.

    Examples:
        >>> link_pages("see [4.8](section_4_08_nin.py)")
        'see {doc}`4.8 </tutorials/chapter/section_4_08_nin>`'
        >>> link_pages("[LeNet](../tutorials/chapter/section_4_05_lenet.py)")
        '{doc}`LeNet </tutorials/chapter/section_4_05_lenet>`'
    """
    return re.sub(r"\[([^\[\]]+)\]\((?:[./\w-]+/)?(section_\w+)\.py\)", rf"{{doc}}`\1 </{_FOLDER}/\2>`", source)


def _link_pages(app: "Sphinx", page: str, source: list[str]) -> None:
    del app, page
    source[0] = link_pages(source[0])


def setup(app: "Sphinx") -> dict[str, bool]:
    """Change the source of each page before it is read."""
    app.connect("source-read", _link_pages)
    return {"parallel_read_safe": True}
