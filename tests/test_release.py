"""The files that name the version of the package."""

import re

from documents import ROOT

import jaxcnn


def test_the_citation_has_the_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (\S+)$", text, re.MULTILINE) == [jaxcnn.__version__]


def test_the_changelog_begins_with_unreleased_changes_and_the_version():
    text = (ROOT / "docs" / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", text, re.MULTILINE)[:2] == ["Unreleased", jaxcnn.__version__]
