import io
import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from jaxcnn import InputError
from jaxcnn.cli.prediction import show_predictions
from jaxcnn.runs import TrainedRun


@pytest.fixture
def pictures(sample, tmp_path):
    for number in range(3):
        Image.fromarray(255 - sample.test_images[number, :, :, 0]).save(tmp_path / f"{number}.png")
    return tmp_path


def shown(run, paths, **options):
    console = Console(file=io.StringIO(), width=120)
    show_predictions(run, paths, console, **options)
    return console.file.getvalue()


def test_the_background_of_images_is_found(finished_run, pictures, sample):
    run = TrainedRun.open(finished_run)
    lines = [json.loads(line) for line in shown(run, [pictures], top=10, as_json=True).splitlines()]
    assert [line["file"] for line in lines] == [str(pictures / f"{number}.png") for number in range(3)]
    expected = run.predict(sample.test_images[:3])
    for line, row in zip(lines, expected, strict=True):
        found = [line["classes"][name] for name in sample.class_names]
        np.testing.assert_allclose(found, row, rtol=1e-5)
        assert list(line["classes"].values()) == sorted(found, reverse=True)


def test_the_most_probable_classes_are_shown(finished_run, pictures):
    text = shown(TrainedRun.open(finished_run), [pictures / "0.png"], top=2)
    assert "LeNet with batch norm after 2 epochs" in text
    assert text.count(" 0.") == 2


def test_no_images_and_an_invalid_top_raise(finished_run, pictures):
    run = TrainedRun.open(finished_run)
    with pytest.raises(InputError, match="no images given"):
        show_predictions(run, [], Console())
    with pytest.raises(InputError, match="--top 0: expected 1 to 10"):
        show_predictions(run, [pictures], Console(), top=0)
