"""The commands and examples of each page in docs run in order, on the sample. Slow commands are shortened."""

import re

import pytest
from documents import ROOT, read_blocks, run_blocks

DOCS = ROOT / "docs"
PAGES = sorted(page.relative_to(DOCS) for page in DOCS.rglob("*.md"))
BLOCKS = {page: read_blocks((DOCS / page).read_text(encoding="utf-8")) for page in PAGES}
WITH_EXAMPLES = [
    page for page in PAGES if any(kind in ("python", "sh") or text.startswith("$ ") for kind, text in BLOCKS[page])
]

pytestmark = pytest.mark.usefixtures("restore_log_levels")


@pytest.mark.filterwarnings("default")  # warnings inside TFDS are not errors
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=str)
def test_every_command_and_example_runs(page, sample_as_fashion_mnist, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_blocks(BLOCKS[page], {"__name__": "__main__"}, str(page))


def test_every_how_to_page_has_examples():
    how_to = {page for page in PAGES if page.parent.name == "how-to" and page.name != "index.md"}
    assert how_to
    assert how_to <= set(WITH_EXAMPLES)


def test_every_linked_file_exists():
    links = [
        DOCS / page.parent / link
        for page in PAGES
        for link in re.findall(r"\]\(([^)#]+)", (DOCS / page).read_text(encoding="utf-8"))
        if not link.startswith("http")
    ]
    assert links
    assert [str(link) for link in links if not link.exists()] == []
