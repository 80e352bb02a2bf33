import json

import pytest
from pages import Elements

from jaxcnn import InputError, cli
from jaxcnn.recipes import RECIPES, SOURCE
from jaxcnn.report import write_reproduction_report

pytestmark = pytest.mark.usefixtures("restore_log_levels")


@pytest.fixture
def reproduced(results_of, tmp_path):
    """A reproduction with three runs of LeNet, and one run of ResNet with two epochs."""
    runs = results_of("lenet")["runs"] + results_of("resnet", last=[{}], epochs=2)["runs"]
    runs[0] |= {"device": "cpu, abacus", "versions": {"jax": "1.2.3"}}
    (tmp_path / "reproduction.json").write_text(json.dumps({"runs": runs}))
    return tmp_path


def test_the_page_is_self_contained_and_lists_all_experiments(reproduced):
    page = write_reproduction_report(reproduced).read_text()
    found = Elements(page).found
    assert not {tag for tag, _ in found} & {"script", "link", "iframe"}
    assert page.count('src="data:image/svg+xml;base64,') == page.count("<img") == 4
    overview = page[: page.index("LeNet, section 4.5")]
    for name in RECIPES:
        assert f">{name}<" in overview
    assert SOURCE.split(" (")[0] in overview
    assert overview.count("not run") == 7


def test_each_experiment_shows_its_device_and_its_command(reproduced):
    page = write_reproduction_report(reproduced).read_text()
    for words in (
        "the mean of 3 runs, with the range from minimum to maximum", "Seeds 0, 1, 2; cpu, abacus, jax 1.2.3",
        "jaxcnn reproduce lenet --seeds 3", "jaxcnn reproduce resnet --seeds 1", "resnet: 2 of 5 epochs are done",
        "The images stay at 28x28",
    ):  # fmt: skip
        assert words in page.replace("&#39;", "'")


def test_the_command_has_the_options_of_the_runs(results_of, tmp_path):
    results = results_of("lenet", limit=300, dtype="bfloat16", num_epochs=2, epochs=2)
    (tmp_path / "reproduction.json").write_text(json.dumps(results))
    page = write_reproduction_report(tmp_path).read_text()
    assert "jaxcnn reproduce lenet --seeds 3 --epochs 2 --limit 300 --dtype bfloat16" in page


def test_the_command_accepts_the_directory_or_the_file(reproduced, capsys):
    assert cli.main(["report", str(reproduced)]) == 0
    assert cli.main(["report", str(reproduced / "reproduction.json")]) == 0
    assert cli.main(["report", str(reproduced / "reproduction.json"), "--output", str(reproduced / "page.html")]) == 0
    pages = [(reproduced / name).read_text() for name in ("report.html", "reproduction.html", "page.html")]
    assert pages[0] == pages[1] == pages[2]
    assert f"wrote {reproduced / 'report.html'}" in capsys.readouterr().out


def test_the_page_does_not_replace_the_results(reproduced):
    results = (reproduced / "reproduction.json").read_bytes()
    for path in (reproduced, reproduced / "reproduction.json"):
        with pytest.raises(InputError, match="holds the results: give another --output for the page"):
            write_reproduction_report(path, reproduced / "reproduction.json")
    assert (reproduced / "reproduction.json").read_bytes() == results


def test_results_without_a_finished_epoch_raise(tmp_path):
    (tmp_path / "reproduction.json").write_text('{"runs": []}')
    with pytest.raises(InputError, match="no finished epoch of the book's experiments: run jaxcnn reproduce first"):
        write_reproduction_report(tmp_path)
