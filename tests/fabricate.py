"""Fabricated images, files and data sets, in the layouts of the real ones."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def picture(height: int = 40, width: int = 48, *, seed: int = 0, grey: bool = False) -> np.ndarray:
    """A smooth picture with some structure, (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 16
    phases = rng.uniform(0, 6, 3)
    waves = [127 + 70 * np.sin(x + phase) + 50 * np.cos(1.7 * y - phase) for phase in phases]
    pixels = np.stack(waves, axis=-1) + rng.normal(0, 4, (height, width, 3))
    if grey:
        pixels[...] = pixels[..., :1]
    return np.clip(pixels, 0, 255).astype(np.uint8)


def jpeg(pixels: np.ndarray) -> bytes:
    """The content of a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def save(path: Path, pixels: np.ndarray) -> Path:
    """Writes pixels to a file, in the format that its ending says; makes the folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def square_mask(height: int = 40, width: int = 48) -> np.ndarray:
    """A mask with one square, (H, W) uint8 in {0, 255}."""
    mask = np.zeros((height, width), np.uint8)
    mask[10:20, 12:22] = 255
    return mask


def defective(height: int = 40, width: int = 48, *, seed: int = 0) -> np.ndarray:
    """A picture with a black square where `square_mask` is true."""
    pixels = picture(height, width, seed=seed)
    pixels[square_mask(height, width) > 0] = 0
    return pixels


def mvtec_category(
    folder: Path,
    *,
    n_train: int = 4,
    n_good: int = 2,
    defects: Mapping[str, int] | None = None,
    size: tuple[int, int] = (40, 48),
) -> Path:
    """One category in the layout of MVTec AD, with masks; returns its folder."""
    for index in range(n_train):
        save(folder / "train" / "good" / f"{index:03d}.png", picture(*size, seed=index))
    for index in range(n_good):
        save(folder / "test" / "good" / f"{index:03d}.png", picture(*size, seed=100 + index))
    for kind, count in (defects if defects is not None else {"broken": 2, "scratch": 1}).items():
        for index in range(count):
            save(folder / "test" / kind / f"{index:03d}.png", defective(*size, seed=200 + index))
            save(folder / "ground_truth" / kind / f"{index:03d}_mask.png", square_mask(*size))
    return folder


def normal_abnormal(
    folder: Path,
    *,
    n_normal: int = 10,
    n_abnormal: int = 3,
    masks: bool = True,
    names: tuple[str, str, str] = ("normal", "abnormal", "masks"),
) -> Path:
    """A folder with `normal`, `abnormal` and `masks`, or what else they are called; returns it."""
    normal, abnormal, of_masks = names
    for index in range(1, n_normal + 1):
        save(folder / normal / f"{index}.png", picture(seed=index))
    for index in range(1, n_abnormal + 1):
        save(folder / abnormal / f"{index}.png", defective(seed=index))
        if masks:
            save(folder / of_masks / f"{index}.png", square_mask())
    return folder


def visa(root: Path, objects: Sequence[str] = ("candle",)) -> Path:
    """VisA with three training, one normal and one anomalous test image per object; returns its root."""
    lines = ["object,split,label,image,mask"]
    for name in objects:
        for index, (split, label) in enumerate([("train", "normal")] * 3 + [("test", "normal")]):
            entry = f"{name}/Data/Images/Normal/{index:04d}.JPG"
            save(root / entry, picture(seed=index))
            lines.append(f"{name},{split},{label},{entry},")
        image, mask = f"{name}/Data/Images/Anomaly/000.JPG", f"{name}/Data/Masks/Anomaly/000.png"
        save(root / image, defective())
        save(root / mask, square_mask())
        lines.append(f"{name},test,anomaly,{image},{mask}")
    (root / "split_csv").mkdir(parents=True, exist_ok=True)
    (root / "split_csv" / "1cls.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def btad_category(folder: Path) -> Path:
    """One product in the layout of BTAD, with five training, two normal and two anomalous test images."""
    for part, count in (("train/ok", 5), ("test/ok", 2)):
        for index in range(count):
            save(folder / part / f"{index:04d}.bmp", picture(seed=index))
    for index in range(2):
        save(folder / "test" / "ko" / f"{index:04d}.bmp", defective(seed=index))
        save(folder / "ground_truth" / "ko" / f"{index:04d}.png", square_mask())
    return folder


def loco_category(folder: Path) -> Path:
    """One category in the layout of MVTec LOCO AD; the first logical anomaly has two masks."""
    for part, count in (("train/good", 4), ("validation/good", 2), ("test/good", 2)):
        for index in range(count):
            save(folder / part / f"{index:03d}.png", picture(seed=index))
    for kind in ("logical_anomalies", "structural_anomalies"):
        for index in range(2):
            save(folder / "test" / kind / f"{index:03d}.png", defective(seed=index))
            save(folder / "ground_truth" / kind / f"{index:03d}" / "000.png", square_mask())
    second = np.zeros((40, 48), np.uint8)
    second[30:35, 40:44] = 7  # each kind of logical defect has a grey value of its own
    save(folder / "ground_truth" / "logical_anomalies" / "000" / "001.png", second)
    return folder


def kolektor_sdd(root: Path, *, parts: int = 3) -> Path:
    """KolektorSDD: four images of each part, the second of which has a defect; all of them have masks."""
    for part in range(1, parts + 1):
        for index in range(4):
            stem = root / f"kos{part:02d}" / f"Part{index}"
            bad = index == 1
            save(stem.with_suffix(".jpg"), (defective if bad else picture)(seed=10 * part + index))
            mask = square_mask() if bad else np.zeros((40, 48), np.uint8)
            save(stem.with_name(f"{stem.name}_label.bmp"), mask)
    return root


def kolektor_sdd2(root: Path, *, n_train: int = 6, n_test: int = 4) -> Path:
    """KolektorSDD2: a third of the images, in training too, has a defect; all of them have masks."""
    for part, start, count in (("train", 10000, n_train), ("test", 20000, n_test)):
        for index in range(count):
            bad = index % 3 == 2
            save(root / part / f"{start + index}.png", (defective if bad else picture)(seed=start + index))
            mask = square_mask() if bad else np.zeros((40, 48), np.uint8)
            save(root / part / f"{start + index}_GT.png", mask)
    return root


def visa_folder(folder: Path) -> Path:
    """One category of VisA, without the table that splits it."""
    for index in range(10):
        save(folder / "Data" / "Images" / "Normal" / f"{index:04d}.JPG", picture(seed=index))
    for index in range(2):
        save(folder / "Data" / "Images" / "Anomaly" / f"{index:03d}.JPG", defective(seed=index))
        save(folder / "Data" / "Masks" / "Anomaly" / f"{index:03d}.png", square_mask())
    (folder / "image_anno.csv").write_text("image,label,mask\n", encoding="utf-8")
    return folder


def class_folders(folder: Path, classes: Sequence[str] = ("cat", "dog", "ship"), *, n_train: int = 4) -> Path:
    """Class folders as torchvision's `ImageFolder` reads them, with two test images each; all classes look alike."""
    for number, name in enumerate(classes):
        for part, count in (("train", n_train), ("test", 2)):
            for index in range(count):
                pixels = picture(32, 32, seed=100 * number + 10 * count + index)
                save(folder / part / name / f"{index:04d}.jpg", pixels)
    return folder


def photos(folder: Path) -> Path:
    """A flat folder such as people have: sizes, formats and modes mixed, and files that are no images."""
    save(folder / "1.png", picture(30, 50, seed=1))
    save(folder / "2.JPG", picture(64, 40, seed=2))
    save(folder / "10.jpeg", picture(100, 100, seed=3)[:, :, 0])
    save(folder / "grey 16.png", picture(20, 20)[:, :, 0].astype(np.uint16) * 257)
    save(folder / "näher" / "übung.bmp", picture(33, 33, seed=5))
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (folder / ".hidden.png").write_bytes(b"no image")
    (folder / "notes.txt").write_text("bottle, line 3", encoding="utf-8")
    return folder


def damaged_files(folder: Path) -> dict[str, Path]:
    """Files that cannot be read as images, by what is wrong with them."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = save(folder / "whole.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    jpeg = save(folder / "whole.jpg", picture(64, 64))
    contents = {
        "empty": ("empty.png", b""),
        "truncated png": ("truncated.png", whole.read_bytes()[:3000]),
        "truncated jpeg": ("truncated.jpg", jpeg.read_bytes()[:600]),
        "header only": ("header.png", whole.read_bytes()[:20]),
        "text": ("text.png", b"this is not an image\n" * 20),
        "svg": ("drawing.png", b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'),
        "html": ("page.png", b"<!DOCTYPE html><html><body>404 not found</body></html>"),
        "flipped bytes": ("flipped.png", _flipped(whole.read_bytes())),
        "tiff header": ("header.tif", b"II*\x00\x08\x00\x00\x00\xff\xff" + b"\x00" * 30),
    }
    whole.unlink()
    jpeg.unlink()
    paths = {}
    for fault, (name, content) in contents.items():
        paths[fault] = folder / name
        paths[fault].write_bytes(content)
    return paths


def _flipped(content: bytes) -> bytes:
    flipped = bytearray(content)
    for position in range(500, 3000, 97):
        flipped[position] ^= 0xFF
    return bytes(flipped)


def tiff(path: Path, pixels: np.ndarray) -> Path:
    """A TIFF without compression of pixels (H, W, bands) of any dtype, as instruments write them and Pillow cannot."""
    height, width, bands = pixels.shape
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    data = np.ascontiguousarray(pixels).tobytes()
    counts = 8 + 2 + 11 * 12 + 4  # where the values of the tags that hold one for each band begin
    tags = [
        *((256, 4, width), (257, 4, height), (258, 3, 8 * pixels.itemsize), (259, 3, 1), (262, 3, 1)),
        *((273, 4, counts + 4 * bands), (277, 3, bands), (278, 4, height), (279, 4, len(data)), (284, 3, 1)),
        (339, 3, kind),
    ]
    content = b"II*\0" + struct.pack("<IH", 8, len(tags))
    for number, form, value in tags:
        per_band = number in (258, 339)
        place = counts + (2 * bands if number == 339 else 0)
        inline = struct.pack("<I", place if per_band and bands > 2 else value)
        content += struct.pack("<HHI", number, form, bands if per_band else 1) + inline
    content += struct.pack("<I", 0) + struct.pack(f"<{bands}H", *[8 * pixels.itemsize] * bands)
    content += struct.pack(f"<{bands}H", *[kind] * bands) + data
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def bomb(path: Path, side: int = 30_000) -> Path:
    """A valid grey PNG of side x side black pixels in a small file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    row = bytes(1 + side // 8 + (side % 8 > 0))
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return path


def mnist_files(root: Path, *, folder: str = "MNIST", n_train: int = 30, n_test: int = 20) -> Path:
    """MNIST or FashionMNIST as published: four idx files, packed; image i has label i mod 10 and value i."""
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    for prefix, count in (("train", n_train), ("t10k", n_test)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, 28, 28))
        with gzip.open(raw / f"{prefix}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">IIII", 2051, count, 28, 28) + images.tobytes())
        with gzip.open(raw / f"{prefix}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">II", 2049, count) + labels.tobytes())
    return root


def cifar10_files(root: Path, names: Sequence[str], *, per_batch: int = 10) -> Path:
    """CIFAR-10 as published, unpacked: image i of a batch has label i mod 10 and a red channel of i."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for batch in (
        "data_batch_1",
        "data_batch_2",
        "data_batch_3",
        "data_batch_4",
        "data_batch_5",
        "test_batch",
    ):
        data = np.zeros((per_batch, 3, 32, 32), np.uint8)
        data[:, 0] = np.arange(per_batch, dtype=np.uint8)[:, None, None]
        entry = {"data": data.reshape(per_batch, -1), "labels": [i % 10 for i in range(per_batch)]}
        (folder / batch).write_bytes(pickle.dumps(entry))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(names)}))
    return root
