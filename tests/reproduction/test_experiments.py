import io
import json
import re
import signal
import time
from dataclasses import replace

import pytest
from processes import start_reproduction
from rich.console import Console

from jaxcnn.errors import DivergedError, InputError, RunError, StoppedError
from jaxcnn.recipes import RECIPES
from jaxcnn.reproduction import experiments, plan, reproduce
from jaxcnn.runs import RunDirectory, StopSignals
from jaxcnn.training import Checkpointer

SHORT = {"num_epochs": 1, "limit": 64}


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=80)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


def run_experiments(names, dataset, root, console, **options):
    """Plan runs and train them."""
    return reproduce(plan(names, root, **options), dataset, root, console)


def results_in(root):
    return json.loads((root / "reproduction.json").read_text())


def test_finished_runs_are_kept_and_not_trained_again(sample, tmp_path, console, monkeypatch):
    results = run_experiments(["lenet"], sample, tmp_path, console, seeds=2, **SHORT)
    assert results == results_in(tmp_path)
    runs = results["runs"]
    assert [(run["recipe"], run["seed"], run["status"], len(run["epochs"])) for run in runs] == [
        ("lenet", 0, "finished", 1),
        ("lenet", 1, "finished", 1),
    ]
    assert all(run["device"].startswith("cpu") and len(run["params_sha256"]) == 64 for run in runs)
    assert {path.name for path in (tmp_path / "lenet").iterdir()} == {"seed-0", "seed-1"}
    monkeypatch.setattr(experiments, "train", lambda *_, **__: pytest.fail("trained again"))
    assert run_experiments(["lenet"], sample, tmp_path, console, seeds=2, **SHORT) == results
    text = console.file.getvalue()
    assert "the book's figures and ours" in text
    assert "lenet: 1 of 5 epochs are done" in text
    assert "lenet: trained on 64 images, not on all" in text
    assert "| lenet | unfinished | 2 x 1 epoch |" in (tmp_path / "reproduction.md").read_text()


def test_the_cheapest_experiment_comes_first(sample, tmp_path, console, monkeypatch):
    order = []
    monkeypatch.setattr(experiments, "train", lambda config, *_, **__: order.append(config.recipe.name))
    run_experiments([], sample, tmp_path, console)
    assert order == [
        "lenet", "lenet_bn", "lenet_bn_scratch", "resnet", "densenet", "googlenet", "alexnet", "nin", "vgg"
    ]  # fmt: skip


def test_a_run_with_other_settings_raises_before_training(sample, tmp_path, console, monkeypatch):
    run_experiments(["lenet"], sample, tmp_path, console, **SHORT)
    before = results_in(tmp_path)
    changed = replace(RECIPES["lenet"], model=RECIPES["lenet_bn"].model)
    monkeypatch.setattr(experiments, "get_recipe", {"lenet": changed, "lenet_bn": RECIPES["lenet_bn"]}.get)
    monkeypatch.setattr(experiments, "train", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(
        InputError, match=r"lenet/seed-0 has a run with other settings: model norm partial None there and .* here"
    ):
        run_experiments(["lenet_bn", "lenet"], sample, tmp_path, console, **SHORT)
    assert results_in(tmp_path) == before


def test_sigkill_loses_at_most_one_epoch(sample, tmp_path, compiled, record_fault):
    options = {"num_epochs": 30, "limit": 512}
    process = start_reproduction(["lenet"], sample, tmp_path, compiled, **options)
    while process.is_alive() and not (tmp_path / "reproduction.json").exists():
        time.sleep(0.01)
    while process.is_alive() and len(results_in(tmp_path)["runs"][0]["epochs"]) < 3:
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (run,) = results_in(tmp_path)["runs"]
    done = len(run["epochs"])
    assert 3 <= done < 30
    assert run["status"] == "unfinished"
    saved = (tmp_path / "lenet" / "seed-0" / "metrics.jsonl").read_text().splitlines()
    assert len(saved) - done in (0, 1)  # the last one may not be on disk as a checkpoint
    table = (tmp_path / "reproduction.md").read_text()  # written after the JSON
    (shown,) = re.findall(r"\| lenet \| unfinished \| 1 x (\d) epochs \|", table)
    assert int(shown) in (min(done, 5), min(done - 1, 5))
    process = start_reproduction(["lenet"], sample, tmp_path, compiled, **options)
    process.join()
    (again,) = results_in(tmp_path)["runs"]
    assert (again["status"], len(again["epochs"])) == ("finished", 30)
    assert again["epochs"][:done] == run["epochs"]
    record_fault(
        "`jaxcnn reproduce` killed by SIGKILL in the middle of a run",
        "reproduction.json has every finished epoch, and the table can be read; the same command resumes the run, "
        "and at most one epoch is lost",
    )


def test_two_processes_share_a_directory(sample, tmp_path, compiled):
    options = {"num_epochs": 3, "limit": 512, "seeds": 2}
    processes = [start_reproduction([name], sample, tmp_path, compiled, **options) for name in ("lenet", "lenet_bn")]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    runs = results_in(tmp_path)["runs"]
    assert [(run["recipe"], run["seed"], run["status"]) for run in runs] == [
        ("lenet", 0, "finished"), ("lenet", 1, "finished"), ("lenet_bn", 0, "finished"), ("lenet_bn", 1, "finished")
    ]  # fmt: skip


def test_a_run_locked_by_another_process_is_skipped(sample, tmp_path, console):
    with RunDirectory(tmp_path / "lenet" / "seed-0", experiments.RunConfig(shortened("lenet"), limit=64).as_json()):
        results = run_experiments(["lenet"], sample, tmp_path, console, seeds=2, **SHORT)
    assert [(run["seed"], run["status"]) for run in results["runs"]] == [(0, "unfinished"), (1, "finished")]
    assert "lenet/seed-0: in use by another process" in " ".join(console.file.getvalue().split())


def shortened(name):
    return replace(RECIPES[name], num_epochs=1)


def test_a_diverged_run_does_not_stop_the_others(sample, tmp_path, console, monkeypatch):
    wild = replace(RECIPES["lenet"], learning_rate=1e38)
    monkeypatch.setattr(experiments, "get_recipe", {"lenet": wild, "lenet_bn": RECIPES["lenet_bn"]}.get)
    with pytest.raises(DivergedError, match=r"1 of 2 runs diverged; the first: .*lenet/seed-0"):
        run_experiments(["lenet", "lenet_bn"], sample, tmp_path, console, num_epochs=3, limit=64)
    assert [(run["recipe"], run["status"]) for run in results_in(tmp_path)["runs"]] == [
        ("lenet", "diverged"),
        ("lenet_bn", "finished"),
    ]


def test_invalid_arguments_raise_and_write_nothing(sample, tmp_path, console):
    with pytest.raises(InputError, match="recipe 'lennet' is unknown"):
        run_experiments(["lennet"], sample, tmp_path, console)
    with pytest.raises(InputError, match="--seeds 0: expected 1 or more"):
        run_experiments([], sample, tmp_path, console, seeds=0)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file cannot be created \(File exists\): give another --output"):
        run_experiments(["lenet"], sample, tmp_path / "file", console)


def test_a_signal_in_the_last_steps_stops_before_the_next_run(sample, tmp_path, console, monkeypatch):
    def train_and_raise(config, *arguments, **options):
        with StopSignals():
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(experiments, "train", train_and_raise)
    with pytest.raises(StoppedError) as stopped:
        run_experiments(["lenet"], sample, tmp_path, console, seeds=3, **SHORT)
    assert stopped.value.signal == signal.SIGTERM


def test_an_empty_run_directory_is_used(sample, tmp_path, console):
    (tmp_path / "[red]" / "lenet" / "seed-0").mkdir(parents=True)
    results = run_experiments(["lenet"], sample, tmp_path / "[red]", console, **SHORT)
    assert [run["status"] for run in results["runs"]] == ["finished"]
    assert "[red]/lenet/seed-0" in "".join(console.file.getvalue().split())


def test_unwritable_results_raise(sample, tmp_path, console):
    run_experiments(["lenet"], sample, tmp_path, console, **SHORT)
    (tmp_path / "reproduction.json").unlink()
    (tmp_path / "reproduction.json").mkdir()
    with pytest.raises(RunError, match=r"the results cannot be written in .* \(Is a directory\): the runs are kept"):
        run_experiments(["lenet"], sample, tmp_path, console, **SHORT)


def test_an_unwritable_checkpoint_raises(sample, tmp_path, console, monkeypatch):
    def wait(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Checkpointer, "wait", wait)
    with pytest.raises(
        RunError, match=r"^\[Errno 28\] No space left on device: the run ends; solve this, and the same"
    ):
        run_experiments(["lenet"], sample, tmp_path, console, **SHORT)


def test_a_damaged_run_raises_before_training(sample, tmp_path, console, monkeypatch):
    run_experiments(["lenet"], sample, tmp_path, console, **SHORT)
    (tmp_path / "lenet" / "seed-0" / "summary.json").write_text("{")
    monkeypatch.setattr(experiments, "train", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(InputError, match=r"seed-0/summary.json cannot be read"):
        run_experiments(["lenet_bn"], sample, tmp_path, console, **SHORT)
