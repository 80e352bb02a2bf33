"""The command line: it parses and calls."""

import logging
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from jaxcnn import recipes, runs
from jaxcnn.data import load_fashion_mnist, prepare_tfds
from jaxcnn.errors import InputError, RunError, StoppedError

app = tyro.extras.SubcommandApp()
data_app = tyro.extras.SubcommandApp()
app.command(data_app, name="data", help="Fashion-MNIST on disk.")


@app.command(name="list")
def list_() -> None:
    """Show the recipes that can be trained."""
    runs.list_recipes(Console())


@app.command
def summary(name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]) -> None:
    """Show a network layer by layer: shapes, parameters, operations for one image.

    Args:
        name: the recipe, such as lenet.
    """
    runs.summarize(recipes.get_recipe(name), Console())


@app.command
def train(
    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")],
    *,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    data: Path | None = None,
    limit: int | None = None,
    workdir: Path | None = None,
    device: str | None = None,
    dtype: str = "float32",
    deterministic: bool = False,
    checkpoint_every: str = "10m",
    keep_going: bool = False,
) -> None:
    """Train a network as documented and keep the run. The same command with the same workdir goes on with it.

    Args:
        name: the recipe, such as lenet.
        epochs: epochs to train; as documented unless given.
        batch_size: examples a step; as documented unless given.
        learning_rate: that of Adam; as documented unless given.
        seed: of initialisation, dropout and the order of the data.
        data: directory of Fashion-MNIST, as IDX files or prepared by TFDS; looked for, then fetched, unless given.
        limit: use the first so many images of each split alone.
        workdir: directory for the run, new or of the same run; runs/NAME-TIME unless given.
        device: cpu, gpu or tpu; the best one there is unless given.
        dtype: type of the computation, float32 or bfloat16.
        deterministic: the same numbers each time on a GPU too, at the cost of speed; a CPU always gives them.
        checkpoint_every: how often to save inside an epoch: steps, such as 500, or a time, such as 30s, 10m or 2h.
        keep_going: go on with numbers that are not finite.
    """
    recipe = recipes.get_recipe(name)
    changes = {"num_epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    recipe = replace(recipe, **{key: value for key, value in changes.items() if value is not None})
    config = runs.RunConfig(recipe, seed=seed, device=device, dtype=dtype, limit=limit, deterministic=deterministic)
    every = runs.Interval.parse(checkpoint_every)
    if deterministic:
        runs.compute_in_order()
    runs.keep_memory()
    runs.keep_compiled_programs()
    workdir = workdir or Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    dataset = load_fashion_mnist(data)
    runs.train(config, dataset, workdir, Console(), checkpoint_every=every, keep_going=keep_going)


@data_app.command
def prepare(*, to: Path, data: Path | None = None) -> None:
    """Write Fashion-MNIST as a TFDS directory, which `tfds.data_source('fashion_mnist', data_dir=TO)` reads.

    Args:
        to: the TFDS data directory; fashion_mnist/3.0.1 is made in it.
        data: directory of Fashion-MNIST; looked for, then fetched, unless given.
    """
    Console().print(f"prepared {prepare_tfds(to, data)}", highlight=False, soft_wrap=True)


def main(args: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0; 1 where a run could not go on; 2 for input that cannot be used; 128 plus its number for a
        signal.
    """
    logging.basicConfig(format="%(message)s")
    logging.getLogger("jaxcnn").setLevel(logging.INFO)
    logging.getLogger("absl").setLevel(logging.CRITICAL)  # Orbax logs with a traceback what it also raises
    try:
        app.cli(prog="jaxcnn", description="Convolutional networks as functional JAX.", args=args)
    except InputError as error:
        sys.stderr.write(f"jaxcnn: {error}\n")
        return 2
    except RunError as error:
        sys.stderr.write(f"jaxcnn: {error}\n")
        return 1
    except StoppedError as stopped:
        sys.stderr.write(f"jaxcnn: {stopped}\n")
        return 128 + stopped.signal
    except KeyboardInterrupt:
        sys.stderr.write("jaxcnn: interrupted\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
