"""Images and labels as arrays: Fashion-MNIST from wherever it lies, verified, and data of a person's own.

files and directories -> `Dataset` or `StreamedDataset`, on the host -> `pipeline`, inside the compiled training loop
"""

from jaxcnn.data.augmentation import Augmentation
from jaxcnn.data.data_sources import ArrayExamples, Examples, StoredExamples
from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.data.fashion_mnist import load_fashion_mnist, prepare_tfds
from jaxcnn.data.fashion_mnist.spec import FASHION_MNIST_CLASSES
from jaxcnn.data.idx import read_idx, write_idx
from jaxcnn.data.image_arrays import read_pictures
from jaxcnn.data.image_files import find_images, read_image
from jaxcnn.data.loading import load_dataset, names_other_data

__all__ = [
    "FASHION_MNIST_CLASSES", "ArrayExamples", "Augmentation", "Dataset", "Examples", "StoredExamples",
    "StreamedDataset", "find_images", "load_dataset", "load_fashion_mnist", "names_other_data", "prepare_tfds",
    "read_idx", "read_image", "read_pictures", "write_idx",
]  # fmt: skip
