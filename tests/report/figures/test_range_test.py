import io

import numpy as np
import pytest
from PIL import Image

from jaxcnn.report import figures
from jaxcnn.training import RangeTest


@pytest.mark.parametrize("decades", [0.5, 8])
def test_a_range_test_is_a_png_also_if_a_member_diverges(decades):
    rates = np.geomspace(1e-6, 1e-6 * 10**decades, 50)
    losses = np.stack([np.linspace(2, 1, 50), np.linspace(2, 0.1, 50)])
    losses[0, 30:], losses[1, 40:] = np.inf, 9.0
    assert RangeTest(rates, losses).suggestion is not None
    image = Image.open(io.BytesIO(figures.draw_range_test(RangeTest(rates, losses), "LeNet of $x_1$ \u7f51")))
    assert image.size == (900, 600)
    colors = set(map(tuple, np.asarray(image.convert("RGB")).reshape(-1, 3).tolist()))
    assert {(0, 114, 178), (213, 94, 0)} <= colors  # the curve and the suggestion
