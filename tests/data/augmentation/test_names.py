import pytest

from jaxcnn import InputError
from jaxcnn.data import (
    Augmentation,
    Brightness,
    Chain,
    CutMix,
    Cutout,
    Mixup,
    OneOf,
    RandomErasing,
    Rotation,
    name_augmentation,
    parse_augmentation,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", (None, None)),
        ("flip", (Augmentation(flip=True), None)),
        ("shift:2", (Augmentation(flip=False, shift=2), None)),
        ("flip,shift:2", (Augmentation(flip=True, shift=2), None)),
        ("erase:0.5", (RandomErasing(0.5), None)),
        ("erase:0.1234567", (RandomErasing(0.1234567), None)),
        ("flip,erase:0.25,cutout:8", (Chain((Augmentation(flip=True), RandomErasing(0.25), Cutout(8))), None)),
        ("rotate:15.0,brightness:0.2", (Chain((Rotation(15.0), Brightness(0.2))), None)),
        ("flip,mixup:0.2", (Augmentation(flip=True), Mixup(0.2))),
        ("mixup:0.2,cutmix:1.0", (None, OneOf(Mixup(0.2), CutMix(1.0)))),
    ],
)
def test_augmentations_have_names(text, expected):
    assert parse_augmentation(text) == expected
    assert name_augmentation(*expected) == text


def test_the_order_of_the_names_does_not_matter():
    assert parse_augmentation("erase:1,shift:1,flip") == parse_augmentation("flip,shift:1,erase:1")


@pytest.mark.parametrize(
    "unnamed",
    [
        (Chain((Cutout(8), Cutout(4))), None),
        (Chain((Augmentation(flip=True), Augmentation(flip=False, shift=1))), None),
        (None, OneOf(Mixup(0.2), Mixup(0.4))),
    ],
)
def test_the_same_kind_twice_has_no_name(unnamed):
    assert name_augmentation(*unnamed) is None


def test_a_custom_augmentation_has_no_name():
    assert name_augmentation(RandomErasing(0.5, max_area=0.2)) is None
    assert name_augmentation(lambda _, images: images) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected none, or some of flip, shift:2"),
        ("flop", "--augment flop: expected none"),
        ("flip:2", "--augment flip:2"),
        ("shift", "--augment shift: expected none"),
        ("flip,flip", "each once"),
        ("shift:two", "'two' is not an integer"),
        ("shift:2.5", r"'2\.5' is not an integer"),
        ("erase:half", "'half' is not a number"),
        ("shift:0", "--augment shift:0: expected a shift of 1 pixel or more"),
        ("shift:-1", "--augment shift:-1: shift -1: expected an integer, 0 or more"),
        ("erase:2", r"erase 2\.0: expected a probability, from 0 to 1"),
        ("rotate:181", "rotate 181: expected degrees, more than 0 and at most 180"),
        ("brightness:0", "brightness 0: expected more than 0 and at most 1"),
        ("mixup:0", "mixup 0: expected alpha, from 0.001 to 1000"),
        ("cutmix:-1", "cutmix -1: expected alpha"),
        ("mixup:nan", "mixup nan: expected alpha"),
        ("cutout:0", "cutout 0: expected the side of a square"),
        ("none,flip", "--augment none,flip"),
    ],
)
def test_unknown_names_and_numbers_out_of_range_raise(text, message):
    with pytest.raises(InputError, match=message):
        parse_augmentation(text)
