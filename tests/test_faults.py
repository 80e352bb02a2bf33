"""The page of faults: what `pytest --write-faults` writes to it."""

import shutil

import faults
import pytest


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A copy of the page that the tests can change."""
    path = tmp_path / "faults.md"
    shutil.copy(faults.PAGE, path)
    monkeypatch.setattr(faults, "PAGE", path)
    return path


def test_the_page_is_as_it_is_written(page):
    before = page.read_text(encoding="utf-8")
    faults.write_rows(set())
    assert page.read_text(encoding="utf-8") == before


def test_a_changed_result_replaces_its_row(page):
    before = faults.read_rows()
    faults.write_rows({faults.Fault("Runs", "a flood", "one line, exit code 1", "wet")})
    faults.write_rows({faults.Fault("Runs", "a flood", faults.REFUSED, "jaxcnn: wet | cold")})
    assert faults.read_rows() - before == {("Runs", "| a flood | `jaxcnn: wet \\| cold` |\n")}
