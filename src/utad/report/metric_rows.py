"""The metrics of an evaluation, each with what it means in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from utad.evaluation.evaluation import Evaluation
from utad.evaluation.tables import COLUMNS, value_at

_PER_CENT = {
    "false_positive_rate": "false alarms",
    "recall": "recall",
    "recall_oracle": "recall at exactly 1 % false alarms (oracle)",
    "masked_normals": "normal images with a mask",
}

_MEANINGS = {
    "image.auroc": "How often an anomalous image has a higher score than a normal one: 0.5 is chance, 1 is always.",
    "image.aupr": "Precision, averaged over all values of recall.",
    "image.f1_max": "F1 at the threshold that is best on these images.",
    "false_positive_rate": "Normal images above the threshold of the model.",
    "recall": "Anomalous images above the threshold of the model.",
    "recall_oracle": "At the threshold that 1 % of these very normal images exceed: an upper bound, no result.",
    "masked_normals": "Normal images in which something is marked.",
    "ms_per_image": "From the file to the prediction, on this machine.",
    "pixel.auroc": "How often an anomalous pixel has a higher value than a normal one.",
    "pixel.aupr": "Precision of pixels, averaged over all values of recall.",
    "pixel.aupro": "How much of each defect is found, small ones counting as large ones, up to 30 % of normal pixels.",
    "pixel.f1_max": "F1 of pixels at the limit that is best on these images.",
    "pixel.iou": "Overlap of the masks of the model with the ground truth.",
    "pixel.iou_oracle": "The same at the one limit that is best on these images: an upper bound, no result.",
}


@dataclass(frozen=True)
class MetricRow:
    """One row of the table.

    Attributes:
        key: path of the value in `metrics.json`, with dots.
        name: of the metric.
        value: as `metrics.json` has it.
        shown: the value as a person reads it.
        meaning: in a sentence.
        of: images or pixels.
    """

    key: str
    name: str
    value: float
    shown: str
    meaning: str
    of: str


def metric_rows(evaluation: Evaluation) -> list[MetricRow]:
    """A row for every metric that could be measured."""
    values = evaluation.as_dict()
    rows = []
    for key, meaning in _MEANINGS.items():
        if (value := value_at(values, key)) is None:
            continue
        if key in _PER_CENT:
            name, shown = _PER_CENT[key], f"{100 * value:.1f} %"
        elif key in COLUMNS:
            name, shown = COLUMNS[key], f"{value:.3f}"
        else:
            name, shown = "time of one image", f"{value:.0f} ms"
        rows.append(MetricRow(key, name, value, shown, meaning, "Pixels" if key.startswith("pixel.") else "Images"))
    return rows
