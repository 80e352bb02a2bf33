"""Training as pure functions of explicit state.

`create_train_state` makes the state, `train_step` and `eval_step` are one batch, `fit`, `evaluate` and `predict` are
whole passes over data that lies on the device, and `fit_replicas` trains several runs at once. Nothing here knows a
network or a recipe: a Linen module and arrays come in.
"""

from jaxcnn.training.checkpoints import Checkpoints
from jaxcnn.training.loop import evaluate, fit, fit_in_chunks
from jaxcnn.training.prediction import predict
from jaxcnn.training.replicas import choose_layout, fit_replicas, fit_replicas_in_chunks, stack_replicas
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
    "Checkpoints",
    "ChunkResult",
    "EpochFigures",
    "EpochResult",
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
    "fit_replicas_in_chunks",
    "predict",
    "stack_replicas",
    "take_replica",
    "train_step",
]
