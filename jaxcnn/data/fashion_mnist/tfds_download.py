"""Program that downloads the four files into a folder with TFDS, so that the caller can kill a stalled download."""

import sys
from pathlib import Path

import tensorflow_datasets as tfds
from tensorflow_datasets.image_classification import mnist

from jaxcnn.data.fashion_mnist.spec import FILES


def main(folder: Path) -> None:
    """Download the files into `folder` and verify them against the checksums that TFDS has recorded."""
    tfds.disable_progress_bar()
    manager = tfds.download.DownloadManager(
        download_dir=folder / "downloads", dataset_name="fashion_mnist", force_checksums_validation=True
    )
    paths = manager.download({f"{file.name}.gz": f"{mnist.FashionMNIST.URL}{file.name}.gz" for file in FILES.values()})
    for name, path in paths.items():
        Path(path).replace(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
