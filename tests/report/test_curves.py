from jaxcnn.report.curves import describe_curve
from jaxcnn.training import EpochResult


def epochs(**metrics):
    common = {"train_loss": 0.5, "train_accuracy": 0.8, "test_loss": 0.4, "test_accuracy": 0.7}
    return [EpochResult(number, common | metrics, 2.0, 10.0, 0.0) for number in (1, 2)]


def test_a_metric_that_an_older_run_lacks_is_described():
    runs = [epochs(train_gradient_norm=2.0), epochs()]
    assert describe_curve(runs, "gradient_norm").startswith("Training gradient norm")
