"""The command lr-find."""

import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from jaxcnn import cli, runs
from jaxcnn.training import RangeTest

pytestmark = pytest.mark.usefixtures("restore_log_levels", "sample_requests")

RATES = np.geomspace(1e-4, 10, 51)


def curve(at):
    return 2 - np.exp(-(np.log10(RATES / at) ** 2))


@pytest.fixture
def use(monkeypatch, tmp_path):
    """A function that replaces the computation by given losses. Return the list of its arguments."""
    monkeypatch.chdir(tmp_path)
    calls = []

    def give(*losses):
        def find(config, dataset, *, on_step, **options):
            calls.append((config, options))
            return RangeTest(RATES, np.stack(losses))

        monkeypatch.setattr(runs, "find_learning_rate", find)
        return calls

    return give


def test_a_test_is_computed_and_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = "--steps 12 --seeds 2 --batch-size 64 --min 1e-5 --max 1e-4 --limit 128"
    assert cli.main(["lr-find", "lenet", *options.split()]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "LeNet: 12 steps of 64 images, learning rates from 1e-05 to 0.0001; seeds 0, 1" in shown
    assert "diverge" not in shown
    assert shown.endswith("wrote lr-find-lenet.png")
    assert [path.name for path in tmp_path.iterdir()] == ["lr-find-lenet.png"]


def test_the_suggestion_has_its_range(use, capsys):
    use(curve(0.01), curve(0.1), np.full(51, 2.0))
    assert cli.main(["lr-find", "lenet", "--seed", "5", "--steps", "51"]) == 0
    shown = capsys.readouterr().out
    assert "; seeds 5, 6, 7\n" in shown
    assert "suggested learning rate: 0.001 (by seed: 0.001, 0.01, none)\n" in shown
    assert "schedule" not in shown


def test_the_rate_at_which_losses_diverge_is_shown(use, capsys):
    use(curve(0.1))
    assert cli.main(["lr-find", "lenet", "--steps", "60"]) == 0
    assert "learning rates from 0.0001 to 10, where the loss diverges" in " ".join(capsys.readouterr().out.split())


def test_one_seed_has_no_range(use, capsys):
    use(curve(0.1))
    assert cli.main(["lr-find", "lenet", "--seeds", "1"]) == 0
    assert "suggested learning rate: 0.01\n" in capsys.readouterr().out


def test_the_rate_of_a_schedule_is_its_highest(use, capsys):
    use(curve(0.1))
    assert cli.main(["lr-find", "lenet_modern"]) == 0
    assert "the highest rate of the one_cycle schedule" in capsys.readouterr().out


def test_losses_that_do_not_fall_give_no_suggestion(use, capsys):
    use(np.full(51, 2.0))
    assert cli.main(["lr-find", "lenet"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "no suggestion: the loss falls by less than 5 %" in shown
    assert "suggested" not in shown


def test_json_has_all_values(use, tmp_path, capsys):
    losses = curve(0.1)
    losses[-1] = math.inf
    use(losses, np.full(51, 2.0))
    assert cli.main(["lr-find", "lenet", "--seed", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recipe"] == "lenet"
    assert found["suggestion"] == pytest.approx(0.01)
    assert found["suggestions"] == {"3": pytest.approx(0.01), "4": None}
    np.testing.assert_allclose(found["rates"], RATES)
    assert found["losses"]["3"] == [*losses[:-1].tolist(), None]
    assert list(tmp_path.iterdir()) == []


def test_output_is_a_png_with_json_too(use, tmp_path, capsys):
    use(curve(0.1), curve(0.2))
    assert cli.main(["lr-find", "lenet", "--json", "--output", "curve.PNG"]) == 0
    json.loads(capsys.readouterr().out)
    image = Image.open(io.BytesIO((tmp_path / "curve.PNG").read_bytes()))
    assert (image.format, image.size) == ("PNG", (900, 600))


def test_a_suggestion_is_printed_although_the_picture_cannot_be_written(use, monkeypatch, capsys):
    use(curve(0.1))

    def fail(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jaxcnn.cli.range_test.write_file", fail)
    assert cli.main(["lr-find", "lenet", "--seeds", "1"]) == 2
    shown = capsys.readouterr()
    assert "suggested learning rate: 0.01" in shown.out
    assert shown.err.startswith("jaxcnn: lr-find-lenet.png cannot be written (No space left on device)")


def test_options_reach_the_test(use):
    calls = use(curve(0.1))
    options = "--min 1e-5 --max 1 --steps 50 --seeds 1 --seed 2 --optimizer sgd --batch-size 32 --dtype bfloat16"
    assert cli.main(["lr-find", "lenet", *options.split()]) == 0
    ((config, given),) = calls
    assert given == {"min_rate": 1e-5, "max_rate": 1.0, "num_steps": 50, "num_seeds": 1}
    assert (config.seed, config.dtype) == (2, "bfloat16")
    assert (config.recipe.optimizer, config.recipe.batch_size) == ("sgd", 32)


@pytest.mark.parametrize("option", ["--epochs 3", "--lr 0.1", "--schedule linear", "--warmup-epochs 1", "--ema 0.9"])
def test_options_without_an_effect_are_unknown(assert_refused, option):
    what = "`jaxcnn lr-find lenet` with an option that has no effect on it, such as `--epochs`"
    described = "one line with the unknown option and the command for help"
    line = assert_refused(["lr-find", "lenet", *option.split()], what, described=described)
    assert f"options: {option.split()[0]} " in line


@pytest.mark.parametrize(
    "options", ["--min 1 --max 0.1", "--steps 3", "--output curve.jpg", "--output nowhere/curve.png", "--seeds 0"]
)
def test_values_out_of_range_raise(assert_refused, options):
    assert_refused(["lr-find", "lenet", *options.split()])


def test_a_file_is_not_overwritten(use, tmp_path, assert_refused):
    calls = use(curve(0.1))
    (tmp_path / "lr-find-lenet.png").write_bytes(b"mine")
    assert_refused(["lr-find", "lenet"], "`jaxcnn lr-find lenet` in a folder with lr-find-lenet.png")
    assert calls == []
