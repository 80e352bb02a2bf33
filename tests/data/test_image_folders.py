import errno
import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from jaxcnn import InputError
from jaxcnn.data import Dataset, StreamedDataset, image_search
from jaxcnn.data.image_folders import load_folder


def write(directory, shades, size=(3, 3)):
    """Write a folder for each class, with one numbered image for each of its shades."""
    for name, values in shades.items():
        (directory / name).mkdir(parents=True)
        for number, value in enumerate(values):
            Image.new("L", size, value).save(directory / name / f"{number:03}.png")
    return directory


def shades(images):
    return images[:, 0, 0, 0].tolist()


@pytest.fixture
def folder(tmp_path) -> Path:
    """An empty folder."""
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


@pytest.fixture
def split(folder) -> Path:
    """Cats and dogs in train and test folders."""
    write(folder / "train", {"dog": [20, 21], "cat": [10, 11, 12]})
    write(folder / "test", {"dog": [25], "cat": [15]})
    return folder


def test_classes_are_sorted_folders_and_alternate(split):
    data = load_folder(str(split))
    assert data.class_names == ("cat", "dog")
    assert (shades(data.train_images), data.train_labels.tolist()) == ([10, 20, 11, 21, 12], [0, 1, 0, 1, 0])
    assert (shades(data.test_images), data.test_labels.tolist()) == ([15, 25], [0, 1])
    assert data.image_shape == (3, 3, 1)


@given(
    images=hnp.arrays(np.uint8, st.tuples(st.integers(2, 6), st.just(4), st.just(5), st.sampled_from([1, 3]))),
    seed=st.integers(0, 9),
)
def test_a_folder_written_from_arrays_reads_back(tmp_path_factory, images, seed):
    directory = tmp_path_factory.mktemp("folder")
    labels = np.append([0, 1], np.random.default_rng(seed).integers(0, 2, len(images) - 2))
    for part in ("train", "test"):
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            (directory / part / f"class {label}").mkdir(parents=True, exist_ok=True)
            pixels = image[..., 0] if image.shape[-1] == 1 else image
            Image.fromarray(pixels).save(directory / part / f"class {label}" / f"{number}.png")
    data = load_folder(directory)
    for part in ("train", "test"):
        read, read_labels = data.split(part)
        for label in (0, 1):
            np.testing.assert_array_equal(read[read_labels == label], images[labels == label])


@pytest.mark.parametrize("name", ["val", "validation", "VALID"])
@pytest.mark.parametrize("max_bytes", [None, 0])
def test_a_folder_beside_test_is_the_validation_split(split, name, max_bytes):
    write(split / name, {"dog": [99], "cat": [98, 97]})
    data = load_folder(split, max_bytes=max_bytes)
    for source, expected in ((data.test, [15, 25]), (data.val, [98, 99, 97])):
        ((images, labels),) = source.batches([np.arange(len(source))])
        assert shades(images) == expected
        assert labels.tolist() == source.read_labels().tolist() == [0, 1, 0][: len(expected)]


def test_a_validation_split_with_other_classes_is_refused(split):
    write(split / "val", {"dog": [99], "bird": [98]})
    with pytest.raises(InputError, match=r"train and .*val have different classes"):
        load_folder(split)


def test_every_fifth_file_is_held_out_without_a_split(folder):
    data = load_folder(write(folder, {"a": range(12), "b": range(100, 105)}))
    assert shades(data.test_images) == [4, 104, 9]
    assert data.test_labels.tolist() == [0, 1, 0]
    assert sorted(shades(data.train_images)) == [0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 100, 101, 102, 103]


def test_a_class_may_be_called_train(folder):
    assert load_folder(write(folder, {"train": range(5), "ship": range(5)})).class_names == ("ship", "train")


def test_every_image_of_a_class_is_read(split):
    Image.new("L", (3, 3), 13).save(split / "train" / "cat" / "003.jfif", "JPEG")
    write(split / "train" / "cat", {"more": [14]})
    data = load_folder(split)
    assert shades(data.train_images) == [10, 20, 11, 21, 12, 13, 14]
    assert data.class_names == ("cat", "dog")


@pytest.mark.parametrize("max_bytes", [None, 0])
def test_one_line_says_what_is_left_out(split, caplog, max_bytes):
    write(split, {"extra": [0]})
    for name in ("labels.csv", "photo.jpg", "cat/notes.txt", "cat/._000.png", "dog/1.heic", ".git/a", "__MACOSX/b.png"):
        (split / "train" / name).parent.mkdir(exist_ok=True)
        (split / "train" / name).touch()
    with caplog.at_level(logging.INFO):
        assert load_folder(split, max_bytes=max_bytes).class_names == ("cat", "dog")
    (line,) = caplog.messages
    assert line == (
        f"{split}: left out 1 extra (folder beside train and test); 1 .git, 1 __MACOSX (folder of another program); "
        "1 .png (hidden); 1 .csv, 1 .heic, 1 .txt (not read by Pillow); 1 .jpg (outside of the class folders)"
    )


@pytest.mark.parametrize(
    "names", [("training", "testing"), ("Train", "Test"), ("TRAIN", "Val"), ("train", "validation"), ("train", "valid")]
)
def test_splits_have_common_names_in_any_case(split, names):
    for old, new in zip(("train", "test"), names, strict=True):
        (split / old).rename(split / new)
    assert shades(load_folder(split).test_images) == [15, 25]


@pytest.mark.parametrize("names", [("seg_train", "seg_pred"), ("train", "holdout"), ("part 1", "test")])
def test_splits_with_other_names_are_no_classes(split, names):
    for old, new in zip(("train", "test"), names, strict=True):
        (split / old).rename(split / new)
    with pytest.raises(InputError, match=r"holds folders instead of images.*name both of them train and test"):
        load_folder(split)


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def test_class_names_are_composed_in_both_splits(folder):
    write(folder / "train", {DECOMPOSED: [1], "b": [2]})
    write(folder / "test", {COMPOSED: [3], "b": [4]})
    data = load_folder(folder)
    assert data.class_names == ("b", COMPOSED)
    assert (shades(data.train_images), shades(data.test_images)) == ([2, 1], [4, 3])


def test_folders_that_differ_only_in_unicode_form_are_refused(folder):
    write(folder, {DECOMPOSED: range(5), COMPOSED: range(5)})
    with pytest.raises(InputError, match=r"two folders for the class 'caf\xe9'.*'cafe\\u0301' and 'caf\\xe9'\): move"):
        load_folder(folder)


def test_one_color_image_makes_all_images_color(split):
    Image.new("RGB", (3, 3), (1, 2, 3)).save(split / "test" / "cat" / "000.png")
    data = load_folder(split)
    assert data.test_images[0, 0, 0].tolist() == [1, 2, 3]
    assert data.train_images[0, 0, 0].tolist() == [10, 10, 10]


def test_different_sizes_are_named_or_resized(split):
    Image.new("L", (8, 5), 0).save(split / "train" / "dog" / "big.png")
    with pytest.raises(InputError, match=r"cat.000\.png has 3 x 3 pixels and .*big\.png has 8 x 5.*image size"):
        load_folder(split)
    assert load_folder(split, 4).image_shape == (4, 4, 1)


@pytest.mark.parametrize("limit", [None, 9])
def test_all_damaged_files_are_named_without_other_lines(split, caplog, limit):
    for name in ("train/dog/001.png", "train/cat/000.png", "test/cat/000.png", "train/cat/notes.txt"):
        (split / name).write_bytes(b"\x89PNG")
    names = r"train/cat/000\.png, .*train/dog/001\.png, .*test/cat/000\.png cannot be read as an image"
    with caplog.at_level(logging.INFO), pytest.raises(InputError, match=names):
        load_folder(split, limit=limit)
    assert caplog.messages == []


def test_different_classes_are_named(split):
    write(split / "train", {"cow": [1]})
    with pytest.raises(
        InputError, match=r"have different classes \('cow' only in train\): expected the same folders in both"
    ):
        load_folder(split)


def test_a_class_without_images_is_named(split):
    (split / "test" / "cat" / "000.png").unlink()
    with pytest.raises(InputError, match=r"test.cat holds no images"):
        load_folder(split)


@pytest.mark.parametrize("count", [0, 1, 257])
def test_other_than_2_to_256_classes_are_refused(folder, count):
    for number in range(count):
        (folder / f"{number}").mkdir()
    with pytest.raises(InputError, match=f"holds {count} folders: expected 2 to 256"):
        load_folder(folder)


def test_256_classes_are_accepted(folder):
    classes = {f"{number:03}": [number] for number in range(256)}
    write(folder / "train", classes)
    write(folder / "test", classes)
    data = load_folder(folder)
    assert data.train_labels.tolist() == shades(data.train_images) == list(range(256))


def test_a_class_too_small_to_hold_one_out_is_named(folder):
    write(folder, {"many": range(9), "few": range(4)})
    with pytest.raises(InputError, match=r"few holds 4 images: expected at least 5.*create folders train and test"):
        load_folder(folder)


def test_a_path_that_is_not_a_folder_is_refused(folder, monkeypatch):
    with pytest.raises(InputError, match=r"nowhere cannot be read \(No such file or directory\)"):
        load_folder(folder / "nowhere")
    (folder / "file").touch()
    with pytest.raises(InputError, match=r"file cannot be read \(Not a directory\)"):
        load_folder(folder / "file")

    def denied(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(image_search.os, "scandir", denied)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        load_folder(folder)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("image_size", [None, 2])
def test_streamed_images_equal_resident_ones(split, mode, image_size):
    Image.new(mode, (3, 3), 77).save(split / "train" / "cat" / "001.png")
    resident, streamed = load_folder(split, image_size), load_folder(split, image_size, max_bytes=0)
    assert isinstance(streamed, StreamedDataset)
    assert (streamed.image_shape, streamed.class_names) == (resident.image_shape, resident.class_names)
    for part in ("train", "test"):
        images, labels = resident.split(part)
        indices = np.arange(len(labels))[::-1]
        ((found, found_labels),) = getattr(streamed, part).batches([indices])
        np.testing.assert_array_equal(found, images[indices])
        np.testing.assert_array_equal(found_labels, labels[indices])


def test_images_larger_than_max_bytes_are_streamed(split):
    nbytes = 7 * 3 * 3
    assert isinstance(load_folder(split, max_bytes=nbytes), Dataset)
    assert isinstance(load_folder(split, max_bytes=nbytes - 1), StreamedDataset)
    Image.new("RGB", (3, 3)).save(split / "test" / "cat" / "000.png")
    assert isinstance(load_folder(split, max_bytes=nbytes), StreamedDataset)
    assert isinstance(load_folder(split, max_bytes=3 * nbytes), Dataset)


def test_limit_applies_before_max_bytes_and_keeps_channels(split):
    assert isinstance(load_folder(split, max_bytes=4 * 9, limit=2), Dataset)
    streamed = load_folder(split, max_bytes=4 * 9 - 1, limit=2)
    assert isinstance(streamed, StreamedDataset)
    assert [len(streamed.train), len(streamed.test)] == [2, 2]
    Image.new("RGB", (3, 3)).save(split / "train" / "cat" / "002.png")
    assert load_folder(split, limit=2).image_shape == load_folder(split, max_bytes=0, limit=2).image_shape == (3, 3, 3)
    assert isinstance(load_folder(split, max_bytes=4 * 9, limit=2), StreamedDataset)


def test_damage_in_streamed_files_is_found_when_read(split):
    (split / "train" / "dog" / "001.png").write_bytes((split / "train" / "dog" / "001.png").read_bytes()[:50])
    data = load_folder(split, max_bytes=0)
    with pytest.raises(InputError, match=r"dog.001\.png cannot be read as an image"):
        list(data.train.batches([np.arange(len(data.train))]))
