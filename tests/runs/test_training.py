import io
import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from rich.console import Console

from jaxcnn import runs
from jaxcnn.errors import DivergedError, InputError
from jaxcnn.recipes import RECIPES
from jaxcnn.runs import RunConfig, params_sha256
from jaxcnn.training import Checkpoints, create_train_state, fit

RECIPE = replace(RECIPES["lenet"], num_epochs=2, batch_size=200)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100, force_terminal=False)


def shown(console):
    return console.file.getvalue()


def test_a_run_leaves_what_it_did(sample, tmp_path, console):
    figures = runs.train(RunConfig(RECIPE, seed=3), sample, tmp_path / "run", console)

    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["recipe"], config["seed"], config["num_epochs"], config["batch_size"]) == ("lenet", 3, 2, 200)

    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert set(lines[0]) == {
        "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy",
        "seconds", "images_per_second", "compile_seconds",
    }  # fmt: skip
    assert lines[1]["test_accuracy"] == figures[1].test_accuracy

    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["status"], summary["epochs_done"]) == ("finished", 2)
    assert summary["last_epoch"] == lines[1]
    assert summary["versions"]["jax"] == jax.__version__

    start = create_train_state(RECIPE.model, RECIPE.make_optimizer(), jax.random.key(0), (28, 28, 1))
    with Checkpoints(tmp_path / "run" / "checkpoints") as checkpoints:
        restored = checkpoints.restore(start)
    assert int(restored.step) == 6
    assert params_sha256(restored.variables) == summary["params_sha256"]


def test_a_run_is_fit_with_the_recipe(sample, tmp_path, console):
    figures = runs.train(RunConfig(RECIPE, seed=3), sample, tmp_path / "run", console)
    start = create_train_state(RECIPE.model, RECIPE.make_optimizer(), jax.random.key(3), (28, 28, 1))
    expected = [result.train_loss for result in fit(start, sample, num_epochs=2, batch_size=200)]
    assert [epoch.train_loss for epoch in figures] == expected


def test_the_same_seed_gives_the_same_run(sample, tmp_path, console):
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        runs.train(RunConfig(RECIPE, seed=seed), sample, tmp_path / name, console)
    one, same, other = (
        json.loads((tmp_path / name / "summary.json").read_text())["params_sha256"] for name in ("one", "same", "other")
    )
    assert one == same != other


def test_without_a_terminal_there_are_plain_lines_and_the_table(sample, tmp_path, console):
    runs.train(RunConfig(RECIPE), sample, tmp_path / "run", console)
    text = shown(console)
    assert "\x1b" not in text
    assert "\r" not in text
    assert "LeNet on 512 images of 28x28, 2 epochs of batches of 200, Adam at 0.001, seed 0, float32, cpu" in text
    assert "compiled in " in text
    assert "epoch 1: loss " in text
    assert "(the book: 1.8646, 0.318, 0.587, 4.7 s)" in text
    assert "the book / this run" in text
    assert "0.9301 / " in text
    assert "finished after 2 of 2 epochs" in text


def test_a_terminal_has_a_bar(sample, tmp_path):
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    runs.train(RunConfig(RECIPE), sample, tmp_path / "run", console)
    assert "images/s" in shown(console)


def test_an_epoch_beyond_the_books_is_shown_alone(sample, tmp_path, console):
    recipe = replace(RECIPE, num_epochs=6)
    runs.train(RunConfig(recipe, limit=32), sample, tmp_path / "run", console)
    assert "- / " in shown(console)


def test_a_loss_that_is_not_finite_ends_the_run_and_names_the_step(sample, tmp_path, console):
    wild = RunConfig(replace(RECIPE, learning_rate=1e38))
    with pytest.raises(DivergedError, match=r"not finite after step [123]: the run in .* ends, and nothing is saved"):
        runs.train(wild, sample, tmp_path / "run", console)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["status"], summary["epochs_done"]) == ("diverged", 0)
    assert not list((tmp_path / "run" / "checkpoints").glob("[0-9]*"))

    figures = runs.train(wild, sample, tmp_path / "run", console, keep_going=True)
    assert len(figures) == 2


def test_bfloat16_computes_in_it_and_keeps_float32_parameters(sample, tmp_path, console):
    figures = runs.train(RunConfig(RECIPE, dtype="bfloat16"), sample, tmp_path / "run", console)
    assert all(np.isfinite(epoch.test_loss) for epoch in figures)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": replace(RECIPE, num_epochs=0)}, "0 epochs"),
        ({"recipe": replace(RECIPE, batch_size=-1)}, "batches of -1"),
        ({"recipe": replace(RECIPE, learning_rate=0.0)}, "learning rate of 0.0"),
        ({"recipe": replace(RECIPE, learning_rate=float("nan"))}, "learning rate of nan"),
        ({"seed": -1}, "seed of -1"),
        ({"dtype": "float8"}, "'float8'.*float32, bfloat16"),
        ({"limit": 0}, "limit of 0"),
    ],
)
def test_a_config_that_cannot_be_run_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        RunConfig(**{"recipe": RECIPE, **change})


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(sample, tmp_path, console):
    with pytest.raises(InputError, match="abacus"):
        runs.train(RunConfig(RECIPE, device="abacus"), sample, tmp_path / "run", console)
    assert not (tmp_path / "run").exists()
