"""Times a detector at batch 1, eager or exported, on images in memory: `utad_worker.py MODEL IMAGES.npy [--exported]`.

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
    answer(answers, {"score": lambda: list(detector.predict_samples([next(turns)], batch_size=1))}, **facts)


if __name__ == "__main__":
    main()
