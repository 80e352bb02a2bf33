import io
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from jaxcnn import InputError
from jaxcnn.data.image_arrays import all_gray, read_in_order, read_pictures, resize_gray

GRAY = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
COLOR = np.stack([GRAY, 255 - GRAY, GRAY // 2], axis=-1)


def picture(image, name="picture", kind="PNG", **options):
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, kind, **options)
    return name, file


@given(
    images=hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6).flatmap(
        lambda shape: st.sampled_from([shape, (*shape, 3)]).flatmap(lambda whole: hnp.arrays(np.uint8, whole))
    ),
    kind=st.sampled_from(["PNG", "BMP", "TIFF", "PPM"]),
)
def test_saved_images_read_back(images, kind):
    read = read_pictures([picture(image, kind=kind) for image in images])
    np.testing.assert_array_equal(read, images.reshape(*images.shape[:3], -1))


SHADES = np.array([[0, 100], [200, 255]], np.uint8)
PALETTE = Image.fromarray(np.array([[0, 1], [1, 2]], np.uint8), "P")
PALETTE.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
RED, GREEN, BLUE = [255, 0, 0], [0, 255, 0], [0, 0, 255]


@pytest.mark.parametrize(
    ("file", "pixels"),
    [
        (picture(Image.fromarray(SHADES > 99)), [0, 255, 255, 255]),
        (picture(SHADES), [0, 100, 200, 255]),
        (picture(Image.merge("LA", [Image.fromarray(SHADES), Image.new("L", (2, 2), 51)])), [0, 20, 40, 51]),
        (picture(SHADES.astype(np.uint16) * 257), [0, 100, 200, 255]),
        (picture(SHADES.astype(np.uint16) * 257, kind="TIFF"), [0, 100, 200, 255]),
        (picture(SHADES.astype(np.int32) * 257, kind="PPM"), [0, 100, 200, 255]),
        (picture(PALETTE), [RED, GREEN, GREEN, BLUE]),
        (picture(PALETTE, transparency=0), [[0, 0, 0], GREEN, GREEN, BLUE]),
        (picture(PALETTE, kind="GIF", transparency=1), [RED, [0, 0, 0], [0, 0, 0], BLUE]),
        (picture(Image.new("CMYK", (1, 1), (0, 255, 255, 0)), kind="JPEG"), [RED]),
        (picture(Image.new("RGBA", (1, 1), (255, 0, 0, 51))), [[51, 0, 0]]),
    ],
    ids=["1", "L", "LA", "16 bits", "16-bit TIFF", "16-bit PGM", "P", "P tRNS", "GIF", "CMYK", "RGBA"],
)
def test_every_pixel_format_gives_its_colors(file, pixels):
    images = read_pictures([file])
    assert images.shape[-1] == np.size(pixels[0])
    np.testing.assert_array_equal(images.reshape(len(pixels), -1), np.reshape(pixels, (len(pixels), -1)))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "MPO", "WEBP"])
def test_the_first_frame_or_page_is_read(kind):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue", "lime")]
    images = read_pictures([picture(frames[0], kind=kind, save_all=True, append_images=frames[1:])])
    np.testing.assert_allclose(images.astype(int), np.broadcast_to(RED, (1, 8, 8, 3)), atol=2)


def test_one_color_image_gives_all_three_channels():
    images = read_pictures([picture(GRAY), picture(COLOR)])
    np.testing.assert_array_equal(images, np.stack([np.stack([GRAY] * 3, axis=-1), COLOR]))
    assert read_pictures([picture(Image.fromarray(GRAY).convert("P"))]).shape == (1, 4, 6, 3)


def test_the_number_of_channels_can_be_set():
    assert read_pictures([picture(GRAY)], channels=3).shape == (1, 4, 6, 3)
    np.testing.assert_array_equal(
        read_pictures([picture(COLOR)], channels=1)[0, ..., 0], np.asarray(Image.fromarray(COLOR).convert("L"))
    )


def test_the_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    np.testing.assert_array_equal(read_pictures([picture(GRAY, exif=exif)])[0, ..., 0], np.rot90(GRAY, -1))


def test_the_central_square_is_resized():
    np.testing.assert_array_equal(read_pictures([picture(GRAY)], 4)[0, ..., 0], GRAY[:, 1:5])
    halved = np.asarray(Image.fromarray(GRAY[:, 1:5]).resize((2, 2), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(read_pictures([picture(GRAY)], 2)[0, ..., 0], halved)
    np.testing.assert_array_equal(resize_gray(np.stack([GRAY, GRAY]), 2), np.stack([halved, halved]))


def test_shrinking_averages_pixels():
    checkerboard = np.indices((64, 64)).sum(axis=0) % 2 * np.uint8(200)
    np.testing.assert_allclose(read_pictures([picture(checkerboard.astype(np.uint8))], 8).astype(int), 100, atol=2)


def test_different_sizes_need_an_image_size():
    pictures = [picture(GRAY, "wide"), picture(GRAY, "wide too"), picture(GRAY.T, "high")]
    with pytest.raises(
        InputError, match=r"wide has 6 x 4 pixels and high has 4 x 6: expected images of one size; give an image size"
    ):
        read_pictures(pictures)
    assert read_pictures(pictures, 5).shape == (3, 5, 5, 1)


def test_paths_may_be_strings(tmp_path):
    Image.fromarray(GRAY).save(tmp_path / "gray.png")
    np.testing.assert_array_equal(read_pictures([("gray", f"{tmp_path}/gray.png")])[0, ..., 0], GRAY)


def test_images_keep_their_order():
    images = np.arange(200, dtype=np.uint8)[:, None, None]
    np.testing.assert_array_equal(read_pictures([picture(image) for image in images])[:, 0, 0, 0], np.arange(200))


def test_all_damaged_images_are_named():
    _, file = picture(GRAY)
    damaged = io.BytesIO(file.getvalue()[:-30])
    pictures = [
        ("the first", damaged),
        picture(GRAY),
        ("the third", damaged),
        picture(GRAY),
        ("words", io.BytesIO(b"x")),
    ]
    with pytest.raises(InputError, match=r"^the first, the third, words cannot be read as an image") as raised:
        read_pictures(pictures)
    assert str(raised.value).count("cannot be read") == 1
    with pytest.raises(InputError, match=r"^the first, the third, words cannot be read as an image"):
        read_in_order(pictures, None, (4, 6, 1))
    with pytest.raises(InputError, match=r"^words cannot be read as an image"):
        all_gray(pictures)  # which reads only the headers


def test_warnings_of_pillow_are_ignored_in_all_threads():
    truncated = b"Exif\0\0II*\0\x08\0\0\0\x09\0\x12\x01"
    pictures = [picture(GRAY, kind="JPEG", exif=truncated) for _ in range(20)]
    with pytest.warns(UserWarning, match="Corrupt EXIF data"), Image.open(pictures[0][1]) as image:
        image.getexif()
    before = list(warnings.filters)
    assert read_pictures(pictures).shape == (20, 4, 6, 1)
    assert warnings.filters == before
