"""Runs on the terminal: a live bar and a line an epoch, tables at the end; plain lines without a terminal."""

import os
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import Progress, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from jaxcnn.recipes import ReferenceEpoch
from jaxcnn.runs import Run, Setup, Writer
from jaxcnn.training import ChunkResult, EpochResult, best_epoch
from jaxcnn.training.metrics import standard_deviation
from jaxcnn.words import count_of
from jaxcnn.writers.console import PlainConsole, make_table, say, show_table

_BARS = "▁▂▃▄▅▆▇█"
_NARROW = 76  # columns that a whole line of progress needs


class TerminalWriter(Writer):
    """Shows a run, or several of one recipe that differ in seed and learning rate.

    Args:
        console: where to print; the standard output unless given.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or PlainConsole()
        self._rates: list[float] = []
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            _Clock(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def on_start(self, runs: Sequence[Run], setup: Setup) -> None:
        """Print what is trained, on how many images and which devices, and start the bar."""
        recipe, config = runs[0].config.recipe, runs[0].config
        self._rates = list(dict.fromkeys(run.config.recipe.learning_rate for run in runs))
        seeds = list(dict.fromkeys(run.config.seed for run in runs))
        words = [
            f"{recipe.title} on {count_of(setup.num_examples, 'image')} of {recipe.image_size}x{recipe.image_size}",
            *(["streamed"] if setup.is_streamed else []),
            f"{count_of(recipe.num_epochs, 'epoch')} of batches of {recipe.batch_size}",
            recipe.describe_training(self._rates),
            f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}",
            config.dtype,
            setup.devices,
        ]
        self._say(", ".join(words))
        if setup.placement.has_members:
            self._say(f"{len(runs)} members, {setup.placement}")
        elif setup.placement.devices:
            self._say(str(setup.placement))
        if runs[0].step:
            self._say(f"resuming from checkpoint {runs[0].step}")
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        self._progress.add_task("compiling", total=None)
        self._progress.start()

    def on_chunk(self, results: Mapping[Run, ChunkResult]) -> None:
        """Move the bar, with the mean over the runs."""
        if not results:
            return
        (run, result), *_ = results.items()
        num_epochs = run.config.recipe.num_epochs
        loss = statistics.fmean(float(each.train_loss) for each in results.values())
        accuracy = statistics.fmean(float(each.train_accuracy) for each in results.values())
        parts = [
            f"epoch {result.epoch}/{num_epochs}",
            f"step {result.steps_done}/{result.steps}",
            f"loss {_number(loss, 4)}",
            f"acc {accuracy:.3f}",
            f"{result.images_per_second:,.0f} img/s",
        ]
        shown = parts if self._console.width >= _NARROW else [parts[0], parts[2]]
        (task,) = self._progress.task_ids
        done = (result.epoch - 1) * result.steps + result.steps_done
        self._progress.update(
            task, description=" · ".join(shown), completed=done, total=num_epochs * result.steps
        )  # fmt: skip

    def on_epoch(self, results: Mapping[Run, EpochResult]) -> None:
        """Print a line for each learning rate."""
        compile_seconds = sum(float(result.compile_seconds) for result in results.values())
        if compile_seconds:
            self._say(f"compiled in {compile_seconds:.1f} s")
        for rate in self._rates:
            of_rate = {run: each for run, each in results.items() if run.config.recipe.learning_rate == rate}
            if of_rate:
                self._line(rate, of_rate)

    def _line(self, rate: float, results: Mapping[Run, EpochResult]) -> None:
        run, every = next(iter(results)), list(results.values())
        number = every[0].epoch
        cells = _cells(every)
        accuracies = [f"{split} {cells[name]}" for split in ("val", "test") if (name := f"{split} acc") in cells]
        at = f" at {rate:g}" if len(self._rates) > 1 else ""
        parts = [f"loss {cells['loss']}", f"acc {cells['train acc'].split()[0]}", *accuracies]
        line = f"epoch {number}{at}: {', '.join(parts)}, {cells['seconds']} s"
        reference = _reference(run, number)
        if reference is not None and len(every) == 1 and not at:
            loss, train, test, _ = _reference_cells(reference).values()
            book = f"{loss}, {train}, {test}"
            self._console.print(Text(f"{line} ") + Text(f"(book {book})", "dim"))
        else:
            self._say(line)

    def on_end(self, runs: Sequence[Run]) -> None:
        """Print the metrics of all runs, how each ended, and where they are."""
        was_started = bool(self._progress.task_ids)
        self._progress.stop()
        if not runs:
            return
        self._rates = list(dict.fromkeys(run.config.recipe.learning_rate for run in runs))
        trained = [run for run in runs if run.epochs]
        if trained and len(self._rates) > 1:
            self._sweep(trained)
        elif trained:
            self._epochs(trained)
        if len(runs) == 1:
            (run,) = runs
            already = "" if was_started else "already "
            epochs = f"{len(run.epochs)} of {count_of(run.config.recipe.num_epochs, 'epoch')}"
            self._best(run)
            if run.stopped_early is not None:
                self._say(f"stopped early: {run.stopped_early}")
            self._say(f"{already}{run.status} after {epochs}; the run is in {run.path}", wrap=False)
            return
        if trained:
            self._curves(trained)
        counts = Counter(run.status for run in runs)
        words = ", ".join(f"{count} {status}" for status, count in counts.items())
        if early := sum(run.stopped_early is not None for run in runs):
            words += f" ({early} stopped early)"
        paths = [run.path for run in runs]
        if len({path.is_absolute() for path in paths}) > 1:
            paths = [path.absolute() for path in paths]
        self._say(f"{words}; the runs are in {os.path.commonpath(paths) or '.'}", wrap=False)

    def _best(self, run: Run) -> None:
        """A line about the epoch with the best validation accuracy, if there is a validation split."""
        best = best_epoch(run.epochs)
        if best is not None:
            cells = _cells([best])
            self._say(f"best: epoch {best.epoch}, validation accuracy {cells['val acc']}, test {cells['test acc']}")

    def _epochs(self, runs: Sequence[Run]) -> None:
        """A row for each epoch, each number with the book's if the runs are comparable."""
        recipe = runs[0].config.recipe
        is_comparable = runs[0].config.is_comparable
        title = recipe.title
        if is_comparable:
            title += f", section {recipe.section}: the book / {_these(len(runs), 'run')}"
        names = _cells(runs[0].epochs[-1:])
        table = make_table(title, ["epoch", *names, *(("min", "max") if len(runs) > 1 else ())])
        for number in range(1, max(len(run.epochs) for run in runs) + 1):
            results = [run.epochs[number - 1] for run in runs if len(run.epochs) >= number]
            cells = {name: cell.replace(" ±", "\n±") for name, cell in _cells(results).items()}
            if is_comparable:
                reference = _reference(runs[0], number)
                between = " /\n" if len(runs) > 1 else " / "
                for name, book in _reference_cells(reference).items():
                    cells[name] = f"{book}{between}{cells[name]}"
            table.add_row(
                str(number), *(cells.get(name, "-") for name in names), *(_range(results) if len(runs) > 1 else ())
            )
        show_table(self._console, table)

    def _sweep(self, runs: Sequence[Run]) -> None:
        """A row for each learning rate, and the one with the best mean validation accuracy.

        With a validation split, the results of a run are those of its best epoch, else those of its last.
        """
        is_validated = best_epoch(runs[0].epochs) is not None
        which = "at its best epoch" if is_validated else "after the last epoch"
        title = f"{runs[0].config.recipe.title} {which}"
        if len(runs) > len(self._rates):
            title += ", mean over seeds ± standard deviation"
        found = {run: best_epoch(run.epochs) or run.epochs[-1] for run in runs}
        last = {rate: [found[r] for r in runs if r.config.recipe.learning_rate == rate] for rate in self._rates}
        last = {rate: results for rate, results in last.items() if results}
        names = _main_cells(runs[0].epochs[-1:])
        table = make_table(title, ("rate", "runs", *names, "min", "max"))
        for rate, results in last.items():
            cells = [cell.replace(" ±", "\n±") for cell in _main_cells(results).values()]
            table.add_row(f"{rate:g}", str(len(results)), *cells, *_range(results))
        show_table(self._console, table)
        if not is_validated:
            self._say("the test images select no learning rate; hold out validation images with --val-fraction 0.1")
            return
        best = max(
            last, key=lambda rate: statistics.fmean(float(result.metrics["val_accuracy"]) for result in last[rate])
        )
        cells = _cells(last[best])
        self._say(
            f"best: learning rate {best:g}, validation accuracy {cells['val acc']}, test {cells['test acc']} "
            f"({count_of(len(last[best]), 'seed')})"
        )

    def _curves(self, runs: Sequence[Run]) -> None:
        """A row for each run: its last metrics, and the curve of its test accuracy."""
        of_rate = ["rate"] if len(self._rates) > 1 else []
        names = _main_cells(runs[0].epochs[-1:])
        table = make_table("each run after its last epoch", (*of_rate, "seed", *names))
        table.add_column("test acc by epoch")
        every = [float(result.test_accuracy) for run in runs for result in run.epochs]
        low, high = min(every), max(every)
        for run in runs:
            heights = [(float(result.test_accuracy) - low) / ((high - low) or 1) for result in run.epochs]
            curve = "".join(_BARS[round(height * (len(_BARS) - 1))] for height in heights)
            rate = [f"{run.config.recipe.learning_rate:g}"] if of_rate else []
            table.add_row(*rate, str(run.config.seed), *_main_cells(run.epochs[-1:]).values(), curve)
        show_table(self._console, table)

    def _say(self, words: str, *, wrap: bool = True) -> None:
        say(self._console, words, wrap=wrap)


class _Clock(TimeRemainingColumn):
    """The time since the start while a program is compiled, then the time left."""

    max_refresh = None

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text(f"{task.elapsed or 0:.0f} s")
        return Text("· ") + super().render(task) + Text(" left")


def _heading(name: str) -> str:
    return name.replace("_", " ").replace("accuracy", "acc")


def _cells(results: Sequence[EpochResult]) -> dict[str, str]:
    """Loss, accuracies, further metrics and seconds: of several runs the means ± standard deviations."""
    return {
        **_main_cells(results),
        **{_heading(name): _mean_of(results, name) for name in results[0].further_metrics},
        "seconds": _seconds(results),
    }


def _main_cells(results: Sequence[EpochResult]) -> dict[str, str]:
    """The loss and the accuracies of the splits."""
    accuracies = [
        f"{split}_accuracy" for split in ("train", "val", "test") if f"{split}_accuracy" in results[0].metrics
    ]
    return {
        "loss": _mean([float(result.train_loss) for result in results], 4),
        **{_heading(name): _mean([float(result.metrics[name]) for result in results], 3) for name in accuracies},
    }


def _mean_of(results: Sequence[EpochResult], name: str) -> str:
    return _number(statistics.fmean(float(result.metrics[f"test_{name}"]) for result in results), 3)


def _seconds(results: Sequence[EpochResult]) -> str:
    """The seconds of all runs together."""
    seconds = sum(float(result.seconds) for result in results)
    return f"{seconds:.1f}" if seconds < 100 else f"{seconds:.0f}"


def _mean(values: Sequence[float], digits: int) -> str:
    mean = _number(statistics.fmean(values), digits)
    return f"{mean} ±{_number(standard_deviation(values), digits)}" if len(values) > 1 else mean


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if abs(value) < 1e5 else f"{value:.3g}"


def _range(results: Sequence[EpochResult]) -> tuple[str, str]:
    accuracies = [float(result.test_accuracy) for result in results]
    return f"{min(accuracies):.3f}", f"{max(accuracies):.3f}"


def _these(count: int, what: str) -> str:
    return f"this {what}" if count == 1 else count_of(count, what)


def _reference_cells(epoch: ReferenceEpoch | None) -> dict[str, str]:
    """The book's figures as cells; dashes for an epoch that the book does not have."""
    if epoch is None:
        return dict.fromkeys(("loss", "train acc", "test acc", "seconds"), "-")
    return {
        "loss": f"{epoch.loss:.4f}",
        "train acc": f"{epoch.train_accuracy:.3f}",
        "test acc": f"{epoch.test_accuracy:.3f}",
        "seconds": f"{epoch.seconds:.1f}",
    }


def _reference(run: Run, epoch: int) -> ReferenceEpoch | None:
    """The book's figures for an epoch, if the run is comparable with them."""
    reference = run.config.recipe.reference if run.config.is_comparable else ()
    return reference[epoch - 1] if epoch <= len(reference) else None
