"""Convolutional networks in functional JAX: pure operations, Linen networks, one compiled training step.

ops           pure array functions
layers        thin Linen modules over ops
models        the networks
data          Fashion-MNIST and other images
training      state, steps, loop, ensembles, checkpoints
recipes       how each network is trained, in the book and today
platform      devices, memory, compilation, processes
runs          a recipe trained into a directory, resumed, opened again
writers       terminal, JSON lines and TensorBoard, which watch a run
reproduction  the book's experiments with several seeds, compared with the book's figures
interop       weights from and to PyTorch, exported programs
report        HTML pages about runs and reproductions
cli           the command line
"""

from importlib import metadata

from jaxcnn import data, interop, layers, models, ops, recipes, runs, training
from jaxcnn.errors import InputError

__version__ = metadata.version("jaxcnn")

__all__ = ["InputError", "data", "interop", "layers", "models", "ops", "recipes", "runs", "training"]
