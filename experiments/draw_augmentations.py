"""Draw docs/images/augmentations.png: each augmentation of a few images of Fashion-MNIST.

python experiments/draw_augmentations.py
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from jaxcnn.data import load_fashion_mnist, parse_augmentation

FILE = Path(__file__).parents[1] / "docs" / "images" / "augmentations.png"
TEXTS = (
    "none", "flip", "shift:2", "rotate:15", "brightness:0.5", "erase:0.5", "cutout:8", "mixup:1", "cutmix:1",
    "flip,shift:2,erase:0.5",
)  # fmt: skip
EXAMPLES = 10


def main() -> None:
    """Write the picture."""
    dataset = load_fashion_mnist()
    images = jnp.asarray(dataset.train_images[:EXAMPLES])
    labels = jnp.asarray(dataset.train_labels[:EXAMPLES])
    figure = Figure(figsize=(8, 0.68 * len(TEXTS)), dpi=80)
    table = figure.subplots(len(TEXTS), EXAMPLES, gridspec_kw={"wspace": 0.05, "hspace": 0.05})
    for row, text in zip(table, TEXTS, strict=True):
        augmentation, mixing = parse_augmentation(text)
        changed = images if augmentation is None else augmentation(jax.random.key(0), images)
        if mixing is not None:
            changed = 255 * mixing(jax.random.key(0), changed / 255, labels).images
        for axes, image in zip(row, np.asarray(changed)[..., 0], strict=True):
            axes.set_axis_off()
            axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        row[0].text(-4, 14, text, ha="right", va="center", fontsize=9, family="monospace")
    figure.subplots_adjust(left=0.25, right=0.995, bottom=0.005, top=0.995)
    FILE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(FILE)
    print(f"wrote {FILE.relative_to(FILE.parents[2])}")


if __name__ == "__main__":
    main()
