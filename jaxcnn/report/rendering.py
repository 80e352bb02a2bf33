"""Pages put together from a template and written, with their figures inside."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxcnn.errors import InputError


def write_page(template: str, content: Mapping[str, Any], out: Path) -> Path:
    """Write the page that `template` makes of `content` to `out`, which is returned.

    Raises:
        InputError: if it cannot be written.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jaxcnn.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template(template).render(content)
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}): give another --out") from error
    return out


def embed_figure(title: str, svg: str, words: str) -> dict[str, str]:
    """A figure as the templates take it: its title, the picture as an address that holds it, and its caption."""
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
    return {"title": title, "source": source, "words": words}
