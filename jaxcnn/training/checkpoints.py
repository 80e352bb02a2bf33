"""Checkpoints on disk, through Orbax."""

import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.training.state import TrainState

_LOGGER = logging.getLogger(__name__)

_WAIT_SECONDS = 30  # that hosts wait for each other to have written


class Checkpoints:
    """The checkpoints of one run: states on disk, the newest kept, and the one of the best accuracy.

    Writing goes on in the background; leaving the context waits for it. A checkpoint appears under its final name only
    when it is whole; one that was cut short stays under another name until the next run clears it away.

    Args:
        directory: where they lie; made if it is missing.
        keep: how many of the newest stay.

    Examples:
        >>> import tempfile, optax
        >>> from jaxcnn.models import LeNet
        >>> from jaxcnn.training import create_train_state
        >>> state = create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))
        >>> with tempfile.TemporaryDirectory() as directory, Checkpoints(Path(directory)) as checkpoints:
        ...     checkpoints.save(state, history={"epochs": []})
        ...     restored, history = checkpoints.resume(state)
        ...     int(restored.step), history
        (0, {'epochs': []})
    """

    def __init__(self, directory: Path, *, keep: int = 2) -> None:
        from orbax import checkpoint as ocp  # here, because its import takes longer than all of jaxcnn's

        self._args = ocp.args
        self._kept = _NewestAndBest(keep)
        waiting = ocp.AsyncOptions(timeout_secs=_WAIT_SECONDS) if jax.process_count() > 1 else None
        options = ocp.CheckpointManagerOptions(preservation_policy=self._kept, async_options=waiting)
        self._manager = ocp.CheckpointManager(directory.absolute(), options=options)

    @property
    def directory(self) -> Path:
        """Where they lie."""
        return Path(self._manager.directory)

    def steps(self) -> list[int]:
        """The steps of the checkpoints that are there."""
        return sorted(self._manager.all_steps())

    def save(
        self, state: TrainState, *, history: Mapping[str, Any] | None = None, accuracy: float | None = None
    ) -> None:
        """Write `state` under its step, in the place of any that is there and of all later ones.

        Args:
            state: what to write. It is copied first, so its memory may be taken over at once.
            history: what else is to come back with it, such as JSON holds it.
            accuracy: by which the best is found; None for a state that is kept only while it is one of the newest.

        Raises:
            OSError: if this one, or the one before that was written in the background, cannot be written.
        """
        step = int(state.step)
        if accuracy is not None and (self._kept.best is None or accuracy > self._kept.best["accuracy"]):
            self._kept.best = {"step": step, "accuracy": accuracy}
        arrays = jax.tree.map(jnp.copy, _arrays(state))
        items = self._args.Composite(
            state=self._args.StandardSave(arrays),
            history=self._args.JsonSave({"best": self._kept.best, "history": dict(history or {})}),
        )
        with self._writing():
            self._manager.wait_until_finished()
            for later in self.steps():
                if later >= step:
                    self._manager.delete(later)
            self._manager.save(step, args=items)

    def wait(self) -> None:
        """Wait until all that was saved is on disk.

        Raises:
            OSError: if it cannot be written.
        """
        with self._writing():
            self._manager.wait_until_finished()

    def restore(self, state: TrainState) -> TrainState:
        """The newest checkpoint that can be read, in the form of `state`.

        Raises:
            FileNotFoundError: if there is none.
        """
        return self.resume(state)[0]

    def resume(self, state: TrainState, *, up_to: int | None = None) -> tuple[TrainState, dict[str, Any]]:
        """The newest checkpoint that can be read, in the form of `state`, and its history.

        One that cannot be read is skipped for the one before, which the log says.

        Args:
            state: one of the same form.
            up_to: the step up to which to look; None for any.

        Raises:
            FileNotFoundError: if there is none.
        """
        self._manager.wait_until_finished()
        form = jax.tree.map(_form, _arrays(state))
        wanted = self._args.Composite(state=self._args.StandardRestore(form), history=self._args.JsonRestore())
        for step in reversed([step for step in self.steps() if up_to is None or step <= up_to]):
            try:
                items = self._manager.restore(step, args=wanted)
            except Exception as error:  # noqa: BLE001 -- of a damaged file Orbax raises much, up to Exception itself
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                _LOGGER.warning("checkpoint %d cannot be read and is skipped: %.200s", step, reason)
                continue
            arrays = items["state"]
            key = jax.random.wrap_key_data(arrays["key"], impl=jax.random.key_impl(state.key))
            self._kept.best = items["history"]["best"]
            return state.replace(**{**arrays, "key": key}), items["history"]["history"]
        raise FileNotFoundError(f"no checkpoint that can be read in {self.directory}")

    def clear_cut_short(self) -> list[int]:
        """Clear away what is left of checkpoints whose writing was cut short; returns their steps.

        Of several hosts the first one does so.
        """
        if jax.process_index() != 0:
            return []
        remains = sorted(self.directory.glob("*.orbax-checkpoint-tmp*"))
        for path in remains:
            shutil.rmtree(path)
        return [int(path.name.split(".")[0]) for path in remains]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One kind of error for what goes wrong on the disk, for which TensorStore, under Orbax, has ValueError."""
        try:
            yield
        except (OSError, ValueError) as error:
            code = re.search(r"os_error_code='(\d+)'", str(error))
            if jax.process_count() > 1 and code is None and isinstance(error, ValueError):
                raise  # of another host, not of the disk
            reason = os.strerror(int(code[1])) if code else getattr(error, "strerror", None) or str(error)
            raise OSError(f"no checkpoint can be written in {self.directory}: {reason}") from error

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._writing():
            self._manager.close()


class _NewestAndBest:
    """Which checkpoints Orbax is to keep.

    Its own policy for the best reads a file of each checkpoint as it starts, and fails where one is damaged.

    Attributes:
        best: step and accuracy of the best; None where no accuracy was told.
    """

    def __init__(self, newest: int) -> None:
        self._newest = newest
        self.best: dict[str, Any] | None = None

    def should_preserve(self, checkpoints: Sequence[Any], *, context: object) -> list[bool]:  # noqa: ARG002
        """For each checkpoint, in the order of the steps, whether it is kept."""
        best = None if self.best is None else self.best["step"]
        first = len(checkpoints) - self._newest
        return [number >= first or checkpoint.step == best for number, checkpoint in enumerate(checkpoints)]


def _arrays(state: TrainState) -> dict[str, Any]:
    return {
        "step": state.step,
        "params": state.params,
        "batch_stats": state.batch_stats,
        "opt_state": state.opt_state,
        "key": jax.random.key_data(state.key),
    }


def _form(leaf: jax.Array) -> jax.ShapeDtypeStruct:
    """Shape, type and place of `leaf`, which need not be the place of the array that was saved."""
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)
