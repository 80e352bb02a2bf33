"""Commands that train: train, reproduce; and data prepare."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxcnn import recipes, reproduction, runs, writers
from jaxcnn.cli.options import later, option, print_line
from jaxcnn.cli.recipe_options import RecipeOptions
from jaxcnn.cli.weights import find_weights
from jaxcnn.data import (
    Dataset,
    StreamedDataset,
    load_dataset,
    load_fashion_mnist,
    names_other_data,
    prepare_tfds,
)
from jaxcnn.errors import InputError
from jaxcnn.platform import (
    configure_malloc,
    enable_compilation_cache,
    enable_deterministic_ops,
    find_devices,
    init_distributed,
    is_primary_process,
    memory_budget,
    raise_file_limit,
    set_num_cpu_devices,
)

Platform = Literal["cpu", "gpu", "tpu"]
Dtype = Literal["float32", "bfloat16"]
Group = tyro.conf.OmitArgPrefixes
Flag = tyro.conf.FlagCreatePairsOff


_ALL = "all"


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Attributes:
        seed: random seed of initialization, dropout, augmentation and the order of the data.
        seeds: number of runs, with the seeds from --seed.
        init_from: start from these weights: the directory of a run, or a safetensors file from jaxcnn export or
            PyTorch. The head is new if the number of classes differs.
        dtype: type of the computation.
        patience: stop a run after this many epochs without a better validation accuracy.
        until: stop a run when its validation accuracy reaches this, such as 0.94.
        keep_going: do not stop when the loss becomes NaN or infinite.
    """

    seed: int = 0
    seeds: int = 1
    init_from: Annotated[Path | None, option("RUN|FILE", "the recipe's initialization")] = None
    dtype: Dtype = "float32"
    patience: Annotated[int | None, option("INT", "do not stop early")] = None
    until: Annotated[float | None, option("FLOAT", "do not stop early")] = None
    keep_going: Flag[bool] = False


@dataclass(frozen=True)
class DataOptions:
    """The images.

    Attributes:
        data: directory of Fashion-MNIST, as IDX files or prepared by TFDS. Other images: folder:DIR with a folder for
            each class, idx:DIR with files like MNIST's, or tfds:DIR.
        limit: use only the first images of each split, this many.
        val_fraction: hold out this share of the training images of each class for validation, which chooses the best
            checkpoint and the best learning rate. A folder val beside train and test is used without this option.
        val_seed: random seed of the choice of the held-out images, the same for all runs.
        stream: move images to the device as they are needed. This is automatic for images that do not fit in memory.
    """

    data: Annotated[str | None, option("DIR", "Fashion-MNIST, found or fetched")] = None
    limit: Annotated[int | None, option("INT", _ALL)] = None
    val_fraction: Annotated[float | None, option("FLOAT", "none")] = None
    val_seed: int = 0
    stream: Flag[bool] = False

    def load(self, platform: Platform | None, image_size: int) -> Dataset | StreamedDataset:
        """Load the images for `platform`."""
        raise_file_limit()
        budget = 0 if self.stream else memory_budget(platform)
        return load_dataset(self.data, image_size=image_size, max_bytes=budget, limit=self.limit)


@dataclass(frozen=True)
class HardwareOptions:
    """The devices.

    Attributes:
        platform: what to compute on.
        num_devices: devices that share each step of a run; or the maximum for several runs. A CPU can be used as any
            number of devices.
        deterministic: make results repeatable on a GPU too, which is slower; on a CPU they always are.
        distributed: share each step with the other processes of a job, each started by the same command. SLURM, Open
            MPI and Kubernetes are recognized; elsewhere set JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and
            JAX_PROCESS_ID.
    """

    platform: Annotated[Platform | None, option("{cpu,gpu,tpu}", "the fastest one here")] = None
    num_devices: Annotated[int | None, option("INT", "1, or all for several runs")] = None
    deterministic: Flag[bool] = False
    distributed: Flag[bool] = False


@dataclass(frozen=True)
class SavingOptions:
    """What is written.

    Attributes:
        workdir: directory of the run, new or of the same run.
        checkpoint_every: interval of checkpoints inside an epoch: steps, such as 500, or a time, such as 30s or 2h.
        log_to: where to log each chunk of steps: tensorboard for WORKDIR/tensorboard, jsonl for WORKDIR/log.jsonl; can
            be given twice.
    """

    workdir: Annotated[Path | None, option("DIR", "runs/NAME-TIME")] = None
    checkpoint_every: Annotated[str, tyro.conf.arg(metavar="STEPS|TIME")] = "10m"
    log_to: tyro.conf.UseAppendAction[
        Annotated[tuple[Literal["tensorboard", "jsonl"], ...], option("{tensorboard,jsonl}", "none")]
    ] = ()


@later
def train(
    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")],
    recipe: Group[RecipeOptions] = RecipeOptions(),
    training: Group[TrainingOptions] = TrainingOptions(),
    data: Group[DataOptions] = DataOptions(),
    hardware: Group[HardwareOptions] = HardwareOptions(),
    saving: Group[SavingOptions] = SavingOptions(),
) -> None:
    """Train a network and save the run.

    The same command with the same --workdir resumes it.

    Several seeds or learning rates are trained in one program.

    Each of several runs has its own directory in the workdir.

    Args:
        name: the recipe, such as lenet or lenet_modern; or your own, as FILE.py:ATTRIBUTE or PACKAGE.MODULE:ATTRIBUTE.
        recipe: changes of the recipe.
        training: how to train.
        data: the images.
        hardware: the devices.
        saving: what is written.
    """
    if hardware.deterministic:  # before a recipe in a file computes anything
        enable_deterministic_ops()
    changed = recipe.change(recipes.get_recipe(name))
    config = runs.RunConfig(
        changed, training.seed, hardware.platform, training.dtype, data.limit, hardware.deterministic,
        val_fraction=data.val_fraction, val_seed=data.val_seed, patience=training.patience, until=training.until,
    )  # fmt: skip
    recipe.check_optimizer(changed)
    root = saving.workdir or Path("runs") / f"{changed.name}-{datetime.now():%Y%m%d-%H%M%S-%f}"
    configs = runs.sweep(config, root, learning_rates=recipe.learning_rates(changed), num_seeds=training.seeds)
    every = runs.Interval.parse(saving.checkpoint_every)
    watching = [writers.TerminalWriter(), *(_WRITERS[kind]() for kind in dict.fromkeys(saving.log_to))]
    if hardware.distributed and saving.workdir is None:
        raise InputError("--distributed: expected --workdir, a directory that all machines can access")
    if hardware.distributed:
        init_distributed()
    configure_malloc()
    if len(configs) > 1 or hardware.num_devices is not None:
        set_num_cpu_devices(hardware.num_devices)
    dataset = data.load(hardware.platform, changed.image_size)
    configs = {path: config.with_data(dataset, data.data) for path, config in configs.items()}
    enable_compilation_cache()
    if training.init_from is not None:
        init_from = find_weights(training.init_from, changed, configs)
        configs = {path: replace(config, init_from=init_from) for path, config in configs.items()}
    options = {"writers": watching, "num_devices": hardware.num_devices, "checkpoint_every": every}
    if len(configs) > 1:
        runs.train_ensemble(configs, dataset, keep_going=training.keep_going, **options)
    else:
        (config,) = configs.values()
        runs.train(config, dataset, root, keep_going=training.keep_going, **options)
    if is_primary_process():
        is_one_rate = len({config.recipe.learning_rate for config in configs.values()}) == 1
        # a run records the place of its data, unless this is Fashion-MNIST
        place = [] if data.data is None or names_other_data(data.data) else ["--data", data.data]
        evaluate = shlex.join(["jaxcnn", "evaluate", str(root if is_one_rate else next(iter(configs))), *place])
        report = shlex.join(["jaxcnn", "report", str(root), *place])
        print_line(f"next: {evaluate}\n      {report}")


@later
def reproduce(
    names: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[NAMES]")] = (),
    *,
    seeds: int = 1,
    output: Path = Path("reproduction"),
    epochs: Annotated[int | None, option("INT", "the book's")] = None,
    data: Annotated[Path | None, option("DIR", "Fashion-MNIST, found or fetched")] = None,
    limit: Annotated[int | None, option("INT", _ALL)] = None,
    platform: Annotated[Platform | None, option("{cpu,gpu,tpu}", "the fastest one here")] = None,
    dtype: Dtype = "float32",
) -> None:
    """Train the book's experiments, and compare them with the book's figures.

    The same command resumes interrupted runs.

    Several processes can share a directory; each trains different runs.

    Args:
        names: the recipes; the book's nine unless given.
        seeds: number of runs of each.
        output: directory for the runs, reproduction.json and the table reproduction.md. Both files are updated after
            each epoch.
        epochs: number of epochs.
        data: directory of Fashion-MNIST.
        limit: use only the first images of each split, this many.
        platform: what to compute on.
        dtype: type of the computation.
    """
    configs = reproduction.plan(
        names, output, seeds=seeds, num_epochs=epochs, limit=limit, device=platform, dtype=dtype
    )
    configure_malloc()
    find_devices(platform, 1)  # raises before anything is read or written
    dataset = load_fashion_mnist(data)
    enable_compilation_cache()
    reproduction.reproduce(configs, dataset, output, writers.PlainConsole())


@later
def prepare_data(
    *, output: Path, data: Annotated[Path | None, option("DIR", "Fashion-MNIST, found or fetched")] = None
) -> None:
    """Write Fashion-MNIST as a directory that TensorFlow Datasets reads.

    Args:
        output: the TFDS data directory, for tfds.data_source('fashion_mnist', data_dir=OUTPUT).
        data: directory of Fashion-MNIST.
    """
    print_line(f"prepared {prepare_tfds(output, data)}")


_WRITERS: dict[str, Callable[[], runs.Writer]] = {
    "tensorboard": writers.TensorBoardWriter,
    "jsonl": writers.JsonLinesWriter,
}
