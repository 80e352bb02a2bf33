"""What a person sees of runs: a live bar and a line an epoch, tables at the end; plain lines without a terminal."""

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from jaxcnn.recipes import ReferenceEpoch
from jaxcnn.runs.config import RunConfig
from jaxcnn.training import EpochFigures, ReplicasChunk

_BARS = "▁▂▃▄▅▆▇█"


class Display:
    """Shows a run, or several of one recipe that differ in seed and learning rate, on `console`."""

    def __init__(self, console: Console, configs: Sequence[RunConfig]) -> None:
        self._console = console
        self._configs = configs
        self._recipe = configs[0].recipe
        self._rates = list(dict.fromkeys(config.recipe.learning_rate for config in configs))
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("epoch", epoch="", figures="compiling", total=None)

    def say(self, words: str) -> None:
        """A line of words."""
        self._console.print(words, highlight=False, soft_wrap=True, markup=False)

    @contextmanager
    def live(self) -> Iterator[None]:
        """Keep the bar on the screen."""
        with self._progress:
            yield

    def begin(self, num_examples: int, devices: str, *, is_streamed: bool) -> None:
        """A line that says what is done, on how many examples, how they come to the devices, and on which."""
        recipe, dtype = self._recipe, self._configs[0].dtype
        seeds = list(dict.fromkeys(config.seed for config in self._configs))
        words = [
            f"{recipe.title} on {num_examples:,} images of {recipe.image_size}x{recipe.image_size}",
            *(["streamed"] if is_streamed else []),
            f"{recipe.num_epochs} epochs of batches of {recipe.batch_size}",
            recipe.describe_training(self._rates),
            f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}",
            dtype,
            devices,
        ]
        self.say(", ".join(words))

    def chunk(self, event: ReplicasChunk) -> None:
        """Move the bar to where `event` stands, and show the mean over the runs."""
        num_epochs = self._recipe.num_epochs
        self._progress.update(
            self._task,
            epoch=f"{event.epoch}/{num_epochs}",
            completed=(event.epoch - 1) * event.steps + event.steps_done,
            total=num_epochs * event.steps,
            figures=(
                f"loss {event.train_loss.mean():.4f}  acc {event.train_accuracy.mean():.3f}  "
                f"{event.images_per_second:,.0f} images/s"
            ),
        )

    def epoch(self, results: Sequence[tuple[RunConfig, EpochFigures]]) -> None:
        """A line for the epoch of runs, one a learning rate, beside the book's where there is one."""
        compile_seconds = sum(result.compile_seconds for _, result in results)
        if compile_seconds:
            self.say(f"compiled in {compile_seconds:.1f} s")
        for rate in self._rates:
            self._line(rate, [result for config, result in results if config.recipe.learning_rate == rate])

    def _line(self, rate: float, results: Sequence[EpochFigures]) -> None:
        if not results:
            return
        number = results[0].epoch
        loss, train_accuracy, test_accuracy, seconds = _cells(results)
        of_rate = f" at {rate:g}" if len(self._rates) > 1 else ""
        line = f"epoch {number}{of_rate}: loss {loss}, train acc {train_accuracy}, test acc {test_accuracy}"
        if len(results) > 1:
            line += f" ({_least(results)} to {_most(results)})"
        line += f", {seconds} s"
        reference = _reference(self._configs[0], number)
        if reference is not None and len(self._rates) == 1:
            line += "  [dim](the book: {}, {}, {}, {} s)[/dim]".format(*_reference_cells(reference))
        self._console.print(line, highlight=False, soft_wrap=True)

    def end(self, runs: Sequence[tuple[RunConfig, Sequence[EpochFigures], str]], root: Path) -> None:
        """The figures of all runs, how each ended, and where they are."""
        trained = [(config, epochs) for config, epochs, _ in runs if epochs]
        if trained and len(self._rates) > 1:
            self._sweep(trained)
        elif trained:
            self._epochs([epochs for _, epochs in trained])
        num_epochs = self._recipe.num_epochs
        if len(runs) == 1:
            ((_, epochs, status),) = runs
            self.say(f"{status} after {len(epochs)} of {num_epochs} epochs; the run is in {root}")
            return
        if trained:
            self._curves(trained)
        counts = Counter(status for _, _, status in runs)
        self.say(f"{', '.join(f'{count} {status}' for status, count in counts.items())}; the runs are in {root}")

    def _epochs(self, runs: Sequence[Sequence[EpochFigures]]) -> None:
        """An epoch a line, each figure beside the book's where there is one."""
        title = self._recipe.title
        if self._recipe.reference:
            title += f", section {self._recipe.section}: the book / {_these(len(runs), 'run')}"
        table = Table(title=title)
        table.add_column("epoch", justify="right")
        for heading in ("loss", "train acc", "test acc", "seconds", *(("least", "most") if len(runs) > 1 else ())):
            table.add_column(heading, justify="right")
        for number in range(1, max(map(len, runs)) + 1):
            results = [epochs[number - 1] for epochs in runs if len(epochs) >= number]
            cells = _cells(results)
            if self._recipe.reference:
                reference = _reference(self._configs[0], number)
                beside = ["-"] * len(cells) if reference is None else _reference_cells(reference)
                beside_it = " /\n" if len(runs) > 1 else " / "
                cells = [f"{one}{beside_it}{other}" for one, other in zip(beside, cells, strict=True)]
            bounds = (_least(results), _most(results)) if len(runs) > 1 else ()
            table.add_row(str(number), *cells, *bounds)
        self._console.print(table)

    def _sweep(self, runs: Sequence[tuple[RunConfig, Sequence[EpochFigures]]]) -> None:
        """A learning rate a line, after the last epoch, and the best by the mean of the test accuracy."""
        table = Table(title=f"{self._recipe.title} after the last epoch, mean over seeds ± standard deviation")
        for heading in ("learning rate", "runs", "loss", "train acc", "test acc", "least", "most"):
            table.add_column(heading, justify="right")
        last = {
            rate: [epochs[-1] for config, epochs in runs if config.recipe.learning_rate == rate] for rate in self._rates
        }
        for rate, results in last.items():
            if results:
                table.add_row(
                    f"{rate:g}", str(len(results)), *_cells(results)[:3], _least(results), _most(results)
                )  # fmt: skip
        self._console.print(table)
        best = max(
            (rate for rate in last if last[rate]),
            key=lambda rate: statistics.fmean(result.test_accuracy for result in last[rate]),
        )
        self.say(
            f"best: learning rate {best:g}, test accuracy {_cells(last[best])[2]} ({_these(len(last[best]), 'seed')})"
        )

    def _curves(self, runs: Sequence[tuple[RunConfig, Sequence[EpochFigures]]]) -> None:
        """A run a line: its last figures, and its test accuracy as it went."""
        table = Table(title="each run after its last epoch")
        of_rate = ["learning rate"] if len(self._rates) > 1 else []
        for heading in (*of_rate, "seed", "loss", "train acc", "test acc"):
            table.add_column(heading, justify="right")
        table.add_column("test acc by epoch")
        every = [result.test_accuracy for _, epochs in runs for result in epochs]
        low, high = min(every), max(every)
        for config, epochs in runs:
            heights = [(result.test_accuracy - low) / ((high - low) or 1) for result in epochs]
            curve = "".join(_BARS[round(height * (len(_BARS) - 1))] for height in heights)
            rate = [f"{config.recipe.learning_rate:g}"] if of_rate else []
            table.add_row(*rate, str(config.seed), *_cells(epochs[-1:])[:3], curve)
        self._console.print(table)


def _cells(results: Sequence[EpochFigures]) -> list[str]:
    """Loss, accuracies and seconds: of several, means ± standard deviations, and the seconds of all."""
    return [
        _mean([result.train_loss for result in results], 4),
        _mean([result.train_accuracy for result in results], 3),
        _mean([result.test_accuracy for result in results], 3),
        f"{sum(result.seconds for result in results):.1f}",
    ]


def _mean(values: Sequence[float], digits: int) -> str:
    mean = f"{statistics.fmean(values):.{digits}f}"
    return f"{mean} ±{statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def _least(results: Sequence[EpochFigures]) -> str:
    return f"{min(result.test_accuracy for result in results):.3f}"


def _most(results: Sequence[EpochFigures]) -> str:
    return f"{max(result.test_accuracy for result in results):.3f}"


def _these(count: int, what: str) -> str:
    return f"this {what}" if count == 1 else f"{count} {what}s"


def _reference_cells(epoch: ReferenceEpoch) -> list[str]:
    return [
        f"{epoch.loss:.4f}", f"{epoch.train_accuracy:.3f}", f"{epoch.test_accuracy:.3f}", f"{epoch.seconds:.1f}"
    ]  # fmt: skip


def _reference(config: RunConfig, epoch: int) -> ReferenceEpoch | None:
    reference = config.recipe.reference
    return reference[epoch - 1] if epoch <= len(reference) else None
