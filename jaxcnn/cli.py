"""The command line: it parses, then calls."""

import io
import logging
import re
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import replace
from datetime import datetime
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Literal, ParamSpec

import tyro
from rich.console import Console

from jaxcnn import interop, recipes, reproduction, runs
from jaxcnn.data import load_dataset, load_fashion_mnist, prepare_tfds
from jaxcnn.errors import DivergedError, InputError, RunError, StoppedError

P = ParamSpec("P")
RunPath = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]

app = tyro.extras.SubcommandApp()
data_app = tyro.extras.SubcommandApp()
app.command(data_app, name="data", help="Fashion-MNIST on disk.")


def _called_later(command: Callable[P, None]) -> Callable[P, Callable[[], None]]:
    """`command` such that a call gives what is to be called: parsing is over before anything is done."""

    @wraps(command)
    def bind(*args: P.args, **kwargs: P.kwargs) -> Callable[[], None]:
        return partial(command, *args, **kwargs)

    return bind


@app.command(name="list")
@_called_later
def list_() -> None:
    """Show the recipes that can be trained."""
    runs.list_recipes(Console())


@app.command
@_called_later
def summary(name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]) -> None:
    """Show a network layer by layer: shapes, parameters, operations for one image.

    Args:
        name: the recipe, such as lenet; or one of your own, as FILE.py:ATTRIBUTE or PACKAGE.MODULE:ATTRIBUTE.
    """
    runs.summarize(recipes.get_recipe(name), Console())


@app.command
@_called_later
def train(
    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")],
    *,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: str | None = None,
    seed: int = 0,
    seeds: int = 1,
    data: str | None = None,
    limit: int | None = None,
    stream: bool = False,
    workdir: Path | None = None,
    device: str | None = None,
    devices: int | None = None,
    dtype: str = "float32",
    deterministic: bool = False,
    distributed: bool = False,
    checkpoint_every: str = "10m",
    keep_going: bool = False,
) -> None:
    """Train a network by its recipe and keep the run. The same command with the same workdir goes on with it.

    Several seeds or learning rates are several runs, trained at once in one program; each has a directory in workdir.

    Args:
        name: the recipe, such as lenet or lenet_modern; or one of your own, as FILE.py:ATTRIBUTE or
            PACKAGE.MODULE:ATTRIBUTE.
        epochs: epochs to train; the recipe's unless given.
        batch_size: examples a step; the recipe's unless given.
        learning_rate: the learning rate, the highest one where it changes; the recipe's unless given. Several, such as
            1e-4,1e-3, are compared.
        seed: of initialisation, dropout and the order of the data.
        seeds: how many runs, with the seeds from seed on.
        data: directory of Fashion-MNIST, as IDX files or prepared by TFDS, which is looked for, then fetched, unless
            given; or other images: folder:DIR with a sub-folder a class, idx:DIR with files as MNIST's, or tfds:DIR.
        limit: use the first so many images of each split alone.
        stream: bring images to the device as they are needed, from disk where they are a folder or prepared by TFDS;
            this is done anyway where they would take too much memory.
        workdir: directory for the run, new or of the same run; runs/NAME-TIME unless given.
        device: cpu, gpu or tpu; the best one there is unless given.
        devices: how many devices share each step of a run, 1 unless given; how many several runs are dealt out to at
            most, all unless given. A CPU is taken for as many as are asked for.
        distributed: share each step with the other processes of a job, each started by the same command, which SLURM,
            Open MPI, Kubernetes or JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID tell of.
        dtype: type of the computation, float32 or bfloat16.
        deterministic: the same numbers each time on a GPU too, at the cost of speed; a CPU always gives them.
        checkpoint_every: how often to save inside an epoch: steps, such as 500, or a time, such as 30s, 10m or 2h.
        keep_going: go on with numbers that are not finite.
    """
    recipe = recipes.get_recipe(name)
    changes = {"num_epochs": epochs, "batch_size": batch_size}
    recipe = replace(recipe, **{key: value for key, value in changes.items() if value is not None})
    rates = _learning_rates(learning_rate) if learning_rate else (recipe.learning_rate,)
    config = runs.RunConfig(recipe, seed=seed, device=device, dtype=dtype, limit=limit, deterministic=deterministic)
    root = workdir or Path("runs") / f"{recipe.name}-{datetime.now():%Y%m%d-%H%M%S}"
    configs = runs.cross(config, root, learning_rates=rates, num_seeds=seeds)
    every = runs.Interval.parse(checkpoint_every)
    if distributed and workdir is None:
        raise InputError("--distributed without --workdir: give one directory that every host sees")
    if deterministic:
        runs.compute_in_order()
    if distributed:
        runs.join_hosts()
    runs.keep_memory()
    if len(configs) > 1 or devices is not None:
        runs.provide_cpu_devices(devices)
    runs.open_many_files()
    room = 0 if stream else runs.room_for_images(device)
    dataset = load_dataset(data, image_size=recipe.image_size, max_bytes=room, limit=limit)
    configs = {path: config.on(dataset, data) for path, config in configs.items()}
    runs.keep_compiled_programs()
    if len(configs) > 1:
        runs.train_replicas(
            configs, dataset, root, Console(), num_devices=devices, checkpoint_every=every, keep_going=keep_going
        )
    else:
        (config,) = configs.values()
        runs.train(config, dataset, root, Console(), num_devices=devices, checkpoint_every=every, keep_going=keep_going)


@app.command
@_called_later
def reproduce(
    names: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[NAMES]")] = (),
    *,
    seeds: int = 1,
    out: Path = Path("reproduction"),
    epochs: int | None = None,
    data: Path | None = None,
    limit: int | None = None,
    device: str | None = None,
    dtype: str = "float32",
) -> None:
    """Train the book's experiments, the cheapest first, and compare the results with the book's figures.

    The same command resumes interrupted runs. Several processes can share a directory; each trains different runs.

    Args:
        names: the recipes; the book's nine unless given.
        seeds: how many runs of each.
        out: directory for the runs, reproduction.json and the table reproduction.md. Both files are updated after each
            epoch.
        epochs: epochs to train; the book's unless given.
        data: directory of Fashion-MNIST; looked for, then fetched, unless given.
        limit: use the first so many images of each split alone.
        device: cpu, gpu or tpu; the best one there is unless given.
        dtype: type of the computation, float32 or bfloat16.
    """
    for name in names:
        recipes.get_recipe(name)
    runs.keep_memory()
    dataset = load_fashion_mnist(data)
    runs.keep_compiled_programs()
    reproduction.reproduce(
        names, dataset, out, Console(), seeds=seeds, num_epochs=epochs, limit=limit, device=device, dtype=dtype
    )


@app.command
@_called_later
def evaluate(run: RunPath, *, data: str | None = None) -> None:
    """Test a run's network: accuracy by class, calibration, what is taken for what.

    Args:
        run: the run's directory.
        data: the data, as for train; that which the run was trained on unless given.
    """
    trained = runs.TrainedRun.open(run)
    runs.keep_memory()
    runs.keep_compiled_programs()
    dataset = runs.load_data(trained.config, data)
    runs.show_evaluation(trained, runs.evaluate(trained, dataset), dataset.class_names, Console())


@app.command
@_called_later
def predict(
    run: RunPath,
    images: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="IMAGE...")],
    *,
    top: int = 3,
    ground: Literal["auto", "dark", "light"] = "auto",
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Show what a run's network takes pictures for.

    Args:
        run: the run's directory.
        images: image files, and folders of them.
        top: how many classes to show of each, the likeliest first.
        ground: whether things lie on a dark ground, as in Fashion-MNIST, or on a light one; auto looks at the border.
        json: print an object of JSON a picture instead.
    """
    trained = runs.TrainedRun.open(run)
    runs.keep_compiled_programs()
    dark_on_light = {"auto": None, "dark": False, "light": True}[ground]
    runs.predict_files(trained, images, Console(), top=top, dark_on_light=dark_on_light, as_json=json)


@app.command
@_called_later
def report(run: RunPath, *, data: str | None = None, out: Path | None = None) -> None:
    """Write an HTML page about a run, all runs in a directory, or a reproduction.

    Args:
        run: the directory of a run, one with runs in it, or that of jaxcnn reproduce; or a reproduction.json.
        data: the data, as for train; that which the run was trained on unless given. Not used for a reproduction.
        out: the HTML file; unless given, report.html in the directory, or the name of the JSON file with .html.
    """
    from jaxcnn.report import write_report, write_reproduction_report  # here, because matplotlib imports slowly

    if run.is_file() or (run / reproduction.RESULTS_FILE).is_file():
        Console().print(f"wrote {write_reproduction_report(run, out)}", highlight=False, soft_wrap=True, markup=False)
        return
    first, *_ = runs.find_runs(run)
    dataset = runs.load_data(runs.TrainedRun.open(first).config, data)
    runs.keep_compiled_programs()
    Console().print(f"wrote {write_report(run, dataset, out)}", highlight=False, soft_wrap=True, markup=False)


@app.command
@_called_later
def export(run: RunPath, *, to: str, out: Path | None = None, batch_size: int = 1) -> None:
    """Write a run's network as a file that needs no jaxcnn, after checking that it gives the same logits.

    Args:
        run: the run's directory.
        to: stablehlo, the program with its weights for jax.export; onnx, that for ONNX's runtimes; or safetensors, the
            weights alone.
        out: the file; in the run's directory, by the recipe's name, unless given.
        batch_size: images that a call of an ONNX program takes; the other forms take any number.
    """
    trained = runs.TrainedRun.open(run)
    recipe = trained.config.recipe
    path = out or run / f"{recipe.name}.{to}"
    difference = interop.export_network(
        trained.state.apply_fn, trained.state.variables, path, form=to, image_shape=trained.config.data.image_shape,
        image_size=recipe.image_size, batch_size=batch_size,
        about={"network": recipe.title, "steps": str(int(trained.state.step))},
    )  # fmt: skip
    size = path.stat().st_size / 1e6
    Console().print(
        f"wrote {path}, {size:.1f} MB; its logits differ from the run's by {difference:.1e}",
        highlight=False, soft_wrap=True, markup=False,
    )  # fmt: skip


@data_app.command
@_called_later
def prepare(*, to: Path, data: Path | None = None) -> None:
    """Write Fashion-MNIST as a TFDS directory, which `tfds.data_source('fashion_mnist', data_dir=TO)` reads.

    Args:
        to: the TFDS data directory; fashion_mnist/3.0.1 is made in it.
        data: directory of Fashion-MNIST; looked for, then fetched, unless given.
    """
    Console().print(f"prepared {prepare_tfds(to, data)}", highlight=False, soft_wrap=True, markup=False)


def _learning_rates(text: str) -> tuple[float, ...]:
    """The numbers that `text` has, with commas between them."""
    try:
        return tuple(map(float, text.split(",")))
    except ValueError as error:
        raise InputError(
            f"a learning rate of {text!r}: a number is needed, or several with commas between them, such as 1e-4,1e-3"
        ) from error


def main(args: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0; 1 where a run could not go on; 2 for input that cannot be used; 128 plus its number for a
        signal.
    """
    logging.basicConfig(format="%(message)s")
    logging.getLogger("jaxcnn").setLevel(logging.INFO)
    warnings.filterwarnings("ignore", module="PIL")  # what of a picture cannot be used is said by an error
    logging.getLogger("absl").setLevel(logging.CRITICAL)  # Orbax logs with a traceback what it also raises
    try:
        _parse(args)()
    except DivergedError as error:
        return _end(error, 1)
    except (InputError, RunError) as error:
        code = _end(error, 2 if isinstance(error, InputError) else 1)
        runs.leave_hosts(code)
        return code
    except StoppedError as stopped:
        return _end(stopped, 128 + stopped.signal)
    except KeyboardInterrupt:
        return _end("interrupted", 130)
    return 0


def _parse(args: list[str] | None) -> Callable[[], None]:
    """What `args` ask for. An InputError holds in one line what Tyro says of others in a box."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return app.cli(prog="jaxcnn", description="Convolutional networks as functional JAX.", args=args)
    except SystemExit as ended:
        if ended.code != 2:
            raise
        lines = said.getvalue().splitlines()[1:-1]  # within the box, with rules between its parts
        parts = re.split(r"─{4,}|-{4,}", " ".join(line.strip("│| ") for line in lines))
        raise InputError("; ".join(" ".join(part.split()) for part in parts)) from ended


def _end(why: Exception | str, code: int) -> int:
    """Say why, in one line whatever names are in it."""
    sys.stderr.write(f"jaxcnn: {' '.join(str(why).splitlines())}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
