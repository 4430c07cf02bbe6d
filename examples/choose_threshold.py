"""Shows what a few rates of false alarms would flag of labelled images, and saves the model with one of them.

python examples/choose_threshold.py MODEL LABELLED_FOLDER RATE NEW_MODEL.safetensors
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from utad import UTAD
from utad.data import open_category

RATES = (0.002, 0.01, 0.05)


def main(model: Path, labelled: Path, rate: float, saved: Path) -> None:
    """The rates come from the normal images of the training; the labelled ones only show what they lead to."""
    detector = UTAD.load(model)
    samples = list(open_category(labelled, split=False).test)
    results = detector.predict(samples)
    scores = [(sample.anomalous, result.pred_score) for sample, result in zip(samples, results, strict=True)]
    for tried in (*RATES, rate):  # the last one stays
        detector.set_rates(fpr=tried, fail_fpr=tried / 10)
        passed, failed = detector.threshold, detector.fail_threshold or detector.threshold
        bands = Counter((bad, "fail" if s > failed else "review" if s > passed else "pass") for bad, s in scores)
        print(f"{tried:.1%} of normal images above {passed:.3f}, {tried / 10:.2%} above {failed:.3f}")
        for bad, kind in ((False, "normal"), (True, "anomalous")):
            print(f"  {kind}: " + ", ".join(f"{bands[bad, band]} {band}" for band in ("pass", "review", "fail")))
    detector.save(saved)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
