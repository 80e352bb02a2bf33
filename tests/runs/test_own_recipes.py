"""Your own network and recipe in a file, with every command."""

import json

import pytest
from PIL import Image

from jaxcnn import cli

pytestmark = pytest.mark.usefixtures("restore_log_levels")

FILE = """
from flax import linen as nn

from jaxcnn import layers
from jaxcnn.recipes import Recipe


class Tiny(nn.Module):
    width: int = 4
    num_classes: int = 10
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x, *, train: bool):
        x = nn.relu(layers.Conv(self.width, 7, strides=7, dtype=self.dtype, name="conv")(x))
        return layers.Dense(self.num_classes, dtype=self.dtype, name="dense")(layers.Flatten(name="flatten")(x))


recipe = Recipe("tiny", Tiny(), 28, 0.1, optimizer="sgd", optimizer_options={"momentum": 0.9}, num_epochs=2)
"""


@pytest.fixture
def own(tmp_path, monkeypatch, sample_requests):
    """A folder with a recipe in the file tiny.py, as the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(FILE)
    return tmp_path


def train(*options, name="./tiny.py:recipe"):
    return cli.main(["train", name, "--limit", "64", "--workdir", "run", *options])


def test_every_command_accepts_it(own, sample, capsys):
    assert cli.main(["summary", "./tiny.py:recipe"]) == 0
    assert ["total", "850", "7,552"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    assert train() == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Tiny on 64 images of 28x28, 2 epochs of batches of 256, SGD at 0.1, momentum 0.9" in shown
    config = json.loads((own / "run" / "config.json").read_text())
    assert config["recipe"] == "tiny"
    assert config["model"] == {"class": "jaxcnn_recipes.tiny:Tiny", "width": 4, "num_classes": 10}
    assert config["source"]["place"] == str(own / "tiny.py")
    Image.fromarray(sample.test_images[0, :, :, 0]).save("image.png")
    for command in (
        ["evaluate", "run"], ["report", "run"], ["predict", "run", "image.png"],
        ["export", "run", "--format", "stablehlo"],
        ["train", "./tiny.py:recipe", "--limit", "64", "--seeds", "2", "--workdir", "seeds"], ["report", "seeds"],
    ):  # fmt: skip
        assert cli.main(command) == 0, command
    assert f"jaxcnn train {own / 'tiny.py'}:recipe --limit 64" in (own / "run" / "report.html").read_text()
    assert (own / "run" / "tiny.stablehlo").is_file()


def test_the_default_workdir_has_the_name_of_the_recipe(own):
    assert cli.main(["train", "tiny.py:recipe", "--limit", "8", "--epochs", "1"]) == 0
    (run,) = (own / "runs").iterdir()
    assert run.name.startswith("tiny-")


def test_a_moved_file_resumes_its_run(own, capsys):
    assert train() == 0
    (own / "elsewhere").mkdir()
    (own / "tiny.py").rename(own / "elsewhere" / "tiny.py")
    capsys.readouterr()
    assert train(name="elsewhere/tiny.py:recipe") == 0
    assert "already finished" in capsys.readouterr().out


def test_a_changed_file_does_not_resume_its_run(own, capsys):
    assert train() == 0
    (own / "tiny.py").write_text(FILE.replace("width: int = 4", "width: int = 6"))
    capsys.readouterr()
    assert train() == 2
    line = capsys.readouterr().err
    assert "run has a run with other settings: model width 4 there and 6 here, source sha256 " in line
    assert cli.main(["evaluate", "run"]) == 2
    line = capsys.readouterr().err
    assert "tiny.py has changed since the run (its SHA-256 began with " in line
    assert line.count("\n") == 1


def test_a_missing_file_is_named(own, capsys):
    assert train() == 0
    (own / "tiny.py").unlink()
    capsys.readouterr()
    assert cli.main(["evaluate", "run"]) == 2
    line = capsys.readouterr().err
    assert f"run cannot be opened: {own / 'tiny.py'} does not exist" in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (
            '    dtype: str = "float32"\n',
            ["--dtype", "bfloat16"],
            "--dtype bfloat16: Tiny has no field dtype; use float32",
        ),
        ("    num_classes: int = 10\n", [], "Tiny has 3 outputs for 10 classes: add a field num_classes"),
    ],
)
def test_a_network_that_does_not_fit_the_run_raises(own, change, options, message, capsys):
    text = FILE.replace(change, "").replace("dtype=self.dtype, ", "").replace("self.num_classes", "3")
    (own / "tiny.py").write_text(text)
    assert train(*options) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "resumes it" not in err
    assert err.count("\n") == 1
    assert not (own / "run").exists()


def test_differences_are_named_by_their_options(own, capsys):
    assert train() == 0
    capsys.readouterr()
    assert train("--epochs", "3", "--batch-size", "32", "--learning-rate", "0.2", "--seed", "1") == 2
    line = capsys.readouterr().err
    for difference in (
        "--epochs 2 there and 3 here", "--batch-size 256 there and 32 here", "--learning-rate 0.1 there and 0.2 here",
        "--seed 0 there and 1 here",
    ):  # fmt: skip
        assert difference in line
