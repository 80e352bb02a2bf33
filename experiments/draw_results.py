"""Draw training loss and test accuracy by epoch of the nine experiments, next to the book's.

python experiments/draw_results.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
from chapter.figures import book_experiments, draw_metric

from jaxcnn.words import count_of

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "results.png"


def main() -> None:
    """Draw the figure."""
    figure, grid = plt.subplots(3, 3, figsize=(9, 6), layout="constrained", sharex=True)
    for axes, experiment in zip(grid.flat, book_experiments(), strict=True):
        right = axes.twinx()
        for side, metric, color in ((axes, "train_loss", "tab:blue"), (right, "test_accuracy", "tab:orange")):
            draw_metric(side, experiment, metric, color)
            side.tick_params(axis="y", labelcolor=color)
        axes.set_title(f"{experiment.recipe.name}, {count_of(len(experiment.runs), 'seed')}", fontsize=10)
    figure.supxlabel("epoch", fontsize=10)
    figure.suptitle("Training loss (blue, left) and test accuracy (orange, right); dashed: the book", fontsize=11)
    figure.savefig(PICTURE, dpi=90)


if __name__ == "__main__":
    main()
