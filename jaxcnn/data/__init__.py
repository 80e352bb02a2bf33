"""Images and labels: Fashion-MNIST from wherever it lies, verified, as arrays.

files and directories -> `Dataset`, on the host -> `pipeline`, inside the compiled training loop
"""

from jaxcnn.data.dataset import Dataset
from jaxcnn.data.facts import FASHION_MNIST_CLASSES
from jaxcnn.data.fashion_mnist import load_fashion_mnist, prepare_tfds
from jaxcnn.data.idx import read_idx, write_idx

__all__ = ["FASHION_MNIST_CLASSES", "Dataset", "load_fashion_mnist", "prepare_tfds", "read_idx", "write_idx"]
