import io

from rich.console import Console

from jaxcnn.cli.results import _show_evaluation
from jaxcnn.data import FASHION_MNIST_CLASSES
from jaxcnn.runs import TrainedRun


def test_an_evaluation_fits_a_line_of_eighty(finished_run, sample):
    run = TrainedRun.open(finished_run)
    console = Console(file=io.StringIO(), width=80)
    _show_evaluation(run, run.evaluate(sample), sample.class_names, console)
    first, *table = console.file.getvalue().splitlines()
    assert first.startswith("LeNet with batch norm after 2 epochs, on 256 test images: accuracy 0.")
    for name in FASHION_MNIST_CLASSES:
        assert any(line.startswith(name) for line in table)
    assert max(map(len, table)) <= 80
