from dataclasses import replace

import numpy as np
import pytest

from jaxcnn.report.data_section import describe_data
from jaxcnn.report.grouping import group_runs
from jaxcnn.runs import TrainedRun


@pytest.fixture
def run(finished_run):
    return TrainedRun.open(finished_run)


def test_images_of_each_class_and_split_are_counted(run, sample):
    limited = replace(run, config=replace(run.config, limit=200, val_fraction=0.25))
    (part,) = describe_data(group_runs([limited]), sample, sample.class_names)["parts"]
    used = sample.limit(200).hold_out(0.25)
    headings, *rows, total = part["table"].rows
    assert headings == ("class", "training", "validation", "test")
    for label, (name, *counts) in enumerate(rows):
        assert name == sample.class_names[label]
        expected = [(labels == label).sum() for labels in (used.train_labels, used.val_labels, used.test_labels)]
        assert list(map(int, counts)) == expected
    assert list(map(int, total[1:])) == [len(used.train_labels), len(used.val_labels), 200]
    assert part["words"] == "the first 200 images of each split; 0.25 of the training images held out with seed 0"


def test_runs_on_other_parts_of_the_data_have_their_own_counts(run, sample):
    runs = [run, replace(run, config=replace(run.config, limit=200)), replace(run, config=replace(run.config, seed=1))]
    parts = describe_data(group_runs(runs), sample, sample.class_names)["parts"]
    assert [part["words"] for part in parts] == ["all images", "the first 200 images of each split"]


def test_streamed_data_is_described_like_data_in_memory(run, sample):
    resident, streamed = (
        describe_data(group_runs([run]), data, sample.class_names) for data in (sample, sample.streamed())
    )
    assert resident == streamed


def test_samples_are_one_image_of_each_class_up_to_20(run, sample):
    labels = np.arange(512, dtype=np.uint8) % 30
    many = replace(
        sample, train_labels=labels, test_labels=labels[:256], class_names=tuple(f"class {n}" for n in range(30))
    )
    of_each = describe_data(group_runs([run]), sample, sample.class_names)["samples"]
    assert of_each["finding"] == f"Images of {', '.join(sample.class_names)}."
    assert describe_data(group_runs([run]), many, many.class_names)["samples"]["words"].startswith(
        "The first training image of 20 classes"
    )
