"""Times a detector on images in memory: `utad_worker.py MODEL IMAGES.npy [--eager]`.

It scores one image, or all of them as one batch, by the default route, or in PyTorch with `--eager`; where torch is
imported it also computes the GEMM that the roofline rests on. It uses nothing that an earlier utad lacks, so that
PYTHONPATH may name the source tree of one.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np

from measuring.answering import answer, private_stdout

SCORE, SCORE_ALL, GEMM = "score", "score all", "GEMM"


def load(model: Path, *, eager: bool) -> Any:
    """The detector, through the route that is asked for."""
    if eager:
        from utad import UTAD

        return UTAD.load(model)
    from utad import load_detector

    return load_detector(model)


def main() -> None:
    """Loads, announces, answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a model file, the folder of a run, or an exported folder")
    parser.add_argument("images", type=Path)
    parser.add_argument("--eager", action="store_true", help="score in PyTorch")
    arguments = parser.parse_args()
    answers = private_stdout()
    from utad.types import Sample

    detector = load(arguments.model, eager=arguments.eager)
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
        from measuring.timing import gemm

        actions[GEMM] = gemm()
    answer(answers, actions, **facts)


if __name__ == "__main__":
    main()
