"""Training as pure functions of explicit state.

`create_train_state` makes the state. `train_step` and `eval_step` take one batch; `fit`, `evaluate` and `predict` take
whole data sets; `fit_ensemble` trains several runs at once. `FitOptions` holds every option. This package works with
any Linen module and knows neither networks nor recipes.
"""

from jaxcnn.training.activations import activations
from jaxcnn.training.checkpoints import Checkpointer
from jaxcnn.training.ensembles import fit_ensemble, stack_members
from jaxcnn.training.epochs import run_epochs
from jaxcnn.training.freezing import freeze
from jaxcnn.training.loop import evaluate, fit, fit_in_chunks
from jaxcnn.training.metrics import METRICS, Metric, Metrics, compute_metrics
from jaxcnn.training.options import FitOptions
from jaxcnn.training.placement import SINGLE, Placement, choose_placement
from jaxcnn.training.prediction import predict
from jaxcnn.training.range_test import RangeTest, range_test
from jaxcnn.training.results import ChunkResult, EpochResult, best_epoch
from jaxcnn.training.state import TrainState, create_train_state
from jaxcnn.training.steps import eval_step, train_step
from jaxcnn.training.transfer import transfer_variables

__all__ = [
    "METRICS",
    "SINGLE",
    "Checkpointer",
    "ChunkResult",
    "EpochResult",
    "FitOptions",
    "Metric",
    "Metrics",
    "Placement",
    "RangeTest",
    "TrainState",
    "activations",
    "best_epoch",
    "choose_placement",
    "compute_metrics",
    "create_train_state",
    "eval_step",
    "evaluate",
    "fit",
    "fit_ensemble",
    "fit_in_chunks",
    "freeze",
    "predict",
    "range_test",
    "run_epochs",
    "stack_members",
    "train_step",
    "transfer_variables",
]
