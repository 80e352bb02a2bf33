"""What a person sees of a run: a live bar and a line an epoch, a table at the end; plain lines without a terminal."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from jaxcnn.recipes import DocumentedEpoch, Recipe
from jaxcnn.training import ChunkResult, EpochFigures


class Display:
    """Shows a run of `recipe` on `console`."""

    def __init__(self, console: Console, recipe: Recipe) -> None:
        self._console = console
        self._recipe = recipe
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
        self._console.print(words, highlight=False, soft_wrap=True)

    @contextmanager
    def live(self) -> Iterator[None]:
        """Keep the bar on the screen."""
        with self._progress:
            yield

    def chunk(self, result: ChunkResult, num_epochs: int) -> None:
        """Move the bar to where `result` stands."""
        self._progress.update(
            self._task,
            epoch=f"{result.epoch}/{num_epochs}",
            completed=(result.epoch - 1) * result.steps + result.steps_done,
            total=num_epochs * result.steps,
            figures=(
                f"loss {result.train_loss:.4f}  acc {result.train_accuracy:.3f}  "
                f"{result.images_per_second:,.0f} images/s"
            ),
        )

    def epoch(self, result: EpochFigures) -> None:
        """A line for the epoch, beside the documented one where there is one; compilation is told apart."""
        if result.compile_seconds:
            self._console.print(f"compiled in {result.compile_seconds:.1f} s", highlight=False)
        line = (
            f"epoch {result.epoch}: loss {result.train_loss:.4f}, train acc {result.train_accuracy:.3f}, "
            f"test acc {result.test_accuracy:.3f}, {result.seconds:.1f} s"
        )
        documented = _documented(self._recipe, result.epoch)
        if documented is not None:
            line += (
                f"  [dim](documented: {documented.loss:.4f}, {documented.train_accuracy:.3f}, "
                f"{documented.test_accuracy:.3f}, {documented.seconds:.1f} s)[/dim]"
            )
        self._console.print(line, highlight=False, soft_wrap=True)

    def table(self, results: Sequence[EpochFigures]) -> None:
        """This run's figures, an epoch a line, each beside the documented one where there are such."""
        title = self._recipe.title
        if self._recipe.documented:
            title += f", section {self._recipe.section}: documented / this run"
        table = Table(title=title)
        table.add_column("epoch", justify="right")
        for heading in ("loss", "train acc", "test acc", "seconds"):
            table.add_column(heading, justify="right")
        for result in results:
            cells = _cells(result.train_loss, result.train_accuracy, result.test_accuracy, result.seconds)
            if self._recipe.documented:
                told = _documented(self._recipe, result.epoch)
                beside = ["-"] * len(cells) if told is None else _cells(*astuple(told))
                cells = [f"{one} / {other}" for one, other in zip(beside, cells, strict=True)]
            table.add_row(str(result.epoch), *cells)
        self._console.print(table)


def _cells(loss: float, train_accuracy: float, test_accuracy: float, seconds: float) -> list[str]:
    return [f"{loss:.4f}", f"{train_accuracy:.3f}", f"{test_accuracy:.3f}", f"{seconds:.1f}"]


def _documented(recipe: Recipe, epoch: int) -> DocumentedEpoch | None:
    return recipe.documented[epoch - 1] if epoch <= len(recipe.documented) else None
