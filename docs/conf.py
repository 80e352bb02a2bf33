"""Sphinx configuration of the documentation site.

pip install '.[docs]' && sphinx-build -W -b html docs build/site
"""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "_extensions"))

project = "jaxcnn"
author = "The jaxcnn authors"
copyright = "2026, The jaxcnn authors"  # noqa: A001 -- Sphinx's name
version = release = installed_version("jaxcnn")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx-mathjax-offline",  # formulas without a network
    "command_line",
    "docstrings",
    "lessons",
    "source_code",
]
exclude_patterns = ["conf.py", "_extensions/**", "images/**", "tutorials/chapter/figures.py"]

# The lessons are Python files with percent cells. Their outputs are computed in each build.
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
suppress_warnings = ["myst-nb.lexer"]  # of lessons that are not executed, with -D nb_execution_mode=off
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {
    "members": True,
    "special-members": "__call__",
    "exclude-members": "replace",  # of Flax's dataclasses
    "no-value": True,
}
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Attributes", "Args")]  # fields of dataclasses and modules are arguments
default_role = "py:obj"  # of `names` in docstrings
smartquotes_action = "D"  # dashes only: quotation marks are those of strings
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 80
python_trailing_comma_in_multi_line_signatures = False

html_theme = "furo"
html_title = "jaxcnn"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
