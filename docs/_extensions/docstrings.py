"""Docstrings as reStructuredText: formulas are indented lines in them, and names have no package."""

from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def mark_formulas(lines: list[str]) -> list[str]:
    """The lines of a docstring with a directive before each indented block that is not part of a section.

    Examples:
        >>> mark_formulas(["The sum:", "", "    x + y"])
        ['The sum:', '', '.. code-block:: text', '', '    x + y']
    """
    marked, in_block, in_section = [], False, False
    for number, line in enumerate(lines):
        if line.strip() and not line.startswith(" "):
            in_block, in_section = False, line.endswith(":") and lines[number + 1 : number + 2] not in ([], [""])
        elif line.strip() and not in_block:
            in_block = True
            if not in_section and not lines[number - 1].strip():
                marked += [".. code-block:: text", ""]
        marked.append(line)
    return marked


def _mark_formulas(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    del app, name, value, options
    lines[:] = mark_formulas(lines)
    if what in ("data", "property"):
        lines[:0] = ["..", ""]  # a comment: napoleon takes the words before a colon in the first line for a type


def _find_in_packages(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.reference | None:
    """The object with the name of `node`, as in `ops.conv2d`, or the class with this name, if there is one."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not ("." in target or target[:1].isupper()):
        return None
    domain = env.domains.python_domain
    found = [
        name for name in domain.objects if name.endswith(f".{target}") and name.count(".") <= 2 + target.count(".")
    ]
    if len(found) != 1:
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", found[0], node, content)


def _shorten_array(app: Sphinx, doctree: nodes.document) -> None:
    """Show `jax.Array` in the types of properties without the private module that defines it."""
    del app
    for text in doctree.findall(nodes.Text):
        if "jaxlib._jax." in text:
            text.parent.replace(text, nodes.Text(text.replace("jaxlib._jax.", "")))


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to autodoc, before napoleon, and to the search for targets."""
    app.connect("autodoc-process-docstring", _mark_formulas, priority=200)
    app.connect("missing-reference", _find_in_packages)
    app.connect("doctree-read", _shorten_array)
    return {"parallel_read_safe": True}
