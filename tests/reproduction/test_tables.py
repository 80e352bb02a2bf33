import io

import pytest
from rich.console import Console

from jaxcnn.recipes import RECIPES
from jaxcnn.reproduction import as_markdown, compare, detail_rows, notes, overview_rows, show_reproduction
from jaxcnn.reproduction.tables import markdown_table

LAST = [{"train_loss": 0.60, "test_accuracy": 0.75}, {"train_loss": 0.62, "test_accuracy": 0.77}]


def test_the_overview_has_a_verdict_for_each_experiment(results_of):
    heading, *rows = overview_rows(results_of("lenet", last=LAST))
    assert [row[0] for row in rows] == list(RECIPES)
    assert {len(row) for row in rows} == {len(heading)}
    assert rows[0] == (
        "lenet", "yes", "2 x 5 epochs", "0.6137 / 0.6100 ± 0.0141", "0.757 / 0.757 ± 0.000", "0.760 / 0.750 to 0.770",
        "-0.6%",
    )  # fmt: skip
    assert rows[1] == ("alexnet", "not run", "-", "-", "-", "-", "-")


def test_details_have_each_metric_with_spread_and_verdict(results_of):
    experiment, *_ = compare(results_of("lenet", last=LAST))
    assert detail_rows([experiment])[1:] == [
        ("lenet", "train loss", "0.6137", "0.6100", "0.0141", "0.6000 to 0.6200", "yes"),
        ("lenet", "train acc", "0.757", "0.757", "0.000", "0.757 to 0.757", "yes"),
        ("lenet", "test acc", "0.760", "0.760", "0.014", "0.750 to 0.770", "yes"),
        ("lenet", "epoch loss", "", "-0.6%", "", "epochs 1 to 5", "yes"),
    ]


def test_markdown_cells_are_escaped():
    assert markdown_table([["a|b", "two\nlines"], ["1", "2"]]) == "| a\\|b | two lines |\n| --- | --- |\n| 1 | 2 |\n"


def test_one_run_has_no_deviation_and_no_range(results_of):
    experiment, *_ = compare(results_of("lenet", last=[{}]))
    assert detail_rows([experiment])[3][3:] == ("0.760", "-", "0.760", "1 seed")


def test_a_failure_is_noted_with_its_possible_cause(results_of):
    outside = [{"test_accuracy": 0.85}, {"test_accuracy": 0.86}]
    (note,) = notes(results_of("lenet_bn", last=outside))
    assert note.startswith("lenet_bn: not reproduced in final test accuracy (+0.0340); possible cause: with moving")
    (note,) = notes(results_of("lenet", last=outside))
    assert note.endswith("final test accuracy (+0.0950); cause unknown")


def test_unfinished_and_excluded_runs_are_noted(results_of):
    assert notes(results_of("lenet", epochs=2)) == ["lenet: 2 of 5 epochs are done"]
    assert notes(results_of("lenet", limit=3000)) == ["lenet: trained on 3,000 images, not on all"]
    results = results_of("lenet")
    results["runs"][1] |= {"epochs": results["runs"][1]["epochs"][:3], "status": "unfinished"}
    results["runs"][2] |= {"batch_size": 64}
    assert notes(results) == [
        "lenet: seed 1 has 3 of 5 epochs (unfinished)",
        "lenet: seeds 2 are left out: other settings, --limit or --dtype than the compared runs",
    ]


def test_modern_recipes_have_a_separate_table(results_of):
    results = results_of("lenet_modern", last=[{"test_accuracy": 0.88}, {"test_accuracy": 0.89}])
    text = as_markdown(results)
    assert "| lenet_modern | 2 x 5 epochs | 0.760 | 0.885 ± 0.007 | 0.880 to 0.890 |" in text
    assert "lenet_modern" not in str(overview_rows(results))
    assert notes(results) == []


@pytest.mark.parametrize("name", RECIPES)
def test_tables_fit_80_columns_without_truncation(name, results_of):
    console = Console(file=io.StringIO(), width=80)
    results = results_of(name)
    results["runs"] += results_of(f"{name}_modern")["runs"]
    show_reproduction(results, console)
    shown = console.file.getvalue()
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    for row in detail_rows(experiment for experiment in compare(results) if experiment.recipe.name == name):
        for cell in row:
            assert cell in shown
    assert f"{name}_modern" in shown


def test_without_runs_nothing_is_printed(results_of):
    console = Console(file=io.StringIO(), width=80)
    show_reproduction({"runs": []}, console)
    assert console.file.getvalue() == ""
