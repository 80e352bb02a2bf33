import json

from jaxcnn.interop.metadata import NetworkInfo, as_strings, make_metadata


def test_unknown_parts_are_left_out():
    assert list(make_metadata(NetworkInfo("LeNet"), (28, 28, 1))) == [
        "network",
        "preprocessing",
        "preprocessing_in_words",
    ]


def test_preprocessing_of_light_objects_on_dark():
    metadata = make_metadata(NetworkInfo(light_on_dark=True), (28, 28, 1), 224)
    assert metadata["preprocessing"] == {
        "layout": "NHWC", "dtype": "float32", "range": [0, 1], "height": 28, "width": 28, "channels": 1, "fit": "pad",
        "resized_inside_to": [224, 224],
    }  # fmt: skip
    words = metadata["preprocessing_in_words"]
    for part in ("(batch, 28, 28, 1)", "gray", "inverted", "padded", "resizes the input to 224x224"):
        assert part in words


def test_preprocessing_of_images_as_they_are():
    metadata = make_metadata(NetworkInfo(), (32, 32, 3))
    assert metadata["preprocessing"]["fit"] == "crop"
    assert metadata["preprocessing"]["resized_inside_to"] == [32, 32]
    words = metadata["preprocessing_in_words"]
    assert "RGB" in words
    assert "cropped to their central square and resized to 32x32" in words
    assert "The program resizes" not in words


def test_class_names_with_any_bytes_are_valid_utf_8():
    names = ("cow\udce9", "Kätzchen", "</script>")
    strings = as_strings(make_metadata(NetworkInfo(class_names=names), (28, 28, 1)))
    "".join(strings.values()).encode()
    assert tuple(json.loads(strings["class_names"])) == names
