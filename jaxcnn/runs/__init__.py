"""A recipe carried out: trained, shown on the terminal, and kept in a directory."""

from jaxcnn.runs.config import RunConfig, cross
from jaxcnn.runs.directory import (
    RunDirectory,
    check_same_config,
    flatten_config,
    lock_directory,
    params_sha256,
    read_config,
    read_metrics,
    read_summary,
)
from jaxcnn.runs.environment import (
    compute_in_order,
    keep_compiled_programs,
    keep_memory,
    open_many_files,
    provide_cpu_devices,
    room_for_images,
)
from jaxcnn.runs.evaluation import Evaluation, evaluate, show_evaluation
from jaxcnn.runs.hosts import join_hosts, leave_hosts
from jaxcnn.runs.interval import Interval
from jaxcnn.runs.overview import list_recipes, summarize
from jaxcnn.runs.prediction import predict_files
from jaxcnn.runs.stopping import StopSignals
from jaxcnn.runs.trained import TrainedRun, find_runs, load_data
from jaxcnn.runs.training import train, train_replicas

__all__ = [
    "Evaluation", "Interval", "RunConfig", "RunDirectory", "StopSignals", "TrainedRun", "check_same_config",
    "compute_in_order",
    "cross", "evaluate", "find_runs", "flatten_config", "join_hosts", "keep_compiled_programs", "keep_memory",
    "leave_hosts", "list_recipes", "load_data", "lock_directory", "open_many_files", "params_sha256", "predict_files",
    "provide_cpu_devices", "read_config", "read_metrics", "read_summary", "room_for_images", "show_evaluation",
    "summarize", "train", "train_replicas",
]  # fmt: skip
