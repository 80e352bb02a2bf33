import json
import re
import subprocess
import sys

import jax
import pytest
from PIL import Image

from jaxcnn import __version__, cli
from jaxcnn.cli import app, training
from jaxcnn.recipes import HOW_THE_RUNS_WERE_MADE, MODERN_RECIPES, RECIPES, SOURCE, SPEEDRUN_RECIPES
from jaxcnn.runs.data_spec import data_sha256

pytestmark = pytest.mark.usefixtures("restore_log_levels")


def test_list_fits_a_line_of_eighty(capsys):
    assert cli.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, recipe in RECIPES.items():
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert f"{recipe.num_parameters:,}" in line
        assert f"{recipe.reference[-1].test_accuracy:.3f}" in line
    for name, recipe in (MODERN_RECIPES | SPEEDRUN_RECIPES).items():
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert f"{recipe.learning_rate:g}" in line
    assert max(map(len, lines)) <= 80


def test_list_names_the_book(capsys):
    assert cli.main(["list"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"The book: {SOURCE}." in shown
    assert HOW_THE_RUNS_WERE_MADE in shown


def test_summary_explains_the_book_s_run(capsys):
    assert cli.main(["summary", "densenet"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "gamma from U(0, 1)" in shown
    assert "The last transition pools a map of one pixel" in shown


def test_summary_shows_layers_and_the_book_s_shapes(capsys):
    assert cli.main(["summary", "lenet"]) == 0
    shown = capsys.readouterr().out
    lines = [line.split() for line in shown.splitlines()]
    assert ["conv2", "8x8x16", "2,416", "307,200"] in lines
    assert ["max_pool2d", "4x4x16", "0", "0"] in lines
    assert ["total", "44,426", "563,280"] in lines
    assert "256 -> 120 -> 84 -> 10" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_train_records_all_settings(sample, sample_requests, tmp_path, capsys):
    run = tmp_path / "run"
    options = "--epochs 1 --batch-size 64 --lr 0.002 --seed 5 --limit 128 --platform cpu --dtype bfloat16"
    assert cli.main(["train", "lenet", *options.split(), "--workdir", str(run)]) == 0
    config = json.loads((run / "config.json").read_text())
    assert config == {
        "format": 2, "recipe": "lenet", "image_size": 28, "batch_size": 64, "learning_rate": 0.002, "num_epochs": 1,
        "model": {"class": "jaxcnn.models:LeNet", "num_classes": 10, "norm": None}, "optimizer": "adam_epsilon_hat",
        "optimizer_options": {"b1": 0.9, "b2": 0.999, "eps": 1e-8}, "schedule": "constant", "schedule_options": {},
        "warmup_epochs": 0.0, "weight_decay": 0.0, "clip_norm": None, "label_smoothing": 0.0, "init_gain": None,
        "augmentation": None, "metrics": {}, "seed": 5,
        "dtype": "bfloat16", "matmul_precision": "default", "limit": 128, "deterministic": False,
        "jax": {
            "default_prng_impl": "threefry2x32", "enable_x64": jax.config.jax_enable_x64, "random_seed_offset": 0,
            "threefry_partitionable": True,
        },
        "data_sha256": data_sha256(sample.limit(128)),
    }  # fmt: skip
    assert sample_requests == [None]
    assert "finished after 1 of 1 epoch" in capsys.readouterr().out


def test_the_default_workdir_is_new_and_data_is_passed_on(sample_requests, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "lenet", "--epochs", "1", "--limit", "8", "--data", "here"]) == 0
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("lenet-")
    assert sample_requests == ["here"]


def test_two_starts_in_a_second_have_their_own_workdirs(sample_requests, monkeypatch):
    workdirs = []
    monkeypatch.setattr(training.runs, "train", lambda *arguments, **_: workdirs.append(arguments[2]))
    for _ in range(5):
        assert cli.main(["train", "lenet", "--limit", "8"]) == 0
    assert len(set(workdirs)) == 5


def test_several_seeds_and_rates_have_their_own_runs(sample_requests, tmp_path, capsys):
    several = ["train", "lenet", "--epochs", "1", "--limit", "8", "--workdir", str(tmp_path / "runs")]
    assert cli.main([*several, "--seeds", "2", "--learning-rate", "1e-3,1e-2", "--num-devices", "2"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "4 members, sequential on each of 2 devices" in said
    assert "the test images select no learning rate" in said
    one = tmp_path / "runs" / "rate-0.01" / "seed-1"
    assert cli.main(["evaluate", str(one)]) == 0
    assert cli.main(["report", str(tmp_path / "runs")]) == 0
    page = (tmp_path / "runs" / "report.html").read_text()
    assert "LeNet, learning rate 0.001, section 4.5" in page
    assert "LeNet, learning rate 0.01, section 4.5" in page
    capsys.readouterr()
    assert cli.main([*several, "--learning-rate", "1e-3;1e-2"]) == 2
    assert "--learning-rate 1e-3;1e-2: expected a number, or several separated by commas" in capsys.readouterr().err
    assert cli.main([*several, "--num-devices", "0"]) == 2
    assert "--num-devices 0: expected 1 or more" in capsys.readouterr().err


def test_distributed_needs_a_workdir_and_addresses(sample_requests, tmp_path, capsys, monkeypatch):
    command = ["train", "lenet", "--limit", "8", "--distributed"]
    assert cli.main(command) == 2
    assert "--distributed: expected --workdir, a directory that all machines can access" in capsys.readouterr().err
    command += ["--workdir", str(tmp_path / "run")]
    assert cli.main(command) == 2
    assert "--distributed: no other processes found (" in capsys.readouterr().err
    monkeypatch.setenv("JAX_PROCESS_ID", "first")
    assert cli.main(command) == 2
    assert "JAX_PROCESS_ID=first: expected an integer, 0 or more" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_same_command_resumes(sample_requests, tmp_path, capsys):
    command = ["train", "lenet", "--epochs", "1", "--limit", "8", "--workdir", str(tmp_path / "run")]
    assert cli.main(command) == cli.main(command) == 0
    assert "already finished after 1 of 1 epoch" in capsys.readouterr().out
    assert cli.main([*command, "--seed", "1"]) == 2
    assert "has a run with other settings: --seed 0 there and 1 here; give the same" in capsys.readouterr().err


def test_divergence_is_one_line_and_exit_code_1(sample_requests, tmp_path, capsys):
    command = ["train", "lenet", "--learning-rate", "1e38", "--workdir", str(tmp_path / "run")]
    assert cli.main(command) == 1
    err = capsys.readouterr().err
    assert "is not finite after step" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        "train lennet",
        "summary lennet",
        "reproduce lenet lennet",
        "reproduce lenet --seeds 0",
        "train lenet --epochs 0",
        "train lenet --epochs 99999999999",
        "train lenet --batch-size -1",
        "train lenet --batch-size 0",
        "train lenet --warmup-epochs inf",
        "train lenet --warmup-epochs 6",
        "train lenet --optimizer sgd:momentum=[0.9]",
        "train lenet --optimizer sgd:momentum=Infinity",
        "train lenet --optimizer adam:b1=null",
        "train lenet --optimizer adam:beta=0.9",
        "train lenet --optimizer adamw:weight_decay=0.1 --weight-decay 0.5",
        "train lenet --val-seed 5",
        "train lenet --accumulate 0",
        "train lenet --batch-size 64 --accumulate 65",
        "train lenet --batch-size 99999999999",
        "train lenet --learning-rate 0",
        "train lenet --learning-rate -0.1",
        "train lenet --learning-rate nan",
        "train lenet --learning-rate 1e300",
        "train lenet --seed -1",
        "train lenet --augment flop",
        "train lenet --augment shift:-1",
        "train lenet --augment erase:2",
        "train lenet --ema 0",
        "train lenet --ema 1",
        "train lenet --limit 0",
        "train lenet --val-fraction 0",
        "train lenet --val-fraction 1",
        "train lenet --val-fraction 0.1 --val-seed -1",
        "train lenet --val-fraction 0.1 --patience 0",
        "train lenet --val-fraction 0.1 --until 94",
        "train lenet --patience 2",
        "train lenet --until 0.94",
        "train lenet --dtype float8",
        "train lenet --checkpoint-every 0",
        "train lenet --checkpoint-every -5s",
        "train lenet --checkpoint-every soon",
    ],
)
def test_values_out_of_range_raise(sample_requests, assert_refused, arguments):
    assert_refused(arguments.split())


def test_a_missing_platform_raises(sample_requests, assert_refused):
    line = assert_refused(["train", "lenet", "--platform", "tpu"], described="one line that names the platforms here")
    assert "--platform tpu: JAX finds no such device here; choose one of cpu" in line


@pytest.mark.parametrize(
    "arguments", ["fly", "train", "train lenet --epochs many", "train lenet --seed 1.5", "train lenet --epoch 3"]
)
def test_unknown_words_raise(monkeypatch, assert_refused, arguments):
    """The message is that of the library for command lines, in one line."""
    line = assert_refused(arguments.split(), described="one line with the wrong words and the command for help")
    assert line.endswith("--help\n")
    assert not {"│", "─"} & set(line)
    assert "---" not in line


def test_a_name_of_two_lines_gives_a_message_of_one(assert_refused, tmp_path):
    (tmp_path / "a\nrun").write_text("")
    assert "a run cannot be" in assert_refused(
        ["train", "lenet", "--data", "a\nrun"], "`--data` with a name of two lines"
    )


def test_unusable_data_is_one_line_and_exit_code_2(tmp_path):
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-m", "jaxcnn", "train", "lenet", "--data", "empty"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "Traceback" not in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_evaluate_uses_a_run(sample_requests, finished_run, capsys):
    assert cli.main(["evaluate", str(finished_run)]) == 0
    assert "on 256 test images: accuracy 0." in capsys.readouterr().out


def test_the_best_checkpoint_is_evaluated_predicted_with_and_exported(sample_requests, tmp_path, capsys):
    run = str(tmp_path / "run")
    options = "--epochs 4 --lr 0.01 --batch-size 32 --limit 128 --val-fraction 0.25 --patience 3"
    assert cli.main(["train", "lenet_bn", *options.split(), "--workdir", run]) == 0
    best = json.loads((tmp_path / "run" / "summary.json").read_text())["best_epoch"]
    capsys.readouterr()
    for split, name in (("val", "validation"), ("test", "test")):
        assert cli.main(["evaluate", run, "--best", "--split", split]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert f"after {best['epoch']} epoch" in shown
        assert f"{name} images: accuracy {best[f'{split}_accuracy']:.4f}" in shown
    images = tmp_path / "images"
    images.mkdir()
    Image.new("L", (28, 28), 9).save(images / "one.png")
    assert cli.main(["predict", run, str(images), "--best"]) == 0
    assert f"after {best['epoch']} epoch" in capsys.readouterr().out
    assert cli.main(["export", run, "--best", "--format", "safetensors"]) == 0


@pytest.mark.parametrize("command", ["evaluate", "predict", "export"])
def test_best_needs_a_validation_split(finished_run, capsys, command):
    others = {"predict": ["image.png"], "export": ["--format", "stablehlo"]}.get(command, [])
    assert cli.main([command, str(finished_run), *others, "--best"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "has no validation split, so none of its epochs is the best: leave --best out" in line


@pytest.mark.parametrize("form", ["stablehlo", "safetensors"])
def test_export_writes_to_output(finished_run, tmp_path, capsys, form):
    path = tmp_path / "network"
    assert cli.main(["export", str(finished_run), "--format", form, "--output", str(path)]) == 0
    assert f"wrote {path}" in capsys.readouterr().out
    assert path.stat().st_size > 100_000


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_directory_that_is_not_a_run_raises(sample_requests, assert_refused, command):
    assert_refused([command, "nowhere"])


def test_an_interrupt_ends_with_130(monkeypatch, capsys):
    def interrupt(source, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "load_dataset", interrupt)
    assert cli.main(["train", "lenet"]) == 130
    assert capsys.readouterr().err == "jaxcnn: interrupted\n"


def test_data_prepare_writes_to_output(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(training, "prepare_tfds", lambda to, source: to / "fashion_mnist")  # noqa: ARG005 -- the real one's
    assert cli.main(["data", "prepare", "--output", str(tmp_path)]) == 0
    assert str(tmp_path / "fashion_mnist") in capsys.readouterr().out


def test_other_errors_keep_their_traceback(monkeypatch):
    def fail(source, **options):
        raise RuntimeError("a defect")

    monkeypatch.setattr(training, "load_dataset", fail)
    with pytest.raises(RuntimeError, match="a defect"):
        cli.main(["train", "lenet"])


def test_a_bare_call_prints_the_help(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("list", "train", "reproduce", "export", "data"))


def test_version_is_printed(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"jaxcnn {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    ["train lenet --device cpu", "train lenet --devices=2", "export run --to onnx", "report run --out page"],
)
def test_an_old_option_gets_its_new_name(assert_refused, arguments):
    assert "has a new name: give --" in assert_refused(arguments.split())


def test_log_to_writes_the_chunks(sample_requests, tmp_path, capsys):
    command = ["train", "lenet", "--epochs", "2", "--limit", "8", "--workdir", str(tmp_path / "run")]
    assert cli.main([*command, "--log-to", "jsonl"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert {"learning_rate", "gradient_norm", "loss"} <= set(lines[0])
    assert [line["epoch"] for line in lines if "test_loss" in line] == [1, 2]
    shown = " ".join(capsys.readouterr().out.split())
    assert f"next: jaxcnn evaluate {tmp_path / 'run'} jaxcnn report {tmp_path / 'run'}" in shown


@pytest.mark.parametrize(
    "command",
    ["list", "summary", "train", "lr-find", "reproduce", "evaluate", "predict", "report", "export", "data prepare"],
)
def test_help_fits_a_line_of_eighty(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main([*command.split(), "--help"])
    _usage, *lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    "command",
    [
        "train lenet --workdir=~/x", "reproduce --output=~/x --data ~/y", "data prepare --output=~/x --data=~/y",
        "evaluate ~/x", "predict ~/x ~/a.png ~/b.png", "report ~/x --output=~/p",
        "export ~/x --format onnx --output=~/p", "lr-find lenet --output=~/p.png",
    ],
)  # fmt: skip
def test_every_path_has_its_home_directory(command, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    given = str(app._parse(command.split()))
    assert "~" not in given
    assert given.count(f"{tmp_path}/") == command.count("~/")


@pytest.mark.parametrize("command", ["train lenet --workdir=", "train lenet --data=", "summary ", "evaluate "])
def test_an_unknown_home_directory_raises(assert_refused, command):
    assert_refused(f"{command}~nosuchuser/x.py:recipe".split())


@pytest.mark.parametrize(
    "command",
    [
        "train lenet --workdir", "train lenet --data", "reproduce lenet --output", "data prepare --output", "evaluate",
        "report run --output", "export run --format onnx --output",
    ],
)  # fmt: skip
def test_a_name_that_is_too_long_raises(assert_refused, command):
    message = "jaxcnn: NAME cannot be used (File name too long): give another path"
    line = assert_refused([*command.split(), "x" * 300], f"`jaxcnn {command}` with a name of 300 characters", message)
    assert line == f"{message.replace('NAME', 'x' * 300)}\n"


def test_choices_are_accepted_in_any_case():
    given = app._parse(["export", "run", "--format", "ONNX"])
    assert "'onnx'" in str(given)
    given = app._parse(["train", "lenet", "--dtype=BFloat16", "--platform", "CPU", "--log_to", "TensorBoard"])
    assert all(f"'{word}'" in str(given) for word in ("bfloat16", "cpu", "tensorboard"))


def test_all_options_with_choices_are_known(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    found = set()
    for command in app._COMMANDS:
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        found |= set(re.findall(r"(--[a-z-]+) \{", capsys.readouterr().out))
    assert found == app._CHOICES


def test_the_next_commands_are_quoted(sample_requests, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training.runs, "train", lambda *_, **__: [])
    assert cli.main(["train", "lenet", "--workdir", "my [red] run"]) == 0
    assert "next: jaxcnn evaluate 'my [red] run'\n      jaxcnn report 'my [red] run'\n" in capsys.readouterr().out


def test_the_next_commands_have_the_data_that_a_run_does_not_record(sample_requests, capsys, monkeypatch):
    monkeypatch.setattr(training.runs, "train", lambda *_, **__: [])
    assert cli.main(["train", "lenet", "--data", "there", "--workdir", "run"]) == 0
    shown = capsys.readouterr().out
    assert "next: jaxcnn evaluate run --data there\n      jaxcnn report run --data there\n" in shown


@pytest.mark.parametrize(
    ("command", "hint"),
    [("train lenet --sed 1", "train --help"), ("data prepare --nothing", "data prepare --help"), ("trian", "--help")],
)
def test_an_unknown_option_names_the_help_of_the_command(capsys, command, hint):
    assert cli.main(command.split()) == 2
    assert capsys.readouterr().err.endswith(f"see jaxcnn {hint}\n")
