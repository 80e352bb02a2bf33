"""The commands and examples of README.md run in order, on the sample. Slow commands are shortened."""

import io
import re
import runpy
from types import SimpleNamespace

import pytest
from documents import ROOT, read_blocks, run_blocks
from networks import drawn_variables
from rich.console import Console

from jaxcnn import interop, models, recipes
from jaxcnn.cli.overview import print_recipes
from jaxcnn.reproduction import as_markdown

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = read_blocks(README)
RESULTS = ROOT / "experiments" / "results"

pytestmark = pytest.mark.usefixtures("restore_log_levels")


@pytest.mark.filterwarnings("default")  # warnings inside TFDS are not errors
def test_every_command_and_example_runs(sample_as_fashion_mnist, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    weights = interop.variables_to_torch(
        models.ResNet18(), drawn_variables(models.ResNet18(), (1, 96, 96, 1)), (96, 96, 1)
    )
    names = {"module": SimpleNamespace(state_dict=lambda: weights), "__name__": "__main__"}
    (own,) = (text for _, text in BLOCKS if text.startswith("# allconv.py\n"))
    (tmp_path / "allconv.py").write_text(own)
    run_blocks(BLOCKS, names, "README.md")
    assert (tmp_path / "runs" / "lenet" / "report.html").is_file()
    assert names["logits"].shape[1] == 10
    assert "33,482" in capsys.readouterr().out


def test_the_list_matches_jaxcnn_list():
    shown = Console(file=io.StringIO(), width=80)
    print_recipes(shown)
    lines = "\n".join(line.rstrip() for line in shown.file.getvalue().splitlines())
    (table,) = (text for kind, text in BLOCKS if not kind and "lenet_modern" in text)
    assert table.strip("\n") in lines


def test_tables_match_the_committed_results():
    names = runpy.run_path(str(ROOT / "experiments" / "update_readme.py"))
    assert names["update"](README) == README, "run python experiments/update_readme.py"
    for name in (*names["REPRODUCTIONS"], *names["OTHER_REPRODUCTIONS"]):
        assert (RESULTS / f"{name}.md").read_text(encoding="utf-8") == as_markdown(names["read"](name))


def test_the_reproduction_table_has_every_verdict():
    table = README[README.index("<!-- reproduction -->") : README.index("<!-- end of reproduction -->")]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    verdicts = {row[0]: row[1] for row in rows if row[0] in recipes.RECIPES}
    assert list(verdicts) == list(recipes.RECIPES)
    assert set(verdicts.values()) <= {"yes", "yes, 1 seed", "no", "unfinished", "not run"}


def test_every_named_file_and_folder_exists():
    named = set(re.findall(r"`((?:jaxcnn|tests|experiments)(?:/[\w./]+)?)`", README))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
