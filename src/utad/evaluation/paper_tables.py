"""The paper's own numbers, as its Tables 1 to 4 have them, by the names of the variants here (arXiv 2103.11671).

They are texts, since they are shown as printed. "–" is what the paper leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper, or a part of one.

    Attributes:
        number: in the paper.
        columns: headings, which say on which data the numbers are.
        rows: by the name of a variant, as many numbers as there are columns.
    """

    number: int
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]


METHODS_DEFECTS = PaperTable(
    1,
    ("Bottle, IoU", "mean of MVTec AD, IoU", "mean of MVTec AD, AUROC"),
    {
        "anogan": ("0.05", "0.09", "0.74"),
        "avid": ("0.28", "0.26", "0.78"),
        "ae-l2": ("0.22", "0.33", "0.82"),
        "ae-ssim": ("0.15", "0.19", "0.87"),
        "lsa": ("0.27", "0.37", "0.79"),
        "ad-vae": ("0.27", "0.20", "0.86"),
        "gamma-vae": ("0.27", "0.39", "0.86"),
        "unst": ("0.28", "0.24", "0.87"),
        "cavga-u": ("0.34", "0.47", "0.89"),
        "utad": ("0.37", "0.53", "0.90"),
    },
)

_ONE_CLASS = ("MNIST", "Fashion-MNIST", "CIFAR-10")

METHODS_ONE_CLASS = PaperTable(
    2,
    _ONE_CLASS,
    {
        "ocgan": ("0.975", "0.895", "0.657"),
        "anogan": ("0.937", "0.824", "0.612"),
        "skip-ganomaly": ("0.941", "0.807", "0.731"),
        "lsa": ("0.975", "0.641", "0.876"),
        "ae-l2": ("0.983", "0.747", "0.790"),
        "capsnet": ("0.871", "0.679", "0.531"),
        "unst": ("0.993", "–", "0.803"),
        "cavga-u": ("0.986", "0.885", "0.737"),
        "utad": ("0.994", "0.899", "0.884"),
    },
)

COMPONENTS = PaperTable(
    2,
    _ONE_CLASS,
    {
        "baseline": ("0.979", "0.743", "0.787"),
        "without Expert-Net": ("0.981", "0.751", "0.803"),
        "without L_info, guidance, m_hat": ("0.989", "0.885", "0.861"),
        "without guidance, m_hat": ("0.988", "0.890", "0.872"),
        "without L_info, m_hat": ("0.993", "0.891", "0.876"),
        "without m_hat": ("0.992", "0.894", "0.881"),
        "full": ("0.994", "0.899", "0.884"),
    },
)

MEASUREMENTS = PaperTable(
    3,
    ("Bottle, IoU", "Cable, IoU", "Capsule, IoU", "Hazelnut, IoU"),
    {
        "abs(x - x_hat)": ("0.23", "0.17", "0.33", "0.39"),
        "abs(x - m_hat)": ("0.29", "0.20", "0.21", "0.47"),
        "abs(m - m_hat)": ("0.15", "0.06", "0.15", "0.41"),
        "stage 0 alone": ("0.30", "0.11", "0.33", "0.39"),
        "stage 1 alone": ("0.33", "0.31", "0.35", "0.54"),
        "stage 2 alone": ("0.24", "0.20", "0.31", "0.49"),
        "PM": ("0.37", "0.38", "0.41", "0.65"),
    },
)

CAPACITY = PaperTable(
    4,
    ("parameters, M", "Hazelnut, IoU", "Hazelnut, AUROC"),
    {
        "AE-64": ("2.98", "0.301", "0.896"),
        "AE-128": ("11.89", "0.188", "0.954"),
        "AE-256": ("47.47", "0.197", "0.945"),
        "UnSt": ("14.28", "0.363", "0.937"),
        "UTAD": ("16.77", "0.649", "0.976"),
    },
)
