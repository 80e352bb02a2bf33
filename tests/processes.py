"""Training in separate processes, which tests can kill."""

import faulthandler
import io
import multiprocessing
import os
import resource
from dataclasses import replace

import jax
import xla_flags  # noqa: F401 -- sets them
from flax import linen as nn
from rich.console import Console

from jaxcnn import errors, layers, platform, reproduction, runs
from jaxcnn.recipes import MODERN_RECIPES
from jaxcnn.writers import TerminalWriter


class Quick(nn.Module):
    """A network that compiles fast and has every kind of state: parameters, batch statistics and dropout."""

    num_classes: int = 10
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x, *, train):
        x = layers.Conv(4, 7, strides=7, dtype=self.dtype, name="conv")(x)
        x = layers.BatchNorm(use_running_average=not train, dtype=self.dtype, name="norm")(x)
        x = nn.Dropout(0.5, deterministic=not train, name="dropout")(nn.sigmoid(x))
        return layers.Dense(self.num_classes, dtype=self.dtype, name="dense")(layers.Flatten(name="flatten")(x))


# The recipe adds the state of a schedule and of random augmentation.
RECIPE = replace(
    MODERN_RECIPES["lenet_bn_modern"], model=Quick(), num_epochs=4, batch_size=32, learning_rate=0.001
)  # 512 images: 16 steps an epoch

_LIMIT = 300  # seconds after which a hanging process prints its stack and exits

# The fork server imports slow modules once for all processes.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["jaxcnn.runs", "orbax.checkpoint"])


def start(
    dataset,
    workdir,
    compiled,
    *,
    recipe=RECIPE,
    every=5,
    terminal=False,
    file_size=None,
    user=None,
    host=None,
    optimized=False,
):
    """Start a process that trains a recipe in `workdir`.

    Args:
        dataset: the data set, or a function that loads it in the process.
        workdir: directory of the run.
        compiled: directory of the compilation cache.
        recipe: the recipe.
        every: steps between checkpoints.
        terminal: whether to show progress on a terminal.
        file_size: maximum size of a file, in bytes; None for no maximum.
        user: user id of the process; None for the current user.
        host: for distributed training: the coordinator's port, the index of this process, and the number of processes;
            None for a single process.
        optimized: whether XLA compiles as it does for users, and not with the few optimizations of other tests.
    """
    process = _processes.Process(
        target=_train,
        args=(dataset, workdir, compiled, recipe, every, terminal, file_size, user, host, optimized),
        daemon=True,
    )
    process.start()
    return process


def start_reproduction(names, dataset, root, compiled, **options):
    """Start a process that reproduces experiments in `root`, with the compilation cache in `compiled`."""
    process = _processes.Process(target=_reproduce, args=(names, dataset, root, compiled, options), daemon=True)
    process.start()
    return process


def final_message(workdir, host=None):
    """The last line that the command line would have printed."""
    return _message_file(workdir, host).read_text()


def stderr_file(workdir):
    """What a process with `file_size` printed on stderr, in all its threads and up to its end."""
    return workdir.with_name(f"{workdir.name}.stderr")


def _message_file(workdir, host):
    return workdir.with_name(f"{workdir.name}.message{'' if host is None else host[1]}")


def _train(dataset, workdir, compiled, recipe, every, terminal, file_size, user, host, optimized):
    """Train, and exit like the command line. Its last line is written to a file next to the run."""
    if optimized:
        del os.environ["XLA_FLAGS"]  # XLA reads it when it computes first
    _prepare(compiled)
    code = 0
    if host is not None:
        port, number, count = host
        os.environ |= {
            "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
            "JAX_NUM_PROCESSES": str(count),
            "JAX_PROCESS_ID": str(number),
        }
        platform.init_distributed()
    with _message_file(workdir, host).open("w") as line:
        if file_size is not None:
            os.dup2(os.open(stderr_file(workdir), os.O_CREAT | os.O_WRONLY), 2)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
        if user is not None:
            os.setuid(user)
        try:
            dataset = dataset() if callable(dataset) else dataset
            shown = TerminalWriter(Console(file=io.StringIO(), force_terminal=terminal))
            every_steps = runs.Interval(steps=every)
            runs.train(runs.RunConfig(recipe), dataset, workdir, writers=[shown], checkpoint_every=every_steps)
        except errors.StoppedError as stopped:
            code = 128 + stopped.signal
            line.write(str(stopped))
        except errors.RunError as error:
            code = 1
            line.write(str(error))
        except errors.InputError as error:
            code = 2
            line.write(str(error))
    if code in (1, 2):
        platform.shutdown_distributed(code)
    raise SystemExit(code)


def _reproduce(names, dataset, root, compiled, options):
    _prepare(compiled)
    configs = reproduction.plan(names, root, **options)
    reproduction.reproduce(configs, dataset, root, Console(file=io.StringIO()))


def _prepare(compiled):
    """Exit if the process hangs, and keep the compilation cache in `compiled`."""
    faulthandler.dump_traceback_later(_LIMIT, exit=True)
    jax.config.update("jax_enable_compilation_cache", True)
    jax.config.update("jax_compilation_cache_dir", str(compiled))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
