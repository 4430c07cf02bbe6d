"""Findings on disk, one file a cell, so that a stopped command goes on; nothing in them is unpickled."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.errors import OutputError
from utad.evaluation.benchmark_cell import Cell
from utad.evaluation.benchmark_runner import CELLS
from utad.evaluation.chosen_images import Choice, ScoredImage
from utad.evaluation.figure_findings import Reference
from utad.files import write_atomically
from utad.interpret.latent_map import CodedImage
from utad.interpret.shown_image import Finding
from utad.types import Category

_FORMAT = 1
_META = "meta"

_Arrays = dict[str, NDArray[Any]]


def cache_path(output: Path, cell: Cell) -> Path:
    """Where the findings of a cell are kept."""
    return (output / CELLS / cell.file_name).with_suffix(".npz")


def write_findings(path: Path, cell: Cell, names: Sequence[str], findings: Sequence[Finding]) -> None:
    """Keeps what a method says of the images of these names.

    Raises:
        OutputError: if the file cannot be written.
    """
    arrays: _Arrays = {}
    told = _pack(findings, arrays)
    _write(path, {"cell": asdict(cell), "names": list(names), "findings": told}, arrays)


def read_findings(path: Path, cell: Cell, names: Sequence[str]) -> tuple[Finding, ...] | None:
    """What was kept; None where there is nothing, or of other images.

    Raises:
        OutputError: if the file is of other settings.
    """
    stored = _read(path, cell)
    if stored is None or stored[0]["names"] != list(names):
        return None
    return _unpack(*stored)


def write_reference(path: Path, cell: Cell, count: int, reference: Reference) -> None:
    """Keeps what the reference says, of which `count` images with defects were chosen.

    Raises:
        OutputError: if the file cannot be written.
    """
    arrays: _Arrays = {}
    names = sorted(reference.coded[0].codes) if reference.coded else []
    document = {
        "cell": asdict(cell),
        "count": count,
        "findings": _pack(reference.findings, arrays),
        "rule": reference.choice.rule,
        "chosen": [[one.sample.name, one.kind, one.score] for one in reference.choice.images],
        "coded": [[one.name, one.kind, one.score] for one in reference.coded],
        "codes": names,
    }
    for name in names:
        arrays[f"codes/{name}"] = np.stack([one.codes[name] for one in reference.coded])
    _write(path, document, arrays)


def read_reference(path: Path, cell: Cell, count: int, category: Category) -> Reference | None:
    """What was kept; None where there is nothing, or of another number of images.

    Args:
        path: of the file.
        cell: that it is to be of.
        count: of images with defects that were chosen.
        category: that they were chosen from.

    Raises:
        OutputError: if the file is of other settings.
    """
    stored = _read(path, cell)
    if stored is None or stored[0]["count"] != count:
        return None
    document, arrays = stored
    samples = {sample.name: sample for sample in category.test}
    names = [name for name, _, _ in (*document["chosen"], *document["coded"])]
    if not set(names) <= set(samples):
        return None  # the folder has other images now
    chosen = tuple(ScoredImage(samples[name], kind, score) for name, kind, score in document["chosen"])
    coded = tuple(
        CodedImage(name, kind, score, {code: arrays[f"codes/{code}"][index] for code in document["codes"]})
        for index, (name, kind, score) in enumerate(document["coded"])
    )
    return Reference(Choice(chosen, document["rule"]), _unpack(document, arrays), coded)


def _pack(findings: Sequence[Finding], arrays: _Arrays) -> list[dict[str, Any]]:
    """Puts the arrays of findings among `arrays`, and returns the rest of them."""
    told = []
    for index, one in enumerate(findings):
        arrays[f"{index}/map"], arrays[f"{index}/mask"] = one.anomaly_map, one.pred_mask
        if one.inside is not None:
            arrays[f"{index}/inside"] = one.inside
        arrays.update({f"{index}/picture/{name}": picture for name, picture in one.pictures.items()})
        told.append({"score": one.score, "label": bool(one.label), "pictures": list(one.pictures)})
    return told


def _unpack(document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            score=one["score"],
            label=one["label"],
            anomaly_map=arrays[f"{index}/map"],
            pred_mask=arrays[f"{index}/mask"],
            pictures={name: arrays[f"{index}/picture/{name}"] for name in one["pictures"]},
            inside=arrays.get(f"{index}/inside"),
        )
        for index, one in enumerate(document["findings"])
    )


def _write(path: Path, document: Mapping[str, Any], arrays: _Arrays) -> None:
    text = json.dumps({"format": _FORMAT, **document}, allow_nan=False)
    whole: dict[str, Any] = {**arrays, _META: np.frombuffer(text.encode(), np.uint8)}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **whole)

    write_atomically(path, write)


def _read(path: Path, cell: Cell) -> tuple[dict[str, Any], _Arrays] | None:
    """The document and the arrays of a file; None where there is none that can be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        document = json.loads(arrays.pop(_META).tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    if document.get("format") != _FORMAT:
        return None
    if document["cell"] != json.loads(json.dumps(asdict(cell))):
        raise OutputError(
            f"{path} is of other settings: write to another folder, or delete it to train and score again"
        )
    return document, arrays
