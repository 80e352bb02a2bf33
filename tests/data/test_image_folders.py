import errno
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from jaxcnn import InputError
from jaxcnn.data import Dataset, StreamedDataset
from jaxcnn.data.image_folders import load_folder


def write(directory, shades, size=(3, 3)):
    """A folder for each class, with an image of each of its shades, named by their places."""
    for name, values in shades.items():
        (directory / name).mkdir(parents=True)
        for place, value in enumerate(values):
            Image.new("L", size, value).save(directory / name / f"{place:03}.png")
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
    """Cats and dogs, split."""
    write(folder / "train", {"dog": [20, 21], "cat": [10, 11, 12]})
    write(folder / "test", {"dog": [25], "cat": [15]})
    return folder


def test_classes_are_folders_by_name_and_take_turns(split):
    data = load_folder(split)
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
        for place, (image, label) in enumerate(zip(images, labels, strict=True)):
            (directory / part / f"class {label}").mkdir(parents=True, exist_ok=True)
            pixels = image[..., 0] if image.shape[-1] == 1 else image
            Image.fromarray(pixels).save(directory / part / f"class {label}" / f"{place}.png")
    data = load_folder(directory)
    for part in ("train", "test"):
        read, read_labels = data.split(part)
        for label in (0, 1):
            np.testing.assert_array_equal(read[read_labels == label], images[labels == label])


@pytest.mark.parametrize("name", ["val", "validation", "valid"])
def test_other_names_stand_for_test(split, name):
    (split / "test").rename(split / name)
    assert shades(load_folder(split).test_images) == [15, 25]


def test_test_comes_before_the_other_names(split):
    write(split / "val", {"dog": [99], "cat": [99]})
    assert shades(load_folder(split).test_images) == [15, 25]


def test_without_a_split_every_fifth_file_is_held_out(folder):
    data = load_folder(write(folder, {"a": range(12), "b": range(100, 105)}))
    assert shades(data.test_images) == [4, 104, 9]
    assert data.test_labels.tolist() == [0, 1, 0]
    assert sorted(shades(data.train_images)) == [0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 100, 101, 102, 103]


def test_a_class_may_be_called_train(folder):
    assert load_folder(write(folder, {"train": range(5), "ship": range(5)})).class_names == ("ship", "train")


def test_what_is_hidden_or_no_image_is_left_out(split):
    (split / "README.md").touch()
    (split / "train" / "labels.csv").touch()
    (split / "train" / ".cache").mkdir()
    (split / "train" / "cat" / "notes.txt").touch()
    (split / "train" / "cat" / "._000.png").touch()
    assert load_folder(split).train_labels.tolist() == [0, 1, 0, 1, 0]


def test_colour_anywhere_makes_colour_of_all(split):
    Image.new("RGB", (3, 3), (1, 2, 3)).save(split / "test" / "cat" / "000.png")
    data = load_folder(split)
    assert data.test_images[0, 0, 0].tolist() == [1, 2, 3]
    assert data.train_images[0, 0, 0].tolist() == [10, 10, 10]


def test_sizes_that_differ_are_named_or_made_one(split):
    Image.new("L", (8, 5), 0).save(split / "train" / "dog" / "big.png")
    with pytest.raises(InputError, match=r"cat.000\.png has 3 x 3 pixels and .*big\.png has 8 x 5.*image size"):
        load_folder(split)
    assert load_folder(split, 4).image_shape == (4, 4, 1)


def test_a_damaged_file_is_named(split):
    (split / "train" / "dog" / "001.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"dog.001\.png cannot be read as an image"):
        load_folder(split)


def test_classes_that_differ_are_named(split):
    write(split / "train", {"cow": [1]})
    with pytest.raises(InputError, match="differ in the classes cow: both need the same folders"):
        load_folder(split)


def test_a_class_without_images_is_named(split):
    (split / "test" / "cat" / "000.png").unlink()
    with pytest.raises(InputError, match=r"test.cat holds no images"):
        load_folder(split)


@pytest.mark.parametrize("count", [0, 1, 257])
def test_two_to_256_classes_are_needed(folder, count):
    for number in range(count):
        (folder / f"{number}").mkdir()
    with pytest.raises(InputError, match=f"holds {count} folders: 2 to 256 are needed"):
        load_folder(folder)


def test_256_classes_are_possible(folder):
    classes = {f"{number:03}": [number] for number in range(256)}
    write(folder / "train", classes)
    write(folder / "test", classes)
    data = load_folder(folder)
    assert data.train_labels.tolist() == shades(data.train_images) == list(range(256))


def test_a_class_of_which_none_can_be_held_out_is_named(folder):
    write(folder, {"many": range(9), "few": range(4)})
    with pytest.raises(
        InputError, match=r"few holds too few images \(4\): of every 5.*make the folders train and test"
    ):
        load_folder(folder)


def test_what_is_no_folder_is_said(folder, monkeypatch):
    with pytest.raises(InputError, match=r"nowhere cannot be read \(No such file or directory\)"):
        load_folder(folder / "nowhere")
    (folder / "file").touch()
    with pytest.raises(InputError, match=r"file cannot be read \(Not a directory\)"):
        load_folder(folder / "file")

    def denied(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        load_folder(folder)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("image_size", [None, 2])
def test_what_is_streamed_from_files_is_what_would_be_read(split, mode, image_size):
    Image.new(mode, (3, 3), 77).save(split / "train" / "cat" / "001.png")
    resident, streamed = load_folder(split, image_size), load_folder(split, image_size, room=0)
    assert isinstance(streamed, StreamedDataset)
    assert (streamed.image_shape, streamed.class_names) == (resident.image_shape, resident.class_names)
    for part in ("train", "test"):
        images, labels = resident.split(part)
        places = np.arange(len(labels))[::-1]
        ((found, found_labels),) = getattr(streamed, part).batches([places])
        np.testing.assert_array_equal(found, images[places])
        np.testing.assert_array_equal(found_labels, labels[places])


def test_they_are_streamed_where_they_take_more_than_there_is_room_for(split):
    nbytes = 7 * 3 * 3
    assert isinstance(load_folder(split, room=nbytes), Dataset)
    assert isinstance(load_folder(split, room=nbytes - 1), StreamedDataset)
    Image.new("RGB", (3, 3)).save(split / "test" / "cat" / "000.png")
    assert isinstance(load_folder(split, room=nbytes), StreamedDataset)
    assert isinstance(load_folder(split, room=3 * nbytes), Dataset)


def test_a_limit_counts_before_the_room_and_leaves_the_form_as_it_is(split):
    assert isinstance(load_folder(split, room=4 * 9, limit=2), Dataset)
    streamed = load_folder(split, room=4 * 9 - 1, limit=2)
    assert isinstance(streamed, StreamedDataset)
    assert [len(streamed.train), len(streamed.test)] == [2, 2]
    Image.new("RGB", (3, 3)).save(split / "train" / "cat" / "002.png")
    assert load_folder(split, limit=2).image_shape == load_folder(split, room=0, limit=2).image_shape == (3, 3, 3)
    assert isinstance(load_folder(split, room=4 * 9, limit=2), StreamedDataset)


def test_of_files_that_are_streamed_damage_is_found_as_they_are_read(split):
    (split / "train" / "dog" / "001.png").write_bytes((split / "train" / "dog" / "001.png").read_bytes()[:50])
    data = load_folder(split, room=0)
    with pytest.raises(InputError, match=r"dog.001\.png cannot be read as an image"):
        list(data.train.batches([np.arange(len(data.train))]))
