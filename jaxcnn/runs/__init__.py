"""A recipe carried out: trained, shown on the terminal, and kept in a directory."""

from jaxcnn.runs.directory import RunDirectory, params_sha256
from jaxcnn.runs.environment import keep_compiled_programs, keep_memory
from jaxcnn.runs.overview import list_recipes, summarize
from jaxcnn.runs.training import RunConfig, train

__all__ = [
    "RunConfig", "RunDirectory", "keep_compiled_programs", "keep_memory", "list_recipes", "params_sha256", "summarize",
    "train",
]  # fmt: skip
