"""Scores a folder of images and lists every region that looks wrong, the worst first, in one table for a spreadsheet.

python examples/table_of_regions.py MODEL FOLDER TABLE.csv
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from utad import load_detector
from utad.inputs import collect_images

COLUMNS = ("image", "band", "score", "left", "top", "right", "bottom", "area", "peak")


def main(model: Path, folder: Path, table: Path) -> None:
    """One line per region; an image that is called normal has none."""
    detector = load_detector(model)  # the graph beside the model where there is one, else PyTorch
    samples = collect_images([folder]).samples
    rows = [
        (sample.name, result.band, round(result.pred_score, 3), *region.box, region.area, round(region.peak, 3))
        for sample, result in zip(samples, detector.predict(samples), strict=True)
        for region in result.regions
    ]
    rows.sort(key=lambda row: -row[-1])
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    print(f"{len(rows)} regions in {len({row[0] for row in rows})} of {len(samples)} images: {table}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
