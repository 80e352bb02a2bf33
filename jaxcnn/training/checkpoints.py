"""Checkpoints on disk, through Orbax."""

from pathlib import Path
from types import TracebackType
from typing import Any

import jax

from jaxcnn.training.state import TrainState


class Checkpoints:
    """The checkpoints of one run: states on disk, the newest kept.

    Writing goes on in the background; leaving the context waits for it. A checkpoint appears under its final name only
    when it is whole.

    Args:
        directory: where they lie; made if it is missing.
        keep: how many of the newest stay.

    Examples:
        >>> import tempfile, optax
        >>> from jaxcnn.models import LeNet
        >>> from jaxcnn.training import create_train_state
        >>> state = create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))
        >>> with tempfile.TemporaryDirectory() as directory, Checkpoints(Path(directory)) as checkpoints:
        ...     checkpoints.save(state)
        ...     int(checkpoints.restore(state).step)
        0
    """

    def __init__(self, directory: Path, *, keep: int = 2) -> None:
        from orbax import checkpoint as ocp  # here, because its import takes longer than all of jaxcnn's

        self._args = ocp.args
        options = ocp.CheckpointManagerOptions(max_to_keep=keep)
        self._manager = ocp.CheckpointManager(directory.absolute(), options=options)

    def save(self, state: TrainState) -> None:
        """Write `state` under its step; nothing happens if that step is there."""
        self._manager.save(int(state.step), args=self._args.StandardSave(_arrays(state)))

    def restore(self, state: TrainState) -> TrainState:
        """The newest checkpoint, in the form of `state`.

        Raises:
            FileNotFoundError: if there is none.
        """
        self._manager.wait_until_finished()
        step = self._manager.latest_step()
        if step is None:
            raise FileNotFoundError(f"no checkpoint in {self._manager.directory}")
        form = jax.eval_shape(_arrays, state)
        arrays = self._manager.restore(step, args=self._args.StandardRestore(form))
        key = jax.random.wrap_key_data(arrays["key"], impl=jax.random.key_impl(state.key))
        return state.replace(**{**arrays, "key": key})

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._manager.close()


def _arrays(state: TrainState) -> dict[str, Any]:
    return {
        "step": state.step,
        "params": state.params,
        "batch_stats": state.batch_stats,
        "opt_state": state.opt_state,
        "key": jax.random.key_data(state.key),
    }
