import io
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from jaxcnn import InputError
from jaxcnn.data.image_arrays import read_pictures, resize_gray

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


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
def test_gray_pixel_formats_give_one_channel(mode):
    white = Image.fromarray(np.full((2, 2), 65535, np.uint16)) if mode == "I;16" else Image.new(mode, (2, 2), "white")
    np.testing.assert_array_equal(read_pictures([picture(white)]), np.full((1, 2, 2, 1), 255, np.uint8))


def test_one_color_image_gives_all_three_channels():
    images = read_pictures([picture(GRAY), picture(COLOR)])
    np.testing.assert_array_equal(images, np.stack([np.stack([GRAY] * 3, axis=-1), COLOR]))
    assert read_pictures([picture(Image.fromarray(GRAY).convert("P"))]).shape == (1, 4, 6, 3)


def test_the_number_of_channels_can_be_set():
    assert read_pictures([picture(GRAY)], channels=3).shape == (1, 4, 6, 3)
    np.testing.assert_array_equal(
        read_pictures([picture(COLOR)], channels=1)[0, ..., 0], np.asarray(Image.fromarray(COLOR).convert("L"))
    )


def test_transparency_becomes_black():
    alpha = np.full((4, 6), 255, np.uint8)
    alpha[0] = 0
    expected = np.where(alpha[..., None] == 255, COLOR, 0)
    np.testing.assert_array_equal(read_pictures([picture(np.dstack([COLOR, alpha]))])[0], expected)


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


def test_a_damaged_image_is_named():
    _, file = picture(GRAY)
    damaged = io.BytesIO(file.getvalue()[:-30])
    with pytest.raises(InputError, match="the third cannot be read as an image"):
        read_pictures([picture(GRAY), picture(GRAY), ("the third", damaged), picture(GRAY)])


def test_warnings_of_pillow_are_ignored_in_all_threads():
    truncated = b"Exif\0\0II*\0\x08\0\0\0\x09\0\x12\x01"
    pictures = [picture(GRAY, kind="JPEG", exif=truncated) for _ in range(20)]
    with pytest.warns(UserWarning, match="Corrupt EXIF data"), Image.open(pictures[0][1]) as image:
        image.getexif()
    before = list(warnings.filters)
    assert read_pictures(pictures).shape == (20, 4, 6, 1)
    assert warnings.filters == before
