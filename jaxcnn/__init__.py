"""Convolutional networks as functional JAX: pure operations, Linen networks, one compiled training step.

ops           pure array functions
layers        thin Linen modules over them
models        the networks
data          Fashion-MNIST and other images
training      state, steps, loop, checkpoints
recipes       how each network is trained, in the book and today
runs          a recipe trained into a directory, as the command line does it
reproduction  the book's experiments with several seeds, compared with the book's figures
interop       weights from and to PyTorch, exported programs
report        HTML pages about runs and reproductions
"""

from jaxcnn import data, layers, models, ops, recipes, training
from jaxcnn.errors import InputError

__all__ = ["InputError", "data", "layers", "models", "ops", "recipes", "training"]
