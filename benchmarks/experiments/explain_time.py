"""What explaining an image takes beside scoring it: the explanation, the page, and the figure as PNG and SVG.

    PYTHONPATH=benchmarks python benchmarks/experiments/explain_time.py RUN IMAGE [--repeats 20]

Prints milliseconds an image, of this process and of the clock; the first are those to look at on a busy machine.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from utad import UTAD
from utad.interpret.explanation import Explanation
from utad.interpret.explanation_figure import explanation_figure
from utad.report.explanation_page import explanation_page


def milliseconds(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Of the process and of the clock, the mean of some calls after a first one."""
    work()
    process, clock = time.process_time(), time.perf_counter()
    for _ in range(repeats):
        work()
    return 1e3 * (time.process_time() - process) / repeats, 1e3 * (time.perf_counter() - clock) / repeats


def drawn(explanation: Explanation, kind: str) -> bytes:
    """The figure as a file."""
    buffer = io.BytesIO()
    explanation_figure(explanation).savefig(buffer, format=kind)
    return buffer.getvalue()


def main(argv: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args(argv)
    detector, image = UTAD.load(arguments.run), arguments.image
    explanation = detector.explain(image)
    works: dict[str, Callable[[], object]] = {
        "predict": lambda: detector.predict(image),
        "explain": lambda: detector.explain(image),
        "explain, page": lambda: explanation_page(detector.explain(image)),
        "figure, PNG": lambda: drawn(explanation, "png"),
        "figure, SVG": lambda: drawn(explanation, "svg"),
    }
    for name, work in works.items():
        process, clock = milliseconds(work, arguments.repeats)
        print(f"{name:15} {process:7.1f} ms of the process {clock:7.1f} ms of the clock", flush=True)


if __name__ == "__main__":
    main()
