"""Training in processes of its own, which tests may kill."""

import faulthandler
import io
import logging
import multiprocessing
import os
import resource
from dataclasses import replace

import jax
from flax import linen as nn
from rich.console import Console

from jaxcnn import errors, layers, platform, reproduction, runs
from jaxcnn.recipes import MODERN_RECIPES
from jaxcnn.writers import TerminalWriter


class Quick(nn.Module):
    """A network that starts at once and has all that a run must not lose: parameters, statistics, dropout."""

    num_classes: int = 10
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x, *, train):
        x = layers.Conv(4, 7, strides=7, dtype=self.dtype, name="conv")(x)
        x = layers.BatchNorm(use_running_average=not train, dtype=self.dtype, name="norm")(x)
        x = nn.Dropout(0.5, deterministic=not train, name="dropout")(nn.sigmoid(x))
        return layers.Dense(self.num_classes, dtype=self.dtype, name="dense")(layers.Flatten(name="flatten")(x))


# What there is to lose besides: where the schedule stands, and what the images are changed by.
RECIPE = replace(
    MODERN_RECIPES["lenet_bn_modern"], model=Quick(), num_epochs=4, batch_size=32, learning_rate=0.001
)  # 512 images: 16 steps an epoch

_LIMIT = 300  # seconds after which a process that hangs says where, and ends

# What takes long to import is imported once, by the server that forks them.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["jaxcnn.runs", "orbax.checkpoint"])


def start(dataset, workdir, compiled, *, recipe=RECIPE, every=5, terminal=False, file_size=None, user=None, host=None):
    """A process that carries out `recipe` in `workdir`, with compiled programs kept in the directory `compiled`.

    Args:
        dataset: what it trains and tests on, or what gives that when it is called there.
        recipe: what it carries out.
        every: steps between checkpoints.
        terminal: whether it shows what it does on a terminal, with a bar.
        file_size: bytes beyond which no file can grow; None for no bound.
        user: number of the user that it becomes; None for this one.
        host: as one of several: the first one's port, its own number, and how many there are; None for by itself.
    """
    process = _processes.Process(
        target=_carry_out,
        args=(dataset, workdir, compiled, recipe, every, terminal, file_size, user, host),
        daemon=True,
    )
    process.start()
    return process


def start_reproduction(names, dataset, root, compiled, **options):
    """A process that reproduces experiments in `root`, with compiled programs kept in the directory `compiled`."""
    process = _processes.Process(target=_reproduce, args=(names, dataset, root, compiled, options), daemon=True)
    process.start()
    return process


def final_message(workdir, host=None):
    """The line that the command line would have ended with."""
    return _file_of_line(workdir, host).read_text()


def _file_of_line(workdir, host):
    return workdir.with_name(f"{workdir.name}.said{'' if host is None else host[1]}")


def _carry_out(dataset, workdir, compiled, recipe, every, terminal, file_size, user, host):
    """Train, and end as the command line does; the line that it would print goes into a file beside the run."""
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
    with _file_of_line(workdir, host).open("w") as line:
        if file_size is not None:
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
    """End if it hangs, and keep compiled programs in the directory `compiled`."""
    faulthandler.dump_traceback_later(_LIMIT, exit=True)
    jax.config.update("jax_enable_compilation_cache", True)
    jax.config.update("jax_compilation_cache_dir", str(compiled))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    logging.getLogger("absl").setLevel(logging.CRITICAL)
