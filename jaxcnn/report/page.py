"""The page about runs."""

from pathlib import Path

from jaxcnn.data import Dataset, StreamedDataset
from jaxcnn.recipes import SOURCE
from jaxcnn.report.data_section import describe_data
from jaxcnn.report.group_section import make_section
from jaxcnn.report.grouping import group_runs
from jaxcnn.report.overview import make_overview
from jaxcnn.report.rendering import write_page
from jaxcnn.runs import load_common_data, open_runs
from jaxcnn.words import printable


def write_report(path: Path, dataset: Dataset | StreamedDataset | str | None = None, out: Path | None = None) -> Path:
    """Write one HTML page about the run in `path`, or about all runs below it.

    Runs that differ only in their seeds share a section. With more than one section, the page begins with an
    overview. The page has no scripts and works offline.

    Args:
        path: the directory of a run, or a directory with several runs.
        dataset: the data of the runs, or its source as for `data.load_dataset`; None for the place where the runs had
            it. The page shows predictions for its test images.
        out: the file; report.html in `path` unless given.

    Returns:
        The file.

    Raises:
        InputError: if there are no runs, one cannot be read or has other data, or the file cannot be written.
    """
    runs = open_runs(path)
    if not isinstance(dataset, Dataset | StreamedDataset):
        dataset = load_common_data(runs, dataset)
    for run in runs:
        run.config.check_data(dataset)
    groups = group_runs(runs)
    class_names = [printable(name) for name in dataset.class_names]
    content = {
        "title": ", ".join(dict.fromkeys(group.config.recipe.title for group in groups)),
        "source": SOURCE if any(group.config.recipe.reference for group in groups) else None,
        "overview": make_overview(groups) if len(groups) > 1 else None,
        "sections": [make_section(group, dataset, class_names, path) for group in groups],
        "data": describe_data(groups, dataset, class_names),
    }
    return write_page("page.html", content, out or path / "report.html")
