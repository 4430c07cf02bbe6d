"""`index.json`: the detectors of many products, their folders, and how far their training is.

Without torch: what serves and scores reads it.
"""

from __future__ import annotations

import logging
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from utad.errors import ModelFileError

INDEX_NAME = "index.json"
FORMAT_VERSION = 1

Status = Literal["waiting", "training", "interrupted", "failed", "trained"]

_LOGGER = logging.getLogger(__name__)


def _below(folder: str) -> str:
    path = PurePosixPath(folder)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"got the folder {folder!r}, expected one below that of the index")
    return folder


class ProductData(BaseModel):
    """What a detector was trained on.

    Attributes:
        layout: that its folder was read by; None for data sets known by name.
        n_images: normal images used.
        n_skipped: damaged images left out.
        n_outliers: images that score beyond what the others let one expect.
        left_out: what else lies in its folder, a line for each reason, with its count.
    """

    model_config = ConfigDict(frozen=True)

    layout: str | None
    n_images: int
    n_skipped: int
    n_outliers: int
    left_out: tuple[str, ...]


class Product(BaseModel):
    """One product.

    Attributes:
        name: its category in the data.
        folder: of its run, below that of the index.
        status: how far its training is; `training` also where the command was killed.
        preset: of its config.
        seed: of its config.
        threshold: when it was trained; None before that.
        seconds: from its first file to its model; of the last command, where it was resumed.
        error: why it failed; None if it did not.
        data: what it was trained on; None before that.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    folder: Annotated[str, AfterValidator(_below)]
    status: Status = "waiting"
    preset: str
    seed: int
    threshold: float | None = None
    seconds: float | None = None
    error: str | None = None
    data: ProductData | None = None


class ProductIndex(BaseModel):
    """The index.

    Attributes:
        format: version of this file's form.
        version: of the package that wrote it.
        source: the data that all were trained on, as it was given.
        products: in the order of the data.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["utad index"] = "utad index"
    format: int = FORMAT_VERSION
    version: str
    source: str
    products: tuple[Product, ...]

    def with_status(self, status: Status) -> list[Product]:
        """The products that have it."""
        return [product for product in self.products if product.status == status]


def index_file(path: Path | str) -> Path | None:
    """The index that a path names, itself or in a folder; None if it names none."""
    path = Path(path)
    file = path / INDEX_NAME if path.is_dir() else path
    return file if file.name == INDEX_NAME and file.is_file() else None


def read_index(file: Path) -> ProductIndex:
    """Reads an index.

    Raises:
        ModelFileError: if it is damaged, something else, or of a newer version.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{file} cannot be read: {error}") from None
    try:
        index = ProductIndex.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise ModelFileError(
            f"{file} is not an index of detectors, or is damaged ({where + ': ' if where else ''}{problem['msg']}): "
            "utad train --all writes one"
        ) from None
    if index.format > FORMAT_VERSION:
        raise ModelFileError(
            f"{file} has form {index.format} and was written by utad {index.version}; this version reads up to "
            f"{FORMAT_VERSION}: install the newer one"
        )
    return index


def trained_models(file: Path) -> dict[str, Path]:
    """The folders of the detectors of an index that are trained, by name; others are named in the log.

    Raises:
        ModelFileError: if none is, or the index cannot be read.
    """
    index = read_index(file)
    for product in index.products:
        if product.status != "trained":
            reason = f" ({product.error})" if product.error else ""
            _LOGGER.warning("%s: %s is left out: it is %s%s", file, product.name, product.status, reason)
    found = {product.name: file.parent / product.folder for product in index.with_status("trained")}
    if not found:
        raise ModelFileError(f"no detector of {file} is trained: the same utad train with --resume goes on")
    return found
