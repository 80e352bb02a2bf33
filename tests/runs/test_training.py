import io
import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import linen as nn
from processes import RECIPE as QUICK
from rich.console import Console

from jaxcnn import layers, runs
from jaxcnn.errors import DivergedError, InputError
from jaxcnn.recipes import RECIPES
from jaxcnn.runs import RunConfig, params_sha256
from jaxcnn.training import Checkpointer, create_train_state, fit
from jaxcnn.writers import TerminalWriter

RECIPE = replace(RECIPES["lenet"], num_epochs=2, batch_size=200)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100, force_terminal=False)


def shown(console):
    return console.file.getvalue()


def test_a_run_writes_its_files(sample, tmp_path, console):
    epochs = runs.train(RunConfig(RECIPE, seed=3), sample, tmp_path / "run", writers=[TerminalWriter(console)])

    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["recipe"], config["seed"], config["num_epochs"], config["batch_size"]) == ("lenet", 3, 2, 200)

    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert set(lines[0]) == {
        "epoch", "train_loss", "train_accuracy", "train_top_5_accuracy", "train_gradient_norm", "test_loss",
        "test_accuracy", "test_top_5_accuracy", "seconds", "images_per_second", "compile_seconds",
    }  # fmt: skip
    assert lines[1]["test_accuracy"] == epochs[1].test_accuracy

    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["status"], summary["epochs_done"]) == ("finished", 2)
    assert summary["last_epoch"] == lines[1]
    assert summary["versions"]["jax"] == jax.__version__

    start = create_train_state(RECIPE.model, RECIPE.make_optimizer(), jax.random.key(0), (28, 28, 1))
    with Checkpointer(tmp_path / "run" / "checkpoints") as checkpoints:
        restored = checkpoints.restore(start)
    assert int(restored.step) == 6
    assert params_sha256(restored.variables) == summary["params_sha256"]


def test_a_run_equals_fit_with_the_recipe(sample, tmp_path, console):
    epochs = runs.train(RunConfig(RECIPE, seed=3), sample, tmp_path / "run", writers=[TerminalWriter(console)])
    start = create_train_state(RECIPE.model, RECIPE.make_optimizer(), jax.random.key(3), (28, 28, 1))
    expected = [result.train_loss for result in fit(start, sample, num_epochs=2, batch_size=200)]
    assert [epoch.train_loss for epoch in epochs] == expected


def test_a_finished_run_with_a_constant_rate_goes_on(sample, tmp_path):
    whole = runs.train(RunConfig(RECIPE), sample, tmp_path / "whole")
    runs.train(RunConfig(replace(RECIPE, num_epochs=1)), sample, tmp_path / "run")
    longer = runs.train(RunConfig(RECIPE), sample, tmp_path / "run")
    assert [epoch.metrics for epoch in longer] == [epoch.metrics for epoch in whole]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["num_epochs"] == 2
    one, other = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("whole", "run"))
    assert one["params_sha256"] == other["params_sha256"]
    with pytest.raises(InputError, match="--epochs 2 there and 1 here"):
        runs.train(RunConfig(replace(RECIPE, num_epochs=1)), sample, tmp_path / "run")


def test_settings_are_extended_only_if_every_run_can_go_on(sample, tmp_path):
    configs = runs.sweep(RunConfig(replace(RECIPE, num_epochs=1)), tmp_path, learning_rates=(0.001,), num_seeds=2)
    first, second = configs
    runs.train(configs[first], sample, first)
    runs.train(replace(configs[second], limit=64), sample, second)
    longer = runs.sweep(RunConfig(RECIPE), tmp_path, learning_rates=(0.001,), num_seeds=2)
    before = (first / "config.json").read_bytes()
    with pytest.raises(InputError, match="--limit 64 there and None here"):
        runs.train_ensemble(longer, sample)
    assert (first / "config.json").read_bytes() == before


def test_a_schedule_that_ended_explains_why_the_run_cannot_go_on(sample, tmp_path):
    recipe = replace(RECIPE, schedule="one_cycle", num_epochs=1)
    runs.train(RunConfig(recipe), sample, tmp_path / "run")
    before = (tmp_path / "run" / "config.json").read_bytes()
    with pytest.raises(
        InputError, match=r"a run of 1 epoch with the schedule one_cycle.*--epochs 2 has other learning"
    ):
        runs.train(RunConfig(replace(recipe, num_epochs=2)), sample, tmp_path / "run")
    assert (tmp_path / "run" / "config.json").read_bytes() == before


def test_the_same_seed_gives_the_same_run(sample, tmp_path, console):
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        runs.train(RunConfig(RECIPE, seed=seed), sample, tmp_path / name, writers=[TerminalWriter(console)])
    one, same, other = (
        json.loads((tmp_path / name / "summary.json").read_text())["params_sha256"] for name in ("one", "same", "other")
    )
    assert one == same != other


def test_without_a_terminal_lines_are_plain_and_short(sample, tmp_path):
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    runs.train(RunConfig(RECIPES["lenet"]), sample, tmp_path / "run", writers=[TerminalWriter(console)])
    text = shown(console)
    assert max(map(len, text.splitlines()[:-1])) <= 80
    text = " ".join(text.split())
    assert "\x1b" not in text
    assert "\r" not in text
    assert "LeNet on 512 images of 28x28, 5 epochs of batches of 256, " in text
    assert "Adam (epsilon hat) at 0.001, seed 0, float32, cpu" in text
    assert "compiled in " in text
    assert "epoch 1: loss " in text
    assert "(book 1.8646, 0.318, 0.587)" in text
    assert "the book / this run" in text
    assert "0.9301 / " in text
    assert "finished after 5 of 5 epochs" in text


def test_a_terminal_shows_a_progress_bar(sample, tmp_path):
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    runs.train(RunConfig(RECIPE), sample, tmp_path / "run", writers=[TerminalWriter(console)])
    assert "img/s" in shown(console)


@pytest.mark.parametrize(
    "changes", [{"limit": 32}, {"recipe": RECIPE}, {"recipe": replace(RECIPES["lenet"], num_epochs=6)}]
)
def test_an_incomparable_run_is_shown_without_the_book(sample, tmp_path, console, changes):
    config = RunConfig(**{"recipe": RECIPES["lenet"], **changes})
    runs.train(config, sample, tmp_path / "run", writers=[TerminalWriter(console)])
    assert "book" not in shown(console)


def test_a_loss_that_is_not_finite_ends_the_run(sample, tmp_path, console):
    wild = RunConfig(replace(RECIPE, learning_rate=1e38))
    with pytest.raises(DivergedError, match=r"not finite after step [123]: the run in .* ends and nothing was saved"):
        runs.train(wild, sample, tmp_path / "run", writers=[TerminalWriter(console)])
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["status"], summary["epochs_done"]) == ("diverged", 0)
    assert not list((tmp_path / "run" / "checkpoints").glob("[0-9]*"))

    epochs = runs.train(wild, sample, tmp_path / "run", writers=[TerminalWriter(console)], keep_going=True)
    assert len(epochs) == 2


def test_bfloat16_computes_in_bfloat16_nearly_as_float32(sample, tmp_path):
    dtypes, losses = {"float32": set(), "bfloat16": set()}, {}

    def record(call, args, kwargs, context):
        y = call(*args, **kwargs)
        if isinstance(context.module, layers.Conv | layers.Dense):
            dtypes[context.module.dtype].add(str(y.dtype))
        return y

    for dtype in dtypes:
        jax.clear_caches()  # the network is called while it is compiled
        with nn.intercept_methods(record):
            epochs = runs.train(RunConfig(QUICK, dtype=dtype), sample, tmp_path / dtype)
        losses[dtype] = np.array([(epoch.train_loss, epoch.test_loss) for epoch in epochs])
    assert dtypes == {dtype: {dtype} for dtype in dtypes}
    assert (losses["bfloat16"] != losses["float32"]).all()
    np.testing.assert_allclose(losses["bfloat16"], losses["float32"], rtol=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": replace(RECIPE, num_epochs=0)}, "--epochs 0"),
        ({"recipe": replace(RECIPE, batch_size=-1)}, "--batch-size -1"),
        ({"recipe": replace(RECIPE, learning_rate=0.0)}, "--learning-rate 0.0"),
        ({"recipe": replace(RECIPE, learning_rate=float("nan"))}, "--learning-rate nan"),
        ({"seed": -1}, "--seed -1"),
        ({"dtype": "float8"}, "--dtype float8.*float32, bfloat16"),
        ({"limit": 0}, "--limit 0"),
    ],
)
def test_a_setting_out_of_its_range_raises(change, message):
    with pytest.raises(InputError, match=message):
        RunConfig(**{"recipe": RECIPE, **change})


def test_a_missing_platform_raises_before_anything_is_written(sample, tmp_path, console):
    with pytest.raises(InputError, match="abacus"):
        runs.train(RunConfig(RECIPE, device="abacus"), sample, tmp_path / "run", writers=[TerminalWriter(console)])
    assert not (tmp_path / "run").exists()


def test_a_writer_sees_every_chunk_and_epoch(sample, tmp_path):
    seen = []

    class Recorder(runs.Writer):
        def on_start(self, runs, setup):
            seen.append(("start", [run.step for run in runs], setup.num_examples))

        def on_chunk(self, results):
            (result,) = results.values()
            assert result.state is None
            seen.append(("chunk", result.epoch, result.steps_done, result.metrics["learning_rate"] > 0))

        def on_epoch(self, results):
            ((run, result),) = results.items()
            seen.append(("epoch", result.epoch, run.step, len(run.epochs)))

        def on_end(self, runs):
            seen.append(("end", [run.status for run in runs]))

    runs.train(RunConfig(RECIPE), sample, str(tmp_path / "run"), writers=[Recorder()])
    kinds = [kind for kind, *_ in seen]
    assert seen[0] == ("start", [0], 512)
    assert seen[-1] == ("end", ["finished"])
    assert [event for event in seen if event[0] == "epoch"] == [("epoch", 1, 3, 1), ("epoch", 2, 6, 2)]
    assert [event[1:] for event in seen if event[0] == "chunk"][-1] == (2, 3, True)
    assert kinds.index("chunk") < kinds.index("epoch")
