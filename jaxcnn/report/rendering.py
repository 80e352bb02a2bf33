"""Pages: a template, its content, and figures as data URLs."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxcnn.errors import InputError
from jaxcnn.files import write_file
from jaxcnn.words import count_of


def write_page(template: str, content: Mapping[str, Any], out: Path) -> Path:
    """Render `template` with `content`, and write the page to `out`, which is returned.

    Raises:
        InputError: if it cannot be written.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jaxcnn.report", "templates"), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters["count_of"] = count_of
    page = environment.get_template(template).render(content)
    try:
        write_file(out, page.encode(errors="replace"))  # names of files can have bytes that are not UTF-8
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}): give another --output") from error
    return out


def embed_figure(title: str, svg: str, words: str, finding: str) -> dict[str, str]:
    """A figure for the templates, with the image as a data URL.

    Args:
        title: what it shows.
        svg: the content of an SVG file.
        words: how to read it, for the caption.
        finding: what can be seen in it, for the alternative text.
    """
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
    return {"title": title, "source": source, "words": words, "finding": finding}
