"""Trains a detector on a folder of normal images and explains one prediction.

python examples/quickstart.py NORMAL_FOLDER IMAGE OUTPUT_FOLDER [section.key=value ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

from utad import UTAD
from utad.data import read_image
from utad.interpret.figures import GridRow, prediction_grid


def main(normal: Path, image: Path, output: Path, overrides: list[str]) -> None:
    """Fits, saves, loads again and predicts."""
    UTAD(preset="fast", overrides=overrides).fit(normal, output=output)
    detector = UTAD.load(output)
    result = detector.predict(image)
    print(f"{image.name}: score {result.pred_score:.3f}, {'anomalous' if result.pred_label else 'normal'}")
    figure = prediction_grid([GridRow(image.name, read_image(image), result)])
    figure.savefig(output / "explanation.png")
    print(f"{output / 'explanation.png'} shows what the model expected to see")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
