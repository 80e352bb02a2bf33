"""Convolutional networks as functional JAX: pure operations, Linen networks, one compiled training step.

ops       pure array functions
layers    thin Linen modules over them
models    the networks
data      Fashion-MNIST, wherever it lies
training  state, steps, loop, checkpoints
recipes   the book's experiments
runs      a recipe carried out into a directory, as the command line does it
"""

from jaxcnn import data, layers, models, ops, recipes, training
from jaxcnn.errors import InputError

__all__ = ["InputError", "data", "layers", "models", "ops", "recipes", "training"]
