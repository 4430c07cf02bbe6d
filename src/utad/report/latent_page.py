"""The latent map as one HTML page: images as marks in the plane, each shown when it is pointed at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utad.interpret.figures import thinned, to_8_bit
from utad.interpret.latent_map import CODES, LatentMap
from utad.interpret.marks import marks_of
from utad.report.data_uris import thumbnail_uri
from utad.report.explanation_page import Link
from utad.report.rendering import render, text
from utad.types import Image

SIDE, MARGIN, RADIUS = 420.0, 14.0, 5.0
"""Of a map, in units of its SVG."""

THUMBNAIL, THUMBNAIL_BYTES = 96, 6000
"""Longest side in pixels, and bytes of the file."""


@dataclass(frozen=True)
class _ShownMark:
    """A mark with the name and the number of its images."""

    name: str
    count: int
    colour: str
    path: str


def latent_page(
    found: LatentMap, thumbnails: Sequence[str], *, title: str, seed: int, index: Link | None = None
) -> str:
    """The page.

    Args:
        found: the map.
        thumbnails: data URIs of its images, in their order (`thumbnail_of`).
        title: of the page.
        seed: of t-SNE.
        index: a page to go back to.
    """
    order = sorted(range(len(found.images)), key=lambda row: -found.images[row].score)
    counts = Counter(image.kind for image in found.images)
    own = marks_of(list(counts))
    marks = [_ShownMark(text(kind), counts[kind], mark.colour, mark.path) for kind, mark in own.items()]
    place = {kind: position for position, kind in enumerate(own)}
    return render(
        "latent.html",
        title=text(title),
        seed=seed,
        index=index,
        side=SIDE,
        radius=RADIUS,
        marks=marks,
        images=[_image(found, row, thumbnails[row], place) for row in order],
        maps=[_map(found, name, order, place) for name in found.positions],
    )


def thumbnail_of(image: Image) -> str:
    """The data URI of an image `(H, W, 3)`, uint8 or uint16, for a page."""
    # Thinned first: a photograph of many megapixels takes long to shrink well.
    return thumbnail_uri(thinned(to_8_bit(image), 4 * THUMBNAIL), THUMBNAIL, THUMBNAIL_BYTES)


def _image(found: LatentMap, row: int, uri: str, place: Mapping[str, int]) -> dict[str, Any]:
    one = found.images[row]
    kind, name = text(one.kind), text(one.name)
    label = f"{kind}, score {one.score:.3f}: {name}"
    return {"kind": kind, "name": name, "score": one.score, "uri": uri, "mark": place[one.kind], "label": label}


def _map(found: LatentMap, name: str, order: Sequence[int], place: Mapping[str, int]) -> dict[str, Any]:
    agreement = found.agreements.get(name)
    words = f"In the code itself, before t-SNE, {agreement}." if agreement else ""
    positions = MARGIN + (SIDE - 2 * MARGIN) * np.asarray(found.positions[name])
    points = [
        {"image": index, "x": float(x), "y": float(y), "kind": place[found.images[row].kind]}
        for index, (row, (x, y)) in enumerate(zip(order, positions[list(order)].tolist(), strict=True))
    ]
    # Normal images first, so that they lie below.
    points.sort(key=lambda point: point["kind"])
    return {"key": name, "name": CODES[name], "words": words, "points": points}
