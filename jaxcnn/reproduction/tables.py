"""Tables of a reproduction: an overview with one row for each experiment, and all metrics with their verdicts."""

from collections.abc import Iterable, Sequence

from rich.console import Console

from jaxcnn.reproduction.comparison import Comparison, Experiment, compare
from jaxcnn.reproduction.results import Results
from jaxcnn.words import count_of
from jaxcnn.writers import make_table, say, show_table

_OVERVIEW = ("experiment", "reproduced", "runs", "final loss", "train accuracy", "test accuracy", "loss by epoch")
_DETAILS = ("experiment", "metric", "book", "mean", "sd", "min to max", "agrees")
_MODERN = ("recipe", "runs", "book", "mean ± sd", "min to max")
_WORDS_IN = {"experiment", "metric", "agrees", "recipe"}  # columns of words; the others have numbers
_WORDS = {"train_loss": "train loss", "train_accuracy": "train acc", "test_accuracy": "test acc"}

Rows = list[tuple[str, ...]]


def overview_rows(results: Results) -> Rows:
    """A heading, and one row for each of the book's experiments: the verdict, and the book / mean ± sd of the runs."""
    rows: Rows = [_OVERVIEW]
    for experiment in _of_the_book(results):
        cells = ["-", "-", "-", "-"]
        if experiment.runs:
            *train, test = experiment.final
            cells = [f"{_book(metric)} / {_mean_and_deviation(metric)}" for metric in train]
            cells += [f"{_book(test)} / {_range(test)}", _largest(experiment)]
        rows.append((experiment.recipe.name, experiment.verdict, _runs(experiment), *cells))
    return rows


def detail_rows(experiments: Iterable[Experiment]) -> Rows:
    """A heading, and four rows for each experiment with runs: each metric, its spread, and the verdict."""
    rows: Rows = [_DETAILS]
    for experiment in experiments:
        for comparison in experiment.final:
            rows.append(
                (
                    experiment.recipe.name, _WORDS[comparison.metric], _book(comparison),
                    _number(comparison, comparison.mean), _deviation(comparison), _range(comparison), comparison.agrees,
                )
            )  # fmt: skip
        if experiment.losses:
            row = ("", _largest(experiment), "", _epochs(experiment), experiment.losses_agree)
            rows.append((experiment.recipe.name, "epoch loss", *row))
    return rows


def modern_rows(results: Results) -> Rows:
    """A heading, and one row for each modern recipe with runs: its test accuracy and the book's."""
    rows: Rows = [_MODERN]
    for experiment in compare(results):
        if experiment.runs and not experiment.is_of_the_book:
            test = experiment.final[-1]
            row = (_book(test), _mean_and_deviation(test), _range(test))
            rows.append((experiment.recipe.name, _runs(experiment), *row))
    return rows


def notes(results: Results) -> list[str]:
    """One line for each experiment that is not reproduced, is unfinished, or has runs that are not compared."""
    lines = []
    for experiment in _of_the_book(results):
        name, epochs = experiment.recipe.name, len(experiment.recipe.reference)
        if experiment.runs and experiment.num_epochs < epochs:
            lines.append(f"{name}: {experiment.num_epochs} of {epochs} epochs are done")
        if experiment.runs and (limit := experiment.runs[0]["limit"]) is not None:
            lines.append(f"{name}: trained on {count_of(limit, 'image')}, not on all")
        lines += [
            f"{name}: seed {run['seed']} has {len(run['epochs'])} of {epochs} epochs "
            f"({run.get('status', 'unfinished')})"
            for run in experiment.behind
        ]
        if experiment.others:
            seeds = ", ".join(str(run["seed"]) for run in experiment.others)
            lines.append(
                f"{name}: seeds {seeds} are left out: other settings, --limit or --dtype than the compared runs"
            )
        if experiment.is_whole and experiment.failures:
            cause = f"possible cause: {experiment.recipe.caveat}" if experiment.recipe.caveat else "cause unknown"
            lines.append(f"{name}: not reproduced in {', '.join(experiment.failures)}; {cause}")
    return lines


def overview_markdown(results: Results) -> str:
    """The overview with its criterion and notes, and the modern recipes, in Markdown."""
    parts = [markdown_table(overview_rows(results)), CRITERION + "\n"]
    if lines := notes(results):
        parts.append("".join(f"- {line}\n" for line in lines))
    if len(rows := modern_rows(results)) > 1:
        parts += ["The same networks with modern training, test accuracy:\n", markdown_table(rows)]
    return "\n".join(parts)


def as_markdown(results: Results) -> str:
    """The overview and all metrics of the book's experiments, in Markdown."""
    rows = detail_rows(_of_the_book(results))
    details = f"\nAll metrics of the last epoch:\n\n{markdown_table(rows)}" if len(rows) > 1 else ""
    return overview_markdown(results) + details


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """`rows` as a Markdown table. The first row is the heading."""
    heading, *others = rows
    lines = [heading, ["---"] * len(heading), *others]
    escaped = ([" ".join(cell.split()).replace("|", r"\|") for cell in cells] for cells in lines)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in escaped)


CRITERION = """\
Loss and training accuracy: the book / mean ± standard deviation over the seeds. Test accuracy: the book / smallest to
largest over the seeds. All are from the last epoch. Loss by epoch: the largest relative difference between the mean
training loss of an epoch and the book's.

An experiment is reproduced if all of this holds: the mean final loss is within 5 % of the book's; the mean final
training accuracy is within .01; the mean training loss of each epoch is within 10 %; the book's final test accuracy is
between the smallest and the largest of the seeds. With one seed the test accuracy is not checked. GoogLeNet's first two
epochs are not compared: its loss is on a plateau, whose length depends on the seed. An experiment is unfinished if it
has fewer epochs or fewer images than the book's."""
"""When an experiment is reproduced, in words for tables and pages."""


def show_reproduction(results: Results, console: Console) -> None:
    """Print all metrics with their verdicts, and the notes. The terminal needs 80 columns."""
    table = make_table("the book's figures and ours, after the last epoch", _DETAILS, left=_WORDS_IN)
    for experiment in _of_the_book(results):
        _, *rows = detail_rows([experiment])
        for number, (name, *cells) in enumerate(rows, start=1):
            label = {1: name, 2: _runs(experiment)}.get(number, "")
            table.add_row(label, *cells, end_section=number == len(rows))
    if table.row_count:
        show_table(console, table)
    if len(modern := modern_rows(results)) > 1:
        table = make_table("the same networks with modern training: test accuracy", modern[0], left=_WORDS_IN)
        for row in modern[1:]:
            table.add_row(*row)
        show_table(console, table)
    for line in notes(results):
        say(console, line)


def _of_the_book(results: Results) -> list[Experiment]:
    return [experiment for experiment in compare(results) if experiment.is_of_the_book]


def _runs(experiment: Experiment) -> str:
    if not experiment.runs:
        return "-"
    return f"{len(experiment.runs)} x {count_of(experiment.num_epochs, 'epoch')}"


def _number(comparison: Comparison, value: float) -> str:
    return f"{value:.{4 if comparison.metric == 'train_loss' else 3}f}"


def _book(comparison: Comparison) -> str:
    return _number(comparison, comparison.reference)


def _mean_and_deviation(comparison: Comparison) -> str:
    mean = _number(comparison, comparison.mean)
    return f"{mean} ± {_deviation(comparison)}" if len(comparison.measured) > 1 else mean


def _deviation(comparison: Comparison) -> str:
    return _number(comparison, comparison.deviation) if len(comparison.measured) > 1 else "-"


def _range(comparison: Comparison) -> str:
    low, high = min(comparison.measured), max(comparison.measured)
    return (
        _number(comparison, low)
        if len(comparison.measured) == 1
        else f"{_number(comparison, low)} to {_number(comparison, high)}"
    )


def _largest(experiment: Experiment) -> str:
    return f"{experiment.largest_difference:+.1%}" if experiment.losses else "-"


def _epochs(experiment: Experiment) -> str:
    first = 1 + experiment.num_epochs - len(experiment.losses)
    return f"epoch {first}" if first == experiment.num_epochs else f"epochs {first} to {experiment.num_epochs}"
