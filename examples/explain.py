"""Asks why an image has its score. In a notebook, put an explanation at the end of a cell: it shows itself.

python examples/explain.py MODEL IMAGE OUTPUT_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from utad import UTAD
from utad.interpret.explanation_figure import explanation_figure
from utad.report.explanation_page import explanation_page


def main(model: Path, image: Path, output: Path) -> None:
    """Prints what the score is made of, and leaves a page and a figure."""
    explanation = UTAD.load(model).explain(image)
    result = explanation.prediction
    print(f"{image.name}: score {result.pred_score:.3f}, {result.band}")
    for component, share in explanation.shares.items():
        print(f"  {share:+.3f} {component}")
    if explanation.normal_above is not None:
        print(f"{explanation.normal_above:.1%} of {len(explanation.normal_scores)} normal images score as high")
    print("most alike: " + ", ".join(f"{one.name} ({one.distance:.2f})" for one in explanation.neighbours))
    output.mkdir(parents=True, exist_ok=True)
    explanation_figure(explanation).savefig(output / "explanation.png")
    (output / "explanation.html").write_text(explanation_page(explanation), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
