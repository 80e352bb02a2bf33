import numpy as np

from jaxcnn.report.activations import find_activations
from jaxcnn.runs import TrainedRun


def test_activations_are_in_the_order_of_the_network(finished_run, sample):
    run = TrainedRun.open(finished_run)
    activations = find_activations(run, sample.test_images[:1])
    assert list(activations) == [
        "conv1", "norm1", "conv2", "norm2", "flatten", "dense1", "norm3", "dense2", "norm4", "dense3"
    ]  # fmt: skip
    logits = run.predict(sample.test_images[:1])
    np.testing.assert_array_equal(activations["dense3"].argmax(), logits.argmax())
