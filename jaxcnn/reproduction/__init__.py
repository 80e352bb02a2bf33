"""Training of the book's experiments with several seeds, and comparison with the book's figures."""

from jaxcnn.reproduction.comparison import Comparison, Experiment, compare
from jaxcnn.reproduction.experiments import plan, reproduce
from jaxcnn.reproduction.results import RESULTS_FILE, Results, collect_results, merge_results, read_results
from jaxcnn.reproduction.tables import (
    CRITERION,
    as_markdown,
    detail_rows,
    markdown_table,
    notes,
    overview_markdown,
    overview_rows,
    show_reproduction,
)

__all__ = [
    "CRITERION", "RESULTS_FILE", "Comparison", "Experiment", "Results", "as_markdown", "collect_results", "compare",
    "detail_rows", "markdown_table", "merge_results", "notes", "overview_markdown", "overview_rows", "plan",
    "read_results", "reproduce", "show_reproduction",
]  # fmt: skip
