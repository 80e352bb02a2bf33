"""Images and labels as arrays: Fashion-MNIST, verified, and your own data sets.

Files and directories are read into a `Dataset` or a `StreamedDataset` on the host. The functions of
`jaxcnn.data.pipeline` then run inside the compiled training loop.

    load_fashion_mnist     Fashion-MNIST, found on this machine or fetched
    load_dataset           a folder of images, IDX files, or a directory prepared by TFDS
    Dataset.from_arrays    arrays of your own
    parse_augmentation     random flips, shifts, rotations, erasing and mixing, by their names
"""

from jaxcnn.data.augmentation import (
    Augmentation,
    Brightness,
    Chain,
    CutMix,
    Cutout,
    Mixed,
    Mixing,
    Mixup,
    OneOf,
    RandomErasing,
    Rotation,
    Transform,
    name_augmentation,
    parse_augmentation,
)
from jaxcnn.data.class_weights import balanced_class_weights
from jaxcnn.data.data_sources import ArraySource, DataSource, StoredSource
from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.data.fashion_mnist import (
    FASHION_MNIST_CLASSES,
    find_fashion_mnist,
    load_fashion_mnist,
    prepare_tfds,
)
from jaxcnn.data.idx import read_idx, write_idx
from jaxcnn.data.image_arrays import read_pictures
from jaxcnn.data.image_files import read_image
from jaxcnn.data.image_search import find_images
from jaxcnn.data.loading import SOURCES, load_dataset, names_other_data
from jaxcnn.data.normalization import Normalization
from jaxcnn.data.views import Views, parse_views

__all__ = [
    "FASHION_MNIST_CLASSES", "SOURCES", "ArraySource", "Augmentation", "Brightness", "Chain", "CutMix", "Cutout",
    "DataSource", "Dataset", "Mixed", "Mixing", "Mixup", "Normalization", "OneOf", "RandomErasing", "Rotation",
    "StoredSource", "StreamedDataset", "Transform", "Views", "balanced_class_weights", "find_fashion_mnist",
    "find_images", "load_dataset", "load_fashion_mnist", "name_augmentation", "names_other_data", "parse_augmentation",
    "parse_views", "prepare_tfds", "read_idx", "read_image", "read_pictures", "write_idx",
]  # fmt: skip
