"""A recipe carried out: trained, shown on the terminal, and kept in a directory."""

from jaxcnn.runs.directory import RunDirectory, params_sha256
from jaxcnn.runs.environment import compute_in_order, keep_compiled_programs, keep_memory
from jaxcnn.runs.interval import Interval
from jaxcnn.runs.overview import list_recipes, summarize
from jaxcnn.runs.training import RunConfig, train

__all__ = [
    "Interval", "RunConfig", "RunDirectory", "compute_in_order", "keep_compiled_programs", "keep_memory",
    "list_recipes", "params_sha256", "summarize", "train",
]  # fmt: skip
