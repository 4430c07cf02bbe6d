"""An evaluation by hand: an engine that sees black squares, and labelled images, some of whose labels are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests import fabricate
from utad.evaluation.evaluate import evaluate_to_folder, labelled
from utad.evaluation.evaluation import Evaluation
from utad.predictor import Predictor
from utad.report.evaluation_report import REPORT, HtmlReport
from utad.types import Category, EngineResult, Sample

HOSTILE = "teil</script><b onclick=alert(1)>.png"
SCRATCH, HOLE = "<i>kratzer</i>", "loch"


class Squares:
    """An engine that finds what is black."""

    max_batch, streams, same_size = 4, 1, False

    def run(self, images, *, concurrent=False):
        return [self._result(image) for image in images]

    def _result(self, image):
        black = (image == 0).all(axis=-1)
        score = 0.1 + float(image.mean()) / 1000 + (1.5 + float(image[0, 0, 0]) / 100) * bool(black.sum() > 20)
        heat = np.where(black, 2.0, 0.1).astype(np.float32)
        return EngineResult(pred_score=score, raw_score=3 * score + 1, anomaly_map=heat)


def samples(*, masks: bool = True, n: int = 6) -> list[Sample]:
    """`n` normal images and `2 n` anomalous ones of two kinds; the last of each truth is a mistake of the labels."""
    found = []
    for index in range(3 * n):
        anomalous = index >= n
        wrong = index in (n - 1, 3 * n - 1)
        image = fabricate.defective(seed=index) if anomalous != wrong else fabricate.picture(seed=index)
        name = HOSTILE if index == n else f"{'bad' if anomalous else 'good'}/{index:03d}.png"
        mask = fabricate.square_mask() > 0 if masks and anomalous else None
        defect = (SCRATCH if index < 2 * n else HOLE) if anomalous else "good"
        found.append(Sample(name, image, anomalous, defect, mask))
    return found


def report_of(images: list[Sample], folder: Path, name: str = "teile <1>") -> tuple[str, Evaluation]:
    """The page of an evaluation of these images, which is written to a folder."""
    category = Category(name, (), images)
    page = HtmlReport(labelled(category), title=name, subject="By hand.")
    outcome = evaluate_to_folder(Predictor(Squares()), category, folder, dataset="parts", seed=0, companion=page)
    return (folder / REPORT).read_text(encoding="utf-8"), outcome.evaluation
