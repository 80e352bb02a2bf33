import json

import pytest

from jaxcnn import InputError
from jaxcnn.reproduction import collect_results, merge_results, read_results
from jaxcnn.training import EpochResult


def write_run(path, *, epochs, summary=None, **config):
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"format": 2, "limit": None, **config}))
    metrics = dict.fromkeys(("train_loss", "train_accuracy", "test_loss", "test_accuracy"), 2.0)
    results = [EpochResult(number, metrics, 2.0, 2.0, 2.0) for number in range(1, epochs + 1)]
    lines = [json.dumps(result.as_json()) + "\n" for result in results]
    if lines:
        (path / "metrics.jsonl").write_text("".join(lines))
    if summary is not None:
        (path / "summary.json").write_text(json.dumps(summary))


def test_finished_and_unfinished_runs_are_collected(tmp_path):
    ending = {"status": "finished", "device": "cpu", "versions": {}, "params_sha256": "ab", "compile_seconds": 1.5}
    write_run(tmp_path / "vgg" / "seed-0", recipe="vgg", seed=0, epochs=0)
    write_run(tmp_path / "lenet" / "seed-10", recipe="lenet", seed=10, epochs=2)
    write_run(tmp_path / "lenet" / "seed-9", recipe="lenet", seed=9, epochs=5, summary=ending)
    runs = collect_results(tmp_path)["runs"]
    collected = [(run["recipe"], run["seed"], run["status"], len(run["epochs"]), run["seconds"]) for run in runs]
    assert collected == [
        ("lenet", 9, "finished", 5, 10.0), ("lenet", 10, "unfinished", 2, 4.0), ("vgg", 0, "unfinished", 0, 0)
    ]  # fmt: skip
    assert {**runs[0], **ending} == runs[0]


def test_an_empty_directory_has_no_runs(tmp_path):
    assert collect_results(tmp_path) == {"runs": []}


def test_a_damaged_file_is_named(tmp_path):
    write_run(tmp_path / "lenet" / "seed-0", recipe="lenet", seed=0, epochs=1)
    for text in ('{"epoch"', '{"epoch": 1}', "[]"):
        (tmp_path / "lenet" / "seed-0" / "metrics.jsonl").write_text(text)
        with pytest.raises(InputError, match=r"seed-0/metrics.jsonl cannot be read"):
            collect_results(tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"recipe": []},
        {"recipe": "lenet"},
        {"recipe": "lenet", "seed": "x"},
        {"recipe": "lenet", "seed": 1, "limit": "x"},
    ],
)
def test_an_invalid_run_directory_is_named(tmp_path, config):
    (tmp_path / "foo" / "seed-0").mkdir(parents=True)
    (tmp_path / "foo" / "seed-0" / "config.json").write_text(json.dumps({"format": 2, **config}))
    with pytest.raises(InputError, match=r"foo/seed-0 is not a run of jaxcnn reproduce \(.*\): move it elsewhere"):
        collect_results(tmp_path)


@pytest.mark.parametrize("value", [None, "x", []])
def test_a_metric_that_is_not_a_number_raises(tmp_path, results_of, value):
    results = results_of("lenet", last=[{"train_loss": value}])
    (tmp_path / "reproduction.json").write_text(json.dumps(results))
    with pytest.raises(InputError, match="train_loss is"):
        read_results(tmp_path)


def test_results_are_read_from_the_file_or_its_directory(tmp_path, results_of):
    results = results_of("lenet")
    (tmp_path / "reproduction.json").write_text(json.dumps(results))
    assert read_results(tmp_path) == read_results(tmp_path / "reproduction.json") == results


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"runs": 3}', '{"runs": [{"recipe": "lenet"}]}',
        '{"runs": [{"recipe": "lenet", "seed": 0, "limit": null, "epochs": [{"epoch": 1}]}]}',
    ],
)  # fmt: skip
def test_an_invalid_results_file_raises(tmp_path, text):
    (tmp_path / "reproduction.json").write_text(text)
    with pytest.raises(InputError, match="give the directory of jaxcnn reproduce"):
        read_results(tmp_path)


def _runs(recipe, device, statuses):
    return [{"recipe": recipe, "device": device, "seed": seed, "status": status} for seed, status in statuses.items()]


def test_merged_runs_are_from_the_platform_with_most_finished_runs():
    two, one = {0: "finished", 1: "finished"}, {0: "finished", 1: "unfinished"}
    cpu = {"runs": _runs("lenet", "cpu, A", two) + _runs("vgg", "cpu, A", one)}
    gpu = {"runs": _runs("lenet", "gpu, B", two) + _runs("vgg", "gpu, B", two)}
    killed = {"runs": [{"recipe": "nin", "seed": 0, "status": "unfinished"}]}
    merged = merge_results([cpu, gpu, killed])["runs"]
    assert [(run["recipe"], run.get("device")) for run in merged] == [
        ("lenet", "cpu, A"), ("lenet", "cpu, A"), ("vgg", "gpu, B"), ("vgg", "gpu, B"), ("nin", None)
    ]  # fmt: skip


def test_machines_of_one_platform_share_the_seeds():
    first = {"runs": _runs("vgg", "cpu, A", {0: "finished", 1: "interrupted", 5: "finished"})}
    second = {"runs": _runs("vgg", "cpu, B", {0: "finished", 1: "finished", 4: "finished"})}
    gpu = {"runs": _runs("vgg", "gpu, C", {0: "finished", 1: "finished", 2: "finished"})}
    merged = merge_results([first, gpu, second])["runs"]
    assert [(run["seed"], run["device"]) for run in merged] == [
        (0, "cpu, A"), (1, "cpu, B"), (4, "cpu, B"), (5, "cpu, A")
    ]  # fmt: skip
