import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxcnn import InputError
from jaxcnn.data import read_image
from jaxcnn.data.image_files import read_each, readable_suffixes
from jaxcnn.errors import ImageError

SQUARE = np.zeros((56, 56), np.uint8)
SQUARE[16:40, 16:40] = 200
SMALL = SQUARE[::2, ::2]  # the expected result


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "jpg", "jfif", "mpo", "gif", "bmp", "tif", "webp", "pgm", "jp2", "tga"])
def test_every_format_is_read(tmp_path, ending):
    image = read_image(save(tmp_path / f"picture.{ending}", SQUARE))
    assert (image.dtype, image.shape) == (np.uint8, (28, 28, 1))
    np.testing.assert_allclose(image[..., 0].astype(int), SMALL, atol=12)  # some formats lose a little


def test_a_saved_test_image_reads_back(tmp_path, sample):
    image = sample.test_images[0]
    np.testing.assert_array_equal(read_image(save(tmp_path / "picture.png", image[..., 0])), image)


def test_a_light_background_is_detected_or_given(tmp_path):
    inverted = save(tmp_path / "picture.png", 255 - SQUARE)
    np.testing.assert_array_equal(read_image(inverted)[..., 0], SMALL)
    np.testing.assert_array_equal(read_image(inverted, dark_on_light=False)[..., 0], 255 - SMALL)
    plain = save(tmp_path / "plain.png", SQUARE)
    np.testing.assert_array_equal(read_image(plain, dark_on_light=True)[..., 0], 255 - SMALL)


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    np.testing.assert_array_equal(
        read_image(save(tmp_path / "deep.png", SQUARE.astype(np.uint16) * 257))[..., 0], SMALL
    )


def test_transparency_becomes_white(tmp_path):
    rgba = np.zeros((56, 56, 4), np.uint8)
    rgba[16:40, 16:40] = (55, 55, 55, 255)
    np.testing.assert_array_equal(read_image(save(tmp_path / "cut-out.png", rgba))[..., 0], SMALL)


@pytest.mark.parametrize("turn", [np.asarray, np.transpose])
def test_other_shapes_are_padded_with_their_background(tmp_path, turn):
    strip = save(tmp_path / "strip.png", turn(SQUARE[14:42]))
    np.testing.assert_array_equal(read_image(strip)[..., 0], turn(SMALL))


def test_the_exif_orientation_is_applied(tmp_path):
    corner = np.zeros((28, 28), np.uint8)
    corner[2:10, 2:10] = 200
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image = read_image(save(tmp_path / "turned.png", corner, exif=exif))
    np.testing.assert_array_equal(image[..., 0], corner[::-1, ::-1])


def test_suffixes_are_those_that_pillow_decodes():
    assert {".jfif", ".mpo", ".jpg", ".png", ".apng", ".webp", ".avif", ".jp2", ".tif"} <= readable_suffixes()
    assert not {".eps", ".pdf", ".h5", ".mpg", ".heic", ".txt"} & readable_suffixes()


def test_read_each_yields_the_good_and_names_all_others():
    def read(number):
        if number % 2:
            raise ImageError({f"{number}.png": "cannot be read"})
        return number

    results = read_each(read, range(5))
    assert [next(results), next(results), next(results)] == [0, 2, 4]
    with pytest.raises(ImageError, match=r"^1\.png, 3\.png cannot be read$"):
        next(results)


def png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def of_size(width, height):
    """A PNG whose header declares this size."""
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    return png(SQUARE)[:8] + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png(SQUARE)[33:]


UNUSABLE = {
    "empty": b"",
    "truncated": png(SQUARE)[:-40],
    "an HTML page": b"<!DOCTYPE html><title>404</title>",
    "PostScript, which would start a program": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "declared to have 100 million pixels": of_size(10_000, 10_000),
    "declared to have 4 billion pixels": of_size(65_535, 65_535),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_an_unusable_image_is_refused(tmp_path, record_fault, what):
    path = tmp_path / "picture.png"
    path.write_bytes(UNUSABLE[what])
    with pytest.raises(InputError) as raised:
        read_image(path)
    record_fault(f"an image that is {what}", "an `InputError` of one line", str(raised.value))


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_of_unknown_range_are_refused(tmp_path, dtype):
    with pytest.raises(InputError, match=r"picture\.tif cannot be read .*of unknown range\): save with 8 or 16 bits"):
        read_image(save(tmp_path / "picture.tif", SQUARE.astype(dtype)))


@settings(max_examples=200)
@given(
    kind=st.sampled_from(["PNG", "GIF", "BMP", "TIFF", "PPM", "JPEG", "WEBP", "MPO", "JPEG2000", "TGA", "ICO"]),
    position=st.floats(0, 1),
    value=st.integers(0, 255),
)
def test_any_wrong_byte_is_read_or_refused(tmp_path_factory, kind, position, value):
    buffer = io.BytesIO()
    Image.fromarray(SQUARE[:20, :12]).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    content[round(position * (len(content) - 1))] = value
    path = tmp_path_factory.mktemp("images") / "picture"
    path.write_bytes(content)
    message = ""
    try:
        assert read_image(path).shape == (28, 28, 1)
    except InputError as error:
        message = str(error)
    assert "\n" not in message


def test_an_image_too_long_to_pad_is_refused(tmp_path):
    Image.new("L", (20_001, 1)).save(tmp_path / "line.png")
    with pytest.raises(InputError, match=r"a side of more than 20,000 pixels.*: crop to a shorter side"):
        read_image(tmp_path / "line.png")
