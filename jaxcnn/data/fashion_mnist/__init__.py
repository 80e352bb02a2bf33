"""Fashion-MNIST: find it on this machine, fetch it from the network, and verify every byte.

`load_fashion_mnist` tries each place where the data set may be; `spec` holds its file names, shapes and checksums.
"""

from jaxcnn.data.fashion_mnist.loading import find_fashion_mnist, load_fashion_mnist, prepare_tfds
from jaxcnn.data.fashion_mnist.spec import FASHION_MNIST_CLASSES

__all__ = ["FASHION_MNIST_CLASSES", "find_fashion_mnist", "load_fashion_mnist", "prepare_tfds"]
