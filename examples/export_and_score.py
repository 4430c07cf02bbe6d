"""Exports a model as a graph that stands alone, and scores with it: what a machine on the line does, without PyTorch.

python examples/export_and_score.py MODEL OUTPUT_FOLDER IMAGE...
"""

from __future__ import annotations

import sys
from pathlib import Path

from utad import UTAD, load_detector
from utad.export.writing import export_detector


def main(model: Path, output: Path, images: list[Path]) -> None:
    """Both score every image; the export has to agree with the model."""
    detector = UTAD.load(model)
    manifest = export_detector(detector, output, graph_format="openvino")
    print(f"{output}: {manifest.format}, largest difference of scores {manifest.parity['score']:.1e}")
    exported = load_detector(output)
    for image, one, other in zip(images, detector.predict(images), exported.predict(images), strict=True):
        print(f"{image.name}: {one.pred_score:.4f} by PyTorch, {other.pred_score:.4f} by the graph, {other.band}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
