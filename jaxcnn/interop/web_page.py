"""A network as one HTML page that classifies images in the browser, without a server or a network connection."""

import base64
import gzip
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jaxcnn.interop.web_runtime import VERSION, load_runtime


def make_web_page(program: bytes, num_classes: int, metadata: Mapping[str, Any]) -> bytes:
    """Render the page, which contains an ONNX program and the runtime.

    Args:
        program: from `to_onnx`.
        num_classes: length of the logits; the classes are numbered if the metadata has no names.
        metadata: from `make_metadata`. The page shows it, and preprocesses images accordingly.

    Returns:
        The page, UTF-8.

    Raises:
        InputError: if the runtime cannot be obtained.
    """
    import jinja2

    script, wasm = load_runtime()
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jaxcnn.interop", "web"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("page.html").render(
        metadata={"class_names": [str(number) for number in range(num_classes)]} | dict(metadata),
        version=VERSION,
        scripts=[read_script(name) for name in ("preprocess.js", "page.js")],
        files={"runtime": _encode(script), "wasm": _encode(wasm), "network": _encode(program)},
    )
    return page.encode(errors="replace")  # names of classes can have bytes that are not UTF-8


def read_script(name: str) -> str:
    """The JavaScript file `name` of the page."""
    return (resources.files("jaxcnn.interop") / "web" / name).read_text(encoding="utf-8")


def _encode(content: bytes) -> str:
    """Compress and encode `content` for a script element; equal content gives equal text."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()
