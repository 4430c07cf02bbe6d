from __future__ import annotations

import contextlib
import os
import time

import numpy as np
import pytest
from PIL import Image

from tests import fabricate
from utad.data.reading import (
    IMAGE_SUFFIXES,
    image_from_bytes,
    load_image,
    load_mask,
    read_image,
    read_mask,
    read_size,
)
from utad.errors import DatasetError, ImageReadError, InputError
from utad.types import Sample

RGB = fabricate.picture(12, 16)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "a.ppm"])
def test_lossless_formats_keep_every_value(tmp_path, name):
    path = tmp_path / name
    Image.fromarray(RGB).save(path, **({"lossless": True} if name.endswith("webp") else {}))
    assert np.array_equal(read_image(path), RGB)
    assert path.suffix in IMAGE_SUFFIXES


def test_the_content_counts_and_not_the_name(tmp_path):
    path = tmp_path / "really_a_bitmap.jpg"
    Image.fromarray(RGB).save(path, format="BMP")
    assert np.array_equal(read_image(path), RGB)


def test_jpeg_agrees_with_pillow(tmp_path):
    path = fabricate.save(tmp_path / "a.jpg", RGB)
    assert np.array_equal(read_image(path), np.asarray(Image.open(path)))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_grey_keeps_its_values(tmp_path, suffix):
    values = np.array([[0, 1, 255], [256, 40001, 65535]], np.uint16)
    image = read_image(fabricate.save(tmp_path / f"a{suffix}", values))
    assert image.dtype == np.uint16
    assert np.array_equal(image, np.repeat(values[..., None], 3, axis=2))


def test_big_endian_tiff_keeps_its_values(tmp_path):
    import tifffile

    values = np.array([[1, 256, 40001]], np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, byteorder=">")
    assert read_image(tmp_path / "a.tif")[0, :, 0].tolist() == [1, 256, 40001]


def test_float_tiff_is_scaled(tmp_path):
    image = read_image(fabricate.save(tmp_path / "a.tif", np.array([[0, 0.25, 1]], np.float32)))
    assert image[0, :, 0].tolist() == [0, 16384, 65535]


@pytest.mark.parametrize(("value", "words"), [(np.nan, "NaN"), (7.5, "7.5")])
def test_float_tiff_out_of_range_is_refused(tmp_path, value, words):
    path = fabricate.save(tmp_path / "a.tif", np.array([[0, value]], np.float32))
    with pytest.raises(ImageReadError, match=words):
        read_image(path)


def test_cmyk(tmp_path):
    Image.new("CMYK", (3, 2), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif")[0, 0].tolist() == [255, 0, 0]
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    red = read_image(tmp_path / "a.jpg")[8, 8].astype(int)
    assert np.abs(red - [255, 0, 0]).max() <= 4


def test_one_bit(tmp_path):
    Image.fromarray(np.array([[True, False, True]])).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0, :, 1].tolist() == [255, 0, 255]


def palette_image() -> Image.Image:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), mode=None)
    image = image.convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    return image


def test_palette_gives_its_colours(tmp_path):
    palette_image().save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0].tolist() == [[10, 20, 30], [40, 50, 60], [70, 80, 90]]


def test_transparent_palette_entries_are_white(tmp_path):
    palette_image().save(tmp_path / "a.png", transparency=b"\xff\x00\xff")
    assert read_image(tmp_path / "a.png")[0].tolist() == [[10, 20, 30], [255] * 3, [70, 80, 90]]


def test_transparent_colour_is_white(tmp_path):
    pixels = np.array([[[9, 8, 7], [1, 2, 3]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", transparency=(1, 2, 3))
    assert read_image(tmp_path / "a.png")[0].tolist() == [[9, 8, 7], [255] * 3]


def test_alpha_is_laid_over_white(tmp_path):
    pixels = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)])
    pixels[3, 4] = (0, 0, 0, 0)
    image = read_image(fabricate.save(tmp_path / "a.png", pixels))
    assert image[3, 4].tolist() == [255, 255, 255]
    image[3, 4] = RGB[3, 4]
    assert np.array_equal(image, RGB)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(
    ("orientation", "corner"), [(1, (0, 0)), (2, (0, -1)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))]
)
def test_exif_orientation_moves_the_pixels(tmp_path, suffix, orientation, corner):
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[0, 0] = 200  # the marked pixel of the stored picture, top left
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(pixels).save(path, exif=exif)
    image = read_image(path)
    assert image.shape == ((6, 4, 3) if orientation >= 5 else (4, 6, 3))
    assert image[corner].tolist() == [200, 200, 200]
    assert np.count_nonzero(image) == 3
    assert read_size(path) == image.shape[:2]


def test_exif_orientation_turns_masks_too(tmp_path):
    mask = np.zeros((4, 6), np.uint8)
    mask[0, 0] = 255
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(mask).save(tmp_path / "a.png", exif=exif)
    turned = read_mask(tmp_path / "a.png")
    assert turned.shape == (6, 4)
    assert np.argwhere(turned).tolist() == [[0, 3]]


def test_damaged_exif_does_not_lose_the_image(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12\x01")
    assert np.array_equal(read_image(tmp_path / "a.png"), RGB)
    assert read_size(tmp_path / "a.png") == (12, 16)


def test_several_frames_give_the_first(tmp_path):
    frames = [Image.new("RGB", (5, 4), (shade, 0, 0)) for shade in (10, 20, 30)]
    for name in ("a.png", "a.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert read_image(tmp_path / name)[0, 0].tolist() == [10, 0, 0]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert read_image(tmp_path / "a.webp")[0, 0].tolist() == [10, 0, 0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 10_000), (10_000, 1)])
def test_extreme_shapes(tmp_path, shape):
    path = fabricate.save(tmp_path / "a.png", np.full((*shape, 3), 7, np.uint8))
    assert read_image(path).shape == (*shape, 3)
    assert read_size(path) == shape


FAULTS = (
    *("empty", "truncated png", "truncated jpeg", "header only", "text"),
    *("svg", "html", "flipped bytes", "tiff header"),
)


@pytest.mark.parametrize("fault", FAULTS)
def test_damage_is_one_error_that_names_the_file(tmp_path, fault):
    path = fabricate.damaged_files(tmp_path)[fault]
    with pytest.raises(ImageReadError) as caught:
        read_image(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) > len(f"{path}: ") + 5


@pytest.mark.parametrize("fault", FAULTS)
def test_damage_in_memory_is_the_same_error_with_the_name_that_is_given(tmp_path, fault):
    path = fabricate.damaged_files(tmp_path)[fault]
    with pytest.raises(ImageReadError) as caught:
        image_from_bytes(path.read_bytes(), name="../a\0b.png")
    message = str(caught.value)
    assert message.startswith("../a\0b.png: ")
    assert "\n" not in message


def test_bytes_and_files_give_the_same_image(tmp_path):
    path = fabricate.save(tmp_path / "a.jpg", RGB)
    assert np.array_equal(image_from_bytes(path.read_bytes(), name="a.jpg"), read_image(path))
    with pytest.raises(ImageReadError, match="16 x 12 pixels are more than the limit of 191"):
        image_from_bytes(path.read_bytes(), name="a.jpg", max_pixels=12 * 16 - 1)


def test_missing_folder_pipe_and_overlong_name(tmp_path):
    with pytest.raises(ImageReadError, match="no such file"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(ImageReadError, match="not a regular file"):
        read_image(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageReadError, match="not a regular file"):
        read_image(tmp_path / "pipe.png")
    with pytest.raises(ImageReadError):
        read_image(tmp_path / ("x" * 300 + ".png"))


def test_formats_that_are_not_accepted_are_named(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.gif")
    with pytest.raises(ImageReadError, match="accepted are PNG, JPEG"):
        read_image(tmp_path / "a.gif")


@pytest.mark.parametrize("cut", range(1, 400, 23))
def test_any_truncation_gives_an_image_or_the_error(tmp_path, cut):
    path = fabricate.save(tmp_path / "a.jpg", RGB)
    path.write_bytes(path.read_bytes()[:-cut])
    # Without the last bytes a JPEG may still decode; then nothing else may go wrong either.
    with contextlib.suppress(ImageReadError):
        assert read_image(path).shape == RGB.shape


def test_a_bomb_is_refused_from_its_header(tmp_path):
    path = fabricate.bomb(tmp_path / "bomb.png")
    assert path.stat().st_size < 1_000_000
    start = time.perf_counter()
    with pytest.raises(ImageReadError, match="too large"):
        read_image(path)
    assert time.perf_counter() - start < 1


def test_the_pixel_limit_is_exact_and_named(tmp_path):
    path = fabricate.save(tmp_path / "a.png", RGB)
    assert read_image(path, max_pixels=12 * 16).shape == RGB.shape
    with pytest.raises(ImageReadError, match=r"16 x 12 pixels are more than the limit of 191"):
        read_image(path, max_pixels=12 * 16 - 1)
    with pytest.raises(ImageReadError, match="limit"):
        read_mask(path, max_pixels=1)


def test_an_image_between_the_limits_of_pillow_is_read_without_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = fabricate.save(tmp_path / "a.png", RGB)
    assert read_image(path).shape == RGB.shape  # 192 pixels: Pillow would warn, and warnings are errors here


def test_text_chunks_that_explode_are_refused(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("comment", "a" * 5_000_000, zip=True)
    Image.fromarray(RGB).save(tmp_path / "a.png", pnginfo=info)
    with pytest.raises(ImageReadError, match=r"a\.png"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("value", [1, 255])
def test_mask_is_true_where_not_zero(tmp_path, value):
    mask = fabricate.square_mask() // 255 * np.uint8(value)
    path = fabricate.save(tmp_path / "a.png", mask)
    assert np.array_equal(read_mask(path), mask > 0)


def test_mask_of_other_modes(tmp_path):
    mask = fabricate.square_mask()
    truth = mask > 0
    assert np.array_equal(read_mask(fabricate.save(tmp_path / "16.png", mask.astype(np.uint16))), truth)
    assert np.array_equal(read_mask(fabricate.save(tmp_path / "1.png", truth)), truth)
    blue = np.dstack([np.zeros_like(mask), np.zeros_like(mask), mask])
    assert np.array_equal(read_mask(fabricate.save(tmp_path / "rgb.png", blue)), truth)
    # Painted on a transparent layer: white that nobody sees is not marked.
    layer = np.dstack([np.full((*mask.shape, 3), 255, np.uint8), mask])
    assert np.array_equal(read_mask(fabricate.save(tmp_path / "rgba.png", layer)), truth)


def test_a_mask_as_jpeg_is_cut_at_half_of_its_brightest(tmp_path):
    mask = fabricate.square_mask(64, 64)
    for brightest in (255, 120):
        path = tmp_path / f"{brightest}.jpg"
        Image.fromarray((mask > 0).astype(np.uint8) * np.uint8(brightest)).save(path, quality=60)
        assert (np.array(Image.open(path)) > 0).sum() > (mask > 0).sum()
        assert np.array_equal(read_mask(path), mask > 0)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "none.jpg")
    assert not read_mask(tmp_path / "none.jpg").any()


@pytest.mark.parametrize(
    ("dtype", "bands", "words"),
    [
        (np.float64, 1, "1 band of 64-bit float values"),
        (np.float16, 1, "1 band of 16-bit float values"),
        (np.uint8, 5, "5 bands of 8-bit unsigned values"),
    ],
)
def test_a_tiff_that_is_not_read_is_described(tmp_path, dtype, bands, words):
    path = fabricate.tiff(tmp_path / "scan.tif", np.ones((4, 6, bands), dtype))
    with pytest.raises(ImageReadError, match=rf"scan\.tif: a TIFF of {words}, which is not read; accepted are grey"):
        read_image(path)


def test_load_image_of_pixels_and_of_files(tmp_path):
    path = fabricate.save(tmp_path / "a.png", RGB)
    assert np.array_equal(load_image(Sample("a", path)), RGB)
    assert np.array_equal(load_image(Sample("a", RGB)), RGB)
    with pytest.raises(InputError, match="part 3"):
        load_image(Sample("part 3", np.zeros((2, 2, 5), np.uint8)))


def test_load_mask_without_a_mask():
    normal = load_mask(Sample("a", RGB, anomalous=False), (12, 16))
    assert normal is not None
    assert normal.shape == (12, 16)
    assert not normal.any()
    assert load_mask(Sample("a", RGB, anomalous=True), (12, 16)) is None
    assert load_mask(Sample("a", RGB), (12, 16)) is None


def test_load_mask_of_another_size_names_both(tmp_path):
    image = fabricate.save(tmp_path / "image.png", RGB)
    mask = fabricate.save(tmp_path / "mask.png", fabricate.square_mask())
    with pytest.raises(DatasetError) as caught:
        load_mask(Sample("a", image, anomalous=True, mask=mask), (12, 16))
    for words in (str(image), str(mask), "12 x 16", "40 x 48"):
        assert words in str(caught.value)


def test_load_mask_from_file_and_pixels(tmp_path):
    mask = fabricate.square_mask()
    path = fabricate.save(tmp_path / "mask.png", mask)
    assert np.array_equal(load_mask(Sample("a", RGB, True, mask=path), (40, 48)), mask > 0)
    assert np.array_equal(load_mask(Sample("a", RGB, True, mask=mask > 0), (40, 48)), mask > 0)
    with pytest.raises(DatasetError, match="40 x 48"):
        load_mask(Sample("a", RGB, True, mask=mask > 0), (12, 16))
