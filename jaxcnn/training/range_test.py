"""The learning rate range test: a short training during which the learning rate rises."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.training import chunks
from jaxcnn.training.batches import abstract_logits
from jaxcnn.training.loaders import DeviceBlock, ResidentLoader, StreamingLoader, make_loader
from jaxcnn.training.metrics import zero_metrics
from jaxcnn.training.options import FitOptions
from jaxcnn.training.placement import choose_placement
from jaxcnn.training.state import TrainState

_DIVERGED = 4.0  # times the lowest loss
_MIN_FALL = 0.05  # of the first loss


@dataclass(frozen=True)
class RangeTest:
    """The losses of a range test, of members that differ in their seeds.

    The suggested rate of a member is one tenth of the rate at which its smoothed loss is lowest. It is NaN if the loss
    falls by less than 5 %, or is lowest at the last rate, because higher rates may be better. The suggestion of the
    test is the lowest of these, because a rate at which one of the members does not train is too high.

    Attributes:
        rates: (S,), the learning rate of each step, ascending.
        losses: (members, S), the mean cross-entropy of each step's batch before the step, in nats.

    Examples:
        >>> rates = np.geomspace(1e-4, 10, 101)
        >>> test = RangeTest(rates, 1 + np.log10(rates / 0.1)[None] ** 2)
        >>> round(test.suggestion, 4)
        0.01

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017, section 3.3, arXiv:1506.01186.
    """

    rates: Float[np.ndarray, " steps"]
    losses: Float[np.ndarray, "members steps"]

    @property
    def smoothed(self) -> Float[np.ndarray, "members steps"]:
        """The losses averaged with those of the neighboring steps; NaN from the first loss that is not finite.

        The weights fall linearly over 1/40 of the steps on each side.
        """
        width = len(self.rates) // 40
        kernel = 1 - np.abs(np.arange(-width, width + 1)) / (width + 1)
        smoothed = np.full(self.losses.shape, np.nan)
        for row, losses in zip(smoothed, self.losses, strict=True):
            bad = np.flatnonzero(~np.isfinite(losses))
            good = losses[: bad[0]] if len(bad) else losses
            if not len(good):
                continue
            inside = slice(width, width + len(good))
            row[: len(good)] = np.convolve(good, kernel)[inside] / np.convolve(np.ones(len(good)), kernel)[inside]
        return smoothed

    @property
    def suggestions(self) -> Float[np.ndarray, " members"]:
        """The suggested learning rate of each member, or NaN."""
        suggestions = np.full(len(self.losses), np.nan)
        for number, losses in enumerate(self.smoothed):
            lowest = int(np.argmin(np.where(np.isnan(losses), np.inf, losses)))
            if losses[lowest] <= (1 - _MIN_FALL) * losses[0] and lowest < len(losses) - 1:
                suggestions[number] = self.rates[lowest] / 10
        return suggestions

    @property
    def suggestion(self) -> float | None:
        """The lowest of the suggestions; None if no member has one."""
        found = self.suggestions[~np.isnan(self.suggestions)]
        return float(found.min()) if len(found) else None


def range_test(
    state: TrainState,
    dataset: Dataset | StreamedDataset,
    options: FitOptions,
    *,
    rates: Float[np.ndarray, " steps"] | Sequence[float],
    on_step: Callable[[int], None] = lambda _: None,
) -> RangeTest:
    """Train each step with the next learning rate, and record the losses.

    The test ends early when the loss of every member is above four times its lowest loss, or not finite.

    Args:
        state: the stacked states, from `stack_members`. The optimizer state must contain the learning rate, as that of
            `optax.inject_hyperparams(optax.adam)(learning_rate=0.0)` does.
        dataset: the data. The training examples are used in full batches, for several epochs if necessary.
        options: how to train; `num_epochs` is not used. A placement for a single run is replaced by
            `choose_placement`.
        rates: the learning rate of each step, one or more, in ascending order.
        on_step: called with the number of steps done after each step.

    Returns:
        The rates of all steps that were done, and their losses.

    Raises:
        ValueError: if the rates are not positive and ascending, the learning rate is not in the optimizer's state, or
            the state is not that of an ensemble.

    Examples:
        >>> import optax
        >>> from jaxcnn.models import LeNet
        >>> from jaxcnn.training import create_train_state, stack_members
        >>> optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=0.0)
        >>> state = stack_members([create_train_state(LeNet(), optimizer, seed, (28, 28, 1)) for seed in range(2)])
        >>> images, labels = np.zeros((4, 28, 28, 1), np.uint8), np.arange(4, dtype=np.uint8)
        >>> dataset = Dataset(images, labels, images, labels, tuple("abcd"))
        >>> options = FitOptions(num_epochs=0, batch_size=2)
        >>> range_test(state, dataset, options, rates=[0.001, 0.01, 0.1]).losses.shape
        (2, 3)

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017, section 3.3, arXiv:1506.01186.
    """
    rates = np.asarray(rates, np.float64)
    if len(rates) == 0 or not rates[0] > 0 or not (np.diff(rates) > 0).all() or not np.isfinite(rates[-1]):
        raise ValueError(f"rates {rates}: expected one or more positive numbers in ascending order")
    if "learning_rate" not in getattr(state.opt_state, "hyperparams", {}):
        raise ValueError("the optimizer state has no learning rate: make the optimizer with optax.inject_hyperparams")
    if state.step.ndim != 1:
        raise ValueError("the state of a single run: expected stacked states, from stack_members")
    shape = options.input_shape(dataset.image_shape)
    if not options.placement.has_members:
        options = replace(options, placement=choose_placement(state, shape))
    placement, num_examples = options.placement, len(dataset.train)
    placement.check_state(state)
    state = placement.shard_state(jax.tree.map(jnp.copy, state))  # the steps reuse its memory
    rows = min(options.batch_size, num_examples)
    steps = num_examples // rows
    orders = [
        chunks.order_of_epoch(state, epoch, placement=placement, num_examples=num_examples)
        for epoch in range(1, math.ceil(len(rates) / steps) + 1)
    ]
    logits = abstract_logits(state, shape)
    metrics = zero_metrics(logits, options.all_metrics, (*state.step.shape, steps)).with_gradient_norm(0.0)
    metrics = placement.shard_state(metrics)
    losses: list[np.ndarray] = []
    for rate, (block, step) in zip(rates, _batches(make_loader(dataset, options), orders, steps), strict=False):
        state, metrics = chunks.train_chunk(
            _at_rate(state, rate), metrics, block, step, step + 1, options=options.train_program, rows=rows
        )
        losses.append(np.asarray(metrics.sums["loss"], np.float64)[:, step] / rows)
        on_step(len(losses))
        if _all_diverged(np.stack(losses, axis=1), len(rates) // 40):
            break
    return RangeTest(rates[: len(losses)], np.stack(losses, axis=1))


def _batches(
    loader: ResidentLoader | StreamingLoader, orders: Sequence[Int[Array, "members n"]], steps: int
) -> Iterator[tuple[DeviceBlock, int]]:
    """The block of each step of each epoch, and the number of the step in its epoch, below `steps`."""
    for order in orders:
        for block in loader.train(order, 0):
            yield from ((block, step) for step in range(block.first, min(block.stop, steps)))


def _at_rate(state: TrainState, rate: float) -> TrainState:
    """`state` with the learning rate `rate` in the state of its optimizer."""
    hyperparams = state.opt_state.hyperparams  # pyright: ignore[reportAttributeAccessIssue] -- of inject_hyperparams
    changed = {**hyperparams, "learning_rate": jnp.full_like(hyperparams["learning_rate"], rate)}
    return state.replace(opt_state=state.opt_state._replace(hyperparams=changed))  # pyright: ignore


def _all_diverged(losses: Float[np.ndarray, "members steps"], width: int) -> bool:
    """Whether the mean of the last `width` + 1 losses of every member is too high or not finite."""
    if losses.shape[1] <= width:
        return False
    last = losses[:, -1 - width :].mean(axis=1)
    lowest = np.lib.stride_tricks.sliding_window_view(losses, width + 1, axis=1).mean(axis=-1).min(axis=1)
    return bool((~(last <= _DIVERGED * lowest)).all())
