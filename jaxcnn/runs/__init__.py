"""Runs: a recipe trained into a directory, resumed, and opened again."""

from jaxcnn.runs.config import RunConfig
from jaxcnn.runs.directory import RunDirectory, lock_directory, params_sha256
from jaxcnn.runs.ensemble import Ensemble, open_run_or_ensemble
from jaxcnn.runs.evaluation import ConfusedPair, Evaluation, Reliability
from jaxcnn.runs.evaluation_tables import MAX_CLASSES, class_rows, class_title, pair_rows
from jaxcnn.runs.initialization import InitFrom
from jaxcnn.runs.interval import Interval
from jaxcnn.runs.opened import Split, TrainedRun, find_runs, load_common_data, load_data, open_runs
from jaxcnn.runs.range_test import find_learning_rate
from jaxcnn.runs.records import check_same_config, flatten_config, read_config, read_metrics, read_summary
from jaxcnn.runs.run import Run
from jaxcnn.runs.states import initial_state, make_model
from jaxcnn.runs.stopping import StopSignals
from jaxcnn.runs.sweep import sweep
from jaxcnn.runs.training import train, train_ensemble
from jaxcnn.runs.writer import Setup, Writer

__all__ = [
    "MAX_CLASSES",
    "ConfusedPair",
    "Ensemble",
    "Evaluation",
    "InitFrom",
    "Interval",
    "Reliability",
    "Run",
    "RunConfig",
    "RunDirectory",
    "Setup",
    "Split",
    "StopSignals",
    "TrainedRun",
    "Writer",
    "check_same_config",
    "class_rows",
    "class_title",
    "find_learning_rate",
    "find_runs",
    "flatten_config",
    "initial_state",
    "load_common_data",
    "load_data",
    "lock_directory",
    "make_model",
    "open_run_or_ensemble",
    "open_runs",
    "pair_rows",
    "params_sha256",
    "read_config",
    "read_metrics",
    "read_summary",
    "sweep",
    "train",
    "train_ensemble",
]
