from dataclasses import replace

import pytest

from jaxcnn.runs import TrainedRun
from jaxcnn.training import EpochResult


@pytest.fixture
def make_run(finished_run, tmp_path):
    """Return a function that makes a run with given accuracies, a pair of validation and test for each epoch."""
    opened = TrainedRun.open(finished_run)

    def make(accuracies, *, seed=0, rate=0.001):
        metrics = {"train_loss": 0.5, "train_accuracy": 0.7, "test_loss": 0.4}
        epochs = tuple(
            EpochResult(
                number,
                {**metrics, "test_accuracy": test} | ({} if val is None else {"val_accuracy": val}),
                10.0, 1.0, 2.5 if number == 1 else 0.0,
            )
            for number, (val, test) in enumerate(accuracies, 1)
        )  # fmt: skip
        recipe = replace(opened.config.recipe, learning_rate=rate)
        config = replace(opened.config, recipe=recipe, seed=seed)
        return replace(opened, path=tmp_path / f"rate-{rate}" / f"seed-{seed}", config=config, epochs=epochs)

    return make


@pytest.fixture
def validated(make_run):
    """Two seeds at one rate, of which one is there twice, and one seed at another rate."""
    return [
        make_run([(0.7, 0.6), (0.6, 0.9)]),
        make_run([(0.7, 0.1), (0.8, 0.8)], seed=1),
        make_run([(0.7, 0.1), (0.9, 0.1)], seed=1),
        make_run([(0.9, 0.85)], rate=0.01),
    ]
