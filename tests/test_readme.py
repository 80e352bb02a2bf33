"""README.md: its commands and examples run in order, on the sample, and its tables have the committed figures."""

import re
import runpy

import pytest
from documents import ROOT, read_blocks, run_blocks

from jaxcnn import recipes

README = (ROOT / "README.md").read_text(encoding="utf-8")
UPDATE = runpy.run_path(str(ROOT / "experiments" / "update_tables.py"))

pytestmark = pytest.mark.usefixtures("restore_log_levels")


@pytest.mark.filterwarnings("default")  # warnings inside TFDS are not errors
def test_every_command_and_example_runs(sample_as_fashion_mnist, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    run_blocks(read_blocks(README), names, "README.md")
    assert (tmp_path / "runs" / "lenet" / "report.html").is_file()
    assert names["epoch"].epoch == 5


def test_it_is_short():
    assert len(README.splitlines()) <= 160


@pytest.mark.parametrize("path", UPDATE["documents"](), ids=lambda path: str(path.relative_to(ROOT)))
def test_tables_match_the_committed_results(path):
    text = path.read_text(encoding="utf-8")
    assert UPDATE["update"](path, UPDATE["documents"]()[path]) == text, "run python experiments/update_tables.py"


def test_the_table_of_results_has_every_verdict():
    table = README[README.index("<!-- results -->") : README.index("<!-- end of results -->")]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    verdicts = {row[0]: row[4] for row in rows[2:]}
    assert list(verdicts) == list(recipes.RECIPES)
    assert set(verdicts.values()) <= {"yes", "yes, 1 seed", "no", "unfinished", "not run"}


def test_every_named_file_and_folder_exists():
    named = set(re.findall(r"(?:`|\]\(|python )((?:docs|jaxcnn|tests|experiments)(?:/[\w./-]+)?)", README))
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []
