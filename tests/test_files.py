import os
from pathlib import Path

import pytest

from jaxcnn import InputError
from jaxcnn.files import expand_path, plain_path, write_file


def test_text_and_bytes_are_written_and_replaced(tmp_path):
    path = tmp_path / "file"
    write_file(path, "größe")
    assert path.read_text(encoding="utf-8") == "größe"
    write_file(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_file(path, "old")

    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr(type(path), "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_file(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_directory_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_file(tmp_path / "missing" / "file", "text")


@pytest.mark.parametrize("name", [".", "/", "folder"])
def test_a_directory_is_not_replaced(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_file(Path(name), "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_path_is_expanded_or_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_path("~/x") == tmp_path / "x"
    assert expand_path("x/~") == Path("x/~")
    with pytest.raises(InputError, match="~nosuchuser/x begins with an unknown home directory: write the whole path"):
        expand_path("~nosuchuser/x")
    with pytest.raises(InputError, match=r"x cannot be used \(File name too long\): give another path"):
        expand_path("x" * 300)


@pytest.mark.parametrize("name", ["/runs/lenet-2", "/a b/.cache/x.y_z"])
def test_a_plain_path_is_kept(name):
    with plain_path(Path(name)) as path:
        assert path == Path(name)


@pytest.mark.parametrize(
    "name", ["a[1]", "a*", "gs:", "a\n", "\udcff", "a/../b", "x.__lock", "é", "d" * 200 + "/" + "d" * 250]
)
def test_another_path_gets_a_link_while_it_is_used(tmp_path, name):
    directory = tmp_path / name
    directory.mkdir(parents=True)
    with plain_path(directory) as path:
        assert path.is_symlink()
        assert path.samefile(directory)
    assert not path.parent.exists()
    assert directory.is_dir()


@pytest.mark.parametrize("name", ["//tmp", "/gs/bucket", "/s3/bucket"])
def test_a_path_that_names_a_bucket_gets_a_link(name):
    with plain_path(Path(name)) as path:
        assert path.readlink() == Path(name)


def test_a_link_stays_and_its_target_is_written(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_file(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_file(pipe, "text")
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
