"""Training as pure functions of explicit state.

`create_train_state` makes the state, `train_step` and `eval_step` are one batch, `fit`, `evaluate` and `predict` are
whole passes over data, and `fit_replicas` trains several runs at once. Nothing here knows a network or a recipe: a
Linen module and examples come in.
"""

from jaxcnn.training.checkpoints import Checkpoints
from jaxcnn.training.epochs import run_epochs
from jaxcnn.training.layout import ALONE, Layout, choose_layout
from jaxcnn.training.loop import evaluate, fit, fit_in_chunks
from jaxcnn.training.prediction import predict
from jaxcnn.training.replicas import fit_replicas, stack_replicas
from jaxcnn.training.results import (
    ChunkResult,
    EpochFigures,
    EpochResult,
    ReplicasChunk,
    ReplicasEpoch,
    take_replica,
)
from jaxcnn.training.state import TrainState, create_train_state
from jaxcnn.training.steps import Metrics, eval_step, train_step

__all__ = [
    "ALONE",
    "Checkpoints",
    "ChunkResult",
    "EpochFigures",
    "EpochResult",
    "Layout",
    "Metrics",
    "ReplicasChunk",
    "ReplicasEpoch",
    "TrainState",
    "choose_layout",
    "create_train_state",
    "eval_step",
    "evaluate",
    "fit",
    "fit_in_chunks",
    "fit_replicas",
    "predict",
    "run_epochs",
    "stack_replicas",
    "take_replica",
    "train_step",
]
