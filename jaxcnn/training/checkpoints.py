"""Checkpoints on disk, through Orbax."""

import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.errors import first_line
from jaxcnn.files import plain_path
from jaxcnn.training.state import TrainState

_LOGGER = logging.getLogger(__name__)

_WAIT_SECONDS = 30  # maximum time that processes wait for each other to write
_INCOMPLETE = re.compile(r"(\d+)\.orbax-checkpoint-tmp.*")


class Checkpointer:
    """The checkpoints of one run on disk: the newest, and the one with the best accuracy.

    Checkpoints are written in the background; leaving the context waits for them. A checkpoint gets its final name when
    it is complete. A single process reads the first one back, to find out early whether the directory loses data.

    Args:
        directory: where the checkpoints are; made if it is missing.
        max_to_keep: number of the newest checkpoints that are kept.
        cleanup_tmp: whether to remove incomplete checkpoints of earlier processes before the next one is saved.

    Attributes:
        directory: where the checkpoints are.
        interrupted: the steps of incomplete checkpoints; in other processes than the primary one, empty.

    Raises:
        OSError: if the directory cannot be made or read.

    Examples:
        >>> import tempfile, optax
        >>> from jaxcnn.models import LeNet
        >>> from jaxcnn.training import create_train_state
        >>> state = create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))
        >>> with tempfile.TemporaryDirectory() as directory, Checkpointer(directory) as checkpoints:
        ...     checkpoints.save(state, metadata={"epochs": []})
        ...     restored, metadata = checkpoints.resume(state)
        ...     int(restored.step), metadata
        (0, {'epochs': []})
    """

    def __init__(self, directory: Path | str, *, max_to_keep: int = 2, cleanup_tmp: bool = False) -> None:
        from orbax import checkpoint as ocp  # here, because it imports more slowly than all of jaxcnn

        for name in ("absl", "asyncio"):
            logging.getLogger(name).addFilter(_is_not_of_orbax)
        _hide_closed_loops()
        self._args = ocp.args
        self._kept = _NewestAndBest(max_to_keep)
        self._must_read_back = jax.process_count() == 1
        self.directory = Path(directory).absolute()
        self.interrupted = []
        if jax.process_index() == 0:  # the others must not make it before the primary process has checked its parent
            self.directory.mkdir(parents=True, exist_ok=True)
            found = (_INCOMPLETE.fullmatch(path.name) for path in sorted(self.directory.iterdir()))
            self.interrupted = [int(match[1]) for match in found if match]
        options = ocp.CheckpointManagerOptions(
            preservation_policy=self._kept,
            async_options=ocp.AsyncOptions(timeout_secs=_WAIT_SECONDS) if jax.process_count() > 1 else None,
            cleanup_tmp_directories=cleanup_tmp,
        )
        with ExitStack() as closing:
            self._path = closing.enter_context(plain_path(self.directory))
            self._manager = ocp.CheckpointManager(self._path, options=options)
            self._closing = closing.pop_all()

    def steps(self) -> list[int]:
        """The steps of the checkpoints."""
        return sorted(self._manager.all_steps())

    @property
    def best_step(self) -> int | None:
        """The step of the checkpoint with the best accuracy, as far as it was saved or resumed here; None for none."""
        return None if self._kept.best is None else int(self._kept.best["step"])

    def save(
        self, state: TrainState, *, metadata: Mapping[str, Any] | None = None, accuracy: float | None = None
    ) -> None:
        """Write `state` under its step. It replaces a checkpoint of the same step and all later ones.

        Args:
            state: the state. It is copied first, so its memory can be reused at once.
            metadata: what else `resume` returns, of types that JSON has.
            accuracy: decides which checkpoint is the best; None for a state that is kept only as one of the newest.

        Raises:
            OSError: if this checkpoint, or the one before it in the background, cannot be written, or the first one
                cannot be read back.
        """
        step = int(state.step)
        if accuracy is not None and (self._kept.best is None or accuracy > self._kept.best["accuracy"]):
            self._kept.best = {"step": step, "accuracy": accuracy}
        arrays = jax.tree.map(jnp.copy, _arrays(state))
        items = self._args.Composite(
            state=self._args.StandardSave(arrays),
            history=self._args.JsonSave({"best": self._kept.best, "history": dict(metadata or {})}),
        )
        with self._writing():
            self._manager.wait_until_finished()
            for later in self.steps():
                if later >= step:
                    self._manager.delete(later)
            self._manager.save(step, args=items)
        if self._must_read_back:
            self.wait()
            self._must_read_back = False
            try:
                self._read(step, arrays)
            except Exception as error:
                raise OSError(
                    f"checkpoint {step} in {self.directory} cannot be read back: {self._reason(error)}"
                ) from error

    def wait(self) -> None:
        """Wait until all saved states are on disk.

        Raises:
            OSError: if one cannot be written.
        """
        with self._writing():
            self._manager.wait_until_finished()

    def restore(self, state: TrainState) -> TrainState:
        """The newest readable checkpoint.

        Args:
            state: a state with the same tree of shapes and types.

        Raises:
            FileNotFoundError: if there is none.
        """
        return self.resume(state)[0]

    def resume(self, state: TrainState, *, max_step: int | None = None) -> tuple[TrainState, dict[str, Any]]:
        """The newest readable checkpoint, and its metadata. Unreadable ones are skipped with a warning in the log.

        Args:
            state: a state with the same tree of shapes and types.
            max_step: the maximum step; None for no maximum.

        Raises:
            FileNotFoundError: if there is none.
        """
        self._manager.wait_until_finished()
        for step in reversed([step for step in self.steps() if max_step is None or step <= max_step]):
            try:
                arrays, history = self._read(step, _arrays(state))
                best, metadata = history["best"], dict(history["history"])
            except Exception as error:  # noqa: BLE001 -- for a damaged file Orbax raises many kinds, even Exception
                _LOGGER.warning("checkpoint %d cannot be read and is skipped: %s", step, self._reason(error))
                continue
            key = jax.random.wrap_key_data(arrays["key"], impl=jax.random.key_impl(state.key))
            self._kept.best = best
            return state.replace(**{**arrays, "key": key}), metadata
        raise FileNotFoundError(f"no checkpoint that can be read in {self.directory}")

    def _read(self, step: int, arrays: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The arrays and the history of a checkpoint, with the shapes, types and shardings of `arrays`."""
        abstract = jax.tree.map(_abstract, dict(arrays))
        wanted = self._args.Composite(state=self._args.StandardRestore(abstract), history=self._args.JsonRestore())
        items = self._manager.restore(step, args=wanted)
        return items["state"], items["history"]

    def _reason(self, error: Exception) -> str:
        """The first line of an error of Orbax, shortened, with the directory in place of a temporary link."""
        return first_line(error).replace(str(self._path), str(self.directory))[:200]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Raise OSError for all errors of the disk; TensorStore, which Orbax uses, raises ValueError for some."""
        try:
            yield
        except (OSError, ValueError) as error:
            code = re.search(r"os_error_code='(\d+)'", str(error))
            if jax.process_count() > 1 and code is None and isinstance(error, ValueError):
                raise  # from another process, not from the disk
            reason = os.strerror(int(code[1])) if code else getattr(error, "strerror", None) or self._reason(error)
            raise OSError(f"no checkpoint can be written in {self.directory}: {reason}") from error

    def __enter__(self) -> "Checkpointer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._closing, self._writing():
            self._manager.close()


class _NewestAndBest:
    """Decides which checkpoints Orbax keeps.

    Orbax's own policy for the best reads a file of each checkpoint at the start, and fails if one is damaged.

    Attributes:
        best: step and accuracy of the best; None if no accuracy was given.
    """

    def __init__(self, newest: int) -> None:
        self._newest = newest
        self.best: dict[str, Any] | None = None

    def should_preserve(self, checkpoints: Sequence[Any], *, context: object) -> list[bool]:  # noqa: ARG002
        """Whether to keep each checkpoint; they are in the order of their steps."""
        best = None if self.best is None else self.best["step"]
        first = len(checkpoints) - self._newest
        return [number >= first or checkpoint.step == best for number, checkpoint in enumerate(checkpoints)]


def _is_not_of_orbax(record: logging.LogRecord) -> bool:
    """Whether to keep a log record: not if it is a warning or an error of Orbax, which also raises its errors."""
    error = record.exc_info[1] if record.exc_info else None
    frames = traceback.walk_tb(error.__traceback__) if error else ()
    files = [record.pathname, *(frame.f_code.co_filename for frame, _ in frames)]
    return record.levelno < logging.WARNING or not any("orbax" in Path(file).parts for file in files)


@cache
def _hide_closed_loops() -> None:
    """Hide what TensorStore prints of a failed write, which raises an error as well.

    The other parts of the checkpoint are then still being written, and on Python 3.13 each prints at its end that
    Orbax has closed the event loop.
    """
    report = sys.unraisablehook

    def filtered(unraisable: "sys.UnraisableHookArgs") -> None:
        is_closed_loop = isinstance(unraisable.exc_value, RuntimeError) and unraisable.object is None
        if not (is_closed_loop and str(unraisable.exc_value) == "Event loop is closed"):
            report(unraisable)

    sys.unraisablehook = filtered


def _arrays(state: TrainState) -> dict[str, Any]:
    return {
        "step": state.step,
        "params": state.params,
        "batch_stats": state.batch_stats,
        "opt_state": state.opt_state,
        "key": jax.random.key_data(state.key),
        **({} if state.ema is None else {"ema": state.ema}),
    }


def _abstract(leaf: jax.Array) -> jax.ShapeDtypeStruct:
    """Shape, type and sharding of `leaf`; the array was perhaps saved with another sharding."""
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
