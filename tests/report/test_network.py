import numpy as np
import pytest

from jaxcnn import runs
from jaxcnn.report.network import describe_kernels, describe_network


@pytest.mark.parametrize(
    ("channels", "words"),
    [
        (1, "one square for each output channel."),
        (2, "; only the first of 2 input channels is drawn."),
        (3, "; the input channels are red, green and blue, and zero is gray."),
        (4, "; the first three of 4 input channels are red, green and blue, and zero is gray."),
    ],
)
def test_the_caption_says_which_input_channels_are_drawn(channels, words):
    assert describe_kernels("conv1", np.zeros((5, 5, channels, 6))).endswith(words)


def test_layers_add_up_to_the_parameters_of_the_network(finished_run, sample):
    content = describe_network(runs.TrainedRun.open(finished_run), sample, sample.class_names)
    headings, *rows, total = content["layers"].rows
    assert headings == ("layer", "output", "parameters", "FLOPs")
    assert sum(int(row[2].replace(",", "")) for row in rows) == int(total[2].replace(",", "")) == 44_878
