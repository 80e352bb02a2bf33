"""The commands and examples of docs/how-to run in order, on the sample. Slow commands are shortened."""

import re

import pytest
from documents import ROOT, read_blocks, run_blocks

PAGES = sorted((ROOT / "docs" / "how-to").glob("*.md"))

pytestmark = pytest.mark.usefixtures("restore_log_levels")


@pytest.mark.filterwarnings("default")  # warnings inside TFDS are not errors
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_and_example_runs(page, sample_as_fashion_mnist, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_blocks(read_blocks(page.read_text(encoding="utf-8")), {"__name__": "__main__"}, str(page))
    assert any(tmp_path.iterdir())


def test_every_linked_file_exists():
    links = [
        page.parent / link
        for page in PAGES
        for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
        if not link.startswith("http")
    ]
    assert links
    assert [str(link) for link in links if not link.exists()] == []
