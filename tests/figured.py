"""What figures are drawn from, by hand: an image with a square that does not belong there, and what methods say."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from tests import fabricate
from utad.evaluation.chosen_images import Choice
from utad.evaluation.figure_findings import Reference
from utad.evaluation.figure_runner import CategoryFindings
from utad.interpret.latent_map import CodedImage, LatentMap, latent_map
from utad.interpret.paper_figures import DRAWN, OURS, WITHOUT_DETAIL
from utad.interpret.shown_image import Finding, Subject
from utad.output_folder import output_folder
from utad.report.figure_writing import FigureSummary, FigureWriting
from utad.types import Category

HEIGHT, WIDTH = 40, 48

RESTORED = ("impression", "naive_impression", "reconstruction")

HOSTILE = "<b onclick=alert(1)>kratzer</b>"


def subjects() -> list[Subject]:
    """One with a square, one without."""
    square = fabricate.square_mask(HEIGHT, WIDTH) > 0
    return [
        Subject("bad.png", "square", fabricate.defective(HEIGHT, WIDTH), square),
        Subject("good.png", "normal", fabricate.picture(HEIGHT, WIDTH)),
    ]


def finding(score: float, pictures: tuple[str, ...] = RESTORED, *, high: float = 2.0) -> Finding:
    """A map of 0.5, the threshold, that is `high` in the square."""
    square = fabricate.square_mask(HEIGHT, WIDTH) > 0
    return Finding(
        score=score,
        label=score > 0.5,
        anomaly_map=np.where(square, high, 0.5).astype(np.float32),
        pred_mask=square & (score > 0.5),
        pictures={name: fabricate.picture(HEIGHT, WIDTH, seed=seed) for seed, name in enumerate(pictures)},
    )


def findings() -> dict[str, tuple[Finding, ...]]:
    """Of the default method, of one without pictures, one with one, and one without the detail extractor."""
    return {
        OURS: (finding(0.9), finding(0.1)),
        "padim": (finding(0.7, ()), finding(0.6, ())),
        "ae-ssim": (finding(0.4, ("reconstruction",)), finding(0.2, ("reconstruction",))),
        WITHOUT_DETAIL: (finding(0.8, (*RESTORED, *DRAWN)), finding(0.3, (*RESTORED, *DRAWN))),
    }


def coded_images(n: int = 24, *, features: bool = True) -> list[CodedImage]:
    """Half of them normal; those of a kind lie together in mu, and where they like in the features."""
    random = np.random.default_rng(0)
    kinds = ("normal", "normal", HOSTILE, "loch")
    found = []
    for index in range(n):
        kind = kinds[index % len(kinds)]
        mu = random.normal(size=6) + 20.0 * np.eye(6)[sorted(set(kinds)).index(kind)]
        codes = {"mu": mu.astype(np.float32), "features": random.normal(size=9).astype(np.float32)}
        if not features:
            del codes["features"]
        found.append(CodedImage(f"{index:02d} {HOSTILE}.png", kind, index / n, codes))
    return found


@cache
def hand_made_map(n: int = 24) -> LatentMap:
    """Of `coded_images`; the images of mu on a grid in their order, so that tests know where they lie."""
    made = latent_map(coded_images(n))
    side = int(np.ceil(np.sqrt(n)))
    grid = np.array([(index % side, index // side) for index in range(n)]) / (side - 1)
    return replace(made, positions={**made.positions, "mu": grid})


def written_figures(folder: Path, *numbers: int, failed: str = "") -> FigureSummary:
    """The figures of a category with a hostile name, written to a folder."""
    reference = Reference(Choice((), "By hand <b>."), findings()[OURS], ())
    category = Category(HOSTILE, ())
    with output_folder(folder, "figures") as output:
        writing = FigureWriting(output, "By hand: <i>teile</i>.")
        found = CategoryFindings(category, tuple(subjects()), reference, findings())
        writing.add(found, {number: (OURS, "padim", "lsa") for number in numbers}, seed=0)
        if failed:
            writing.fail(failed)
        return writing.finish()
