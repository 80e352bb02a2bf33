import pytest

from jaxcnn import InputError
from jaxcnn.runs import Interval


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("500", Interval(steps=500)),
        ("30s", Interval(seconds=30.0)),
        ("10m", Interval(seconds=600.0)),
        (" 2h ", Interval(seconds=7200.0)),
    ],
)
def test_parse_accepts_steps_and_times(text, interval):
    assert Interval.parse(text) == interval


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "0s", "s", "10 m", "5d", "1e3", "nan", "9" * 20, "٣"])
def test_parse_rejects_other_text(text):
    with pytest.raises(InputError, match="--checkpoint-every"):
        Interval.parse(text)


def test_an_interval_is_over_by_steps_or_by_time():
    assert Interval(steps=5).is_over(5, 0.0)
    assert not Interval(steps=5).is_over(4, 1e9)
    assert Interval(seconds=5.0).is_over(0, 5.0)
    assert not Interval(seconds=5.0).is_over(10**9, 4.9)
