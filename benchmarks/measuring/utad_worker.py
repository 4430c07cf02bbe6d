"""Times a detector, eager or exported, on images in memory: `utad_worker.py MODEL IMAGES.npy [--exported]`.

It scores one image, or all of them as one batch; with torch it also computes the product that the floor rests on.

An exported detector is loaded and run without importing torch.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np

from measuring.answering import answer, private_stdout

SCORE, SCORE_ALL, PRODUCT = "score", "score all", "matrix product"


def load(model: Path, *, exported: bool) -> Any:
    """The detector, through the runtime that is asked for."""
    if exported:
        from utad import load_detector

        return load_detector(model)
    from utad import UTAD

    return UTAD.load(model)


def main() -> None:
    """Loads, announces, answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--exported", action="store_true")
    arguments = parser.parse_args()
    answers = private_stdout()
    from utad.types import Sample

    detector = load(arguments.model, exported=arguments.exported)
    samples = [Sample(str(index), image) for index, image in enumerate(np.load(arguments.images))]
    turns = itertools.cycle(samples)
    facts: dict[str, Any] = {"torch_imported": "torch" in sys.modules}
    if "torch" in sys.modules:
        facts["threads"] = sys.modules["torch"].get_num_threads()
    actions: dict[str, Any] = {
        SCORE: lambda: list(detector.predict_samples([next(turns)], batch_size=1)),
        SCORE_ALL: lambda: list(detector.predict_samples(samples, batch_size=len(samples))),
    }
    if "torch" in sys.modules:
        from measuring.timing import matrix_product

        actions[PRODUCT] = matrix_product()
    answer(answers, actions, **facts)


if __name__ == "__main__":
    main()
