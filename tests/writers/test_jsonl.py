import json
import shutil
from dataclasses import replace

from jaxcnn import runs
from jaxcnn.recipes import RECIPES
from jaxcnn.writers import JsonLinesWriter

RECIPE = replace(RECIPES["lenet"], num_epochs=2, batch_size=200)


def lines_of(path):
    return [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]


def test_chunks_and_epochs_are_lines(sample, tmp_path):
    (*_, last) = runs.train(runs.RunConfig(RECIPE), sample, tmp_path, writers=[JsonLinesWriter()])
    lines = lines_of(tmp_path)
    epochs = [line for line in lines if "test_loss" in line]
    chunks = [line for line in lines if "test_loss" not in line]
    assert epochs[-1] == {"step": 6, **last.as_json()}
    assert chunks[-1]["step"] == 6
    assert set(chunks[0]) == {
        "step", "epoch", "loss", "accuracy", "top_5_accuracy", "gradient_norm", "learning_rate", "images_per_second"
    }  # fmt: skip


def test_steps_that_are_taken_again_are_replaced(sample, tmp_path):
    """The run resumes after epoch 1, whose checkpoint has step 3; the last line is incomplete."""
    config = runs.RunConfig(RECIPE)
    runs.train(config, sample, tmp_path, writers=[JsonLinesWriter()])
    shutil.rmtree(tmp_path / "checkpoints" / "6")
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 7, "lo')
    runs.train(config, sample, tmp_path, writers=[JsonLinesWriter()])
    lines = lines_of(tmp_path)
    steps = [line["step"] for line in lines if "loss" in line]
    assert steps == sorted(set(steps))
    assert [line["epoch"] for line in lines if "test_loss" in line] == [1, 2]


def test_members_have_their_own_files(sample, tmp_path):
    configs = runs.sweep(runs.RunConfig(RECIPE), tmp_path, learning_rates=[0.01], num_seeds=2)
    runs.train_ensemble(configs, sample, writers=[JsonLinesWriter()])
    one, other = (lines_of(path) for path in configs)
    assert [line["step"] for line in one] == [line["step"] for line in other]
    assert one[0]["loss"] != other[0]["loss"]
    assert one[0]["learning_rate"] == 0.01
