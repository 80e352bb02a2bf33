"""A small TFDS data set of red and blue images, or of other features, prepared for tests."""

# TFDS builders define their own arguments of _generate_examples:
# pyright: reportIncompatibleMethodOverride=false
import io
from pathlib import Path

import numpy as np
from PIL import Image

RED, BLUE = (np.full((6, 6, 3), color, np.uint8) for color in ([200, 0, 0], [0, 0, 200]))
EXAMPLES = [(RED, "red"), (BLUE, "blue"), (RED, "red")]


def prepare(to, splits, features=None, example=None, supervised=("image", "label")) -> Path:
    """Let TFDS prepare a data set of color images with class labels; return the directory of the version."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered

    def default_example(pixels, label):
        return {"image": png(pixels), "label": label, "note": "unread"}

    default_features = {
        "image": tfds.features.Image(),
        "label": tfds.features.ClassLabel(names=["red", "blue"]),
        "note": tfds.features.Text(),
    }

    with registered.skip_registration():

        class Colors(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                return tfds.core.DatasetInfo(
                    builder=self,
                    features=tfds.features.FeaturesDict(features or default_features),
                    supervised_keys=supervised,
                )

            def _split_generators(self, dl_manager):
                del dl_manager
                return {name: self._generate_examples(examples) for name, examples in splits.items()}

            def _generate_examples(self, examples):
                for index, (pixels, label) in enumerate(examples):
                    yield index, (example or default_example)(pixels, label)

    tfds.disable_progress_bar()
    builder = Colors(data_dir=to, file_format="array_record")
    builder.download_and_prepare()
    return Path(builder.data_path)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    file.seek(0)
    return file
