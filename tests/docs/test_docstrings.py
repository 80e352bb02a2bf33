"""Formulas in docstrings are shown as they are written, and sections stay sections."""

import pytest

pytest.importorskip("sphinx")

import docstrings

DIRECTIVE = ".. code-block:: text"


def test_formulas_are_marked():
    lines = ["The sum", "", "    x + y", "    over x", "", "where x is 1."]
    marked = ["The sum", "", DIRECTIVE, "", "    x + y", "    over x", "", "where x is 1."]
    assert docstrings.mark_formulas(lines) == marked


def test_empty_lines_do_not_divide_a_formula():
    lines = ["", "    x", "", "    y"]
    assert docstrings.mark_formulas(lines).count(DIRECTIVE) == 1


def test_sections_are_not_marked():
    lines = [
        "Args:",
        "    x: a number.",
        "        It can be 0.",
        "",
        "Examples:",
        "    >>> 1",
        "    1",
        "",
        "    A word:",
    ]
    assert docstrings.mark_formulas(lines) == lines


def test_formulas_after_sections_are_marked():
    lines = ["Args:", "    x: a number.", "", "All of them", "", "    x"]
    assert docstrings.mark_formulas(lines)[-3:] == [DIRECTIVE, "", "    x"]


def test_formulas_after_a_colon_are_marked():
    lines = ["The moving statistics are updated:", "", "    new = old"]
    assert DIRECTIVE in docstrings.mark_formulas(lines)
