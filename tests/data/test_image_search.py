import logging

import pytest

from jaxcnn.data import find_images, image_search
from jaxcnn.errors import ImageError


def touch(directory, *names):
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()


def found(directory):
    return [path.relative_to(directory).as_posix() for path in find_images(directory)]


def test_images_are_found_by_suffix_and_sorted(tmp_path):
    touch(tmp_path, "b.png", "a.JPG", "d.jfif", "c.MPO", "notes.txt", "._b.png", ".png")
    assert found(tmp_path) == ["a.JPG", "b.png", "c.MPO", "d.jfif"]
    assert find_images(tmp_path / "b.png") == [tmp_path / "b.png"]
    assert find_images(str(tmp_path)) == find_images(tmp_path)


def test_subfolders_are_entered_and_those_of_programs_are_not(tmp_path):
    touch(tmp_path, "b/1.png", "a/deep/2.png", "3.png", "__MACOSX/4.png", ".ipynb_checkpoints/5.png", "a/@eaDir/6.png")
    assert found(tmp_path) == ["3.png", "a/deep/2.png", "b/1.png"]


def test_links_are_followed_and_a_cycle_ends(tmp_path):
    touch(tmp_path, "elsewhere/1.png", "folder/a/2.png")
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "folder" / "a" / "cycle").symlink_to(tmp_path / "folder")
    assert found(tmp_path / "folder") == ["a/2.png", "link/1.png"]


def test_one_line_says_what_is_left_out(tmp_path, caplog):
    touch(tmp_path, "1.png", "a/2.HEIC", "3.heic", "4.txt", "README", "._1.png", ".git/config", "a/.git/config")
    with caplog.at_level(logging.INFO):
        find_images(tmp_path)
    assert caplog.messages == [
        f"{tmp_path}: left out 2 .git (folder of another program); "
        "2 .heic, 1 .txt, 1 without a suffix (not read by Pillow); 1 .png (hidden)"
    ]
    caplog.clear()
    find_images(tmp_path / "1.png")
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("what", "name"),
    [("does not exist", "nowhere"), ("is an empty folder", "empty"), ("is a folder of other files", "other")],
)
def test_a_path_without_images_is_refused(tmp_path, record_fault, what, name):
    (tmp_path / "empty").mkdir()
    touch(tmp_path, "other/1.heic", "other/.2.png")
    with pytest.raises(ImageError) as raised:
        find_images(tmp_path / name)
    record_fault(f"an image path that {what}", "an `InputError` of one line", str(raised.value))


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "1.png", "closed/2.png")

    def scandir(path):
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    scan = image_search.os.scandir
    monkeypatch.setattr(image_search.os, "scandir", scandir)
    with pytest.raises(ImageError, match=r"closed cannot be read \(Permission denied\)"):
        find_images(tmp_path)
