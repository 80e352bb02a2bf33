"""Finding image files in folders, and counting what is left out."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from jaxcnn.data.image_files import readable_suffixes
from jaxcnn.data.left_out import LeftOut
from jaxcnn.errors import ImageError

# Folders that archives, file servers and operating systems add. Hidden folders are left out without being listed here.
_FOREIGN_FOLDERS = frozenset(
    {"__macosx", "__pycache__", "@eadir", "#recycle", "$recycle.bin", "lost+found", "system volume information"}
)


@dataclass
class Found:
    """The content of a folder.

    Attributes:
        images: the image files.
        folders: the folders that are not searched.
        left_out: everything else, counted.
    """

    images: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)


def find_images(path: str | os.PathLike[str]) -> list[Path]:
    """The image file `path`, or the image files in the folder `path` and its subfolders, sorted by name.

    Image files are found by the suffixes of all formats that Pillow decodes. Hidden files and folders, whose names
    begin with a dot, and folders of other programs, such as __MACOSX, are left out. One line of the log says how many
    files were left out, and why.

    Raises:
        ImageError: if `path` does not exist, cannot be read or is a folder without images. It is an `InputError`.
    """
    found = search_images(path)
    found.left_out.log(Path(path))
    return found.images


def search_images(path: str | os.PathLike[str]) -> Found:
    """As `find_images`, but what is left out is returned, not logged."""
    path = Path(path)
    found = Found()
    try:
        if path.is_dir():
            _search(path, found, ())
        else:
            path.stat()
            found.images.append(path)
    except OSError as error:
        place = error.filename or path
        raise ImageError(
            {str(place): f"cannot be read ({error.strerror}): expected an image or a folder of images"}
        ) from error
    if not found.images:
        others = f"; found {found.left_out}" if found.left_out else ""
        raise ImageError({str(path): f"holds no images: expected files named .png, .jpg and so on{others}"})
    found.images.sort()
    return found


def list_folder(folder: Path) -> Found:
    """The images and folders in `folder`, without those in its subfolders.

    Raises:
        OSError: if it cannot be read.
    """
    suffixes = readable_suffixes()
    found = Found()
    with os.scandir(folder) as entries:
        for entry in entries:
            path = folder / entry.name
            hidden = entry.name.startswith(".")
            if entry.is_dir():
                if hidden or entry.name.casefold() in _FOREIGN_FOLDERS:
                    found.left_out["folder of another program", entry.name] += 1
                else:
                    found.folders.append(path)
            elif hidden or path.suffix.lower() not in suffixes:
                kind = path.suffix.lower() or "without a suffix"
                found.left_out["hidden" if hidden else "not read by Pillow", kind] += 1
            else:
                found.images.append(path)
    found.folders.sort()
    return found


def _search(folder: Path, found: Found, parents: tuple[Path, ...]) -> None:
    """Add the contents of `folder` and its subfolders to `found`."""
    real = folder.resolve()
    if real in parents:  # a link to a folder above, which is searched already
        return
    listed = list_folder(folder)
    found.images += listed.images
    found.left_out += listed.left_out
    for subfolder in listed.folders:
        _search(subfolder, found, (*parents, real))
