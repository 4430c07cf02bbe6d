"""Traces the way of one image through the code: which file's functions are called, in which order.

    python benchmarks/trace_predict.py RUN IMAGE [--runtime auto torch]

A file is entered when one of its functions is called or one of its generators goes on; returning to a caller is no step
of its own. The aim: fewer than 60 changes of file, and no file that was left is entered again more than twice. One
prediction beforehand imports and compiles everything.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import utad
from utad.evaluation.provenance import commit, machine, versions

PACKAGE = Path(utad.__file__).parent


def files_entered(action: Callable[[], object], package: Path = PACKAGE) -> list[str]:
    """The files of a package in the order in which an action enters them; no two neighbours are equal.

    Args:
        action: runs in this thread alone.
        package: the folder whose files count.
    """
    entered: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(package):
            name = path.relative_to(package).as_posix()
            if entered[-1:] != [name]:
                entered.append(name)

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return entered


def summary(entered: Sequence[str]) -> dict[str, Any]:
    """Changes of file, how often each file is entered again after it was left, and the files in order."""
    returns = {name: count - 1 for name, count in Counter(entered).most_common()}
    return {"changes": len(entered) - 1, "returns": returns, "files": list(entered)}


def main(argv: Sequence[str] | None = None) -> None:
    """Traces, prints and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a run")
    parser.add_argument("image", type=Path, help="a PNG")
    parser.add_argument(
        "--runtime", nargs="+", choices=("auto", "torch", "openvino", "onnx"), default=["auto", "torch"]
    )
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/trace_predict.json"))
    arguments = parser.parse_args(argv)
    document: dict[str, Any] = {"machine": machine(), "versions": versions(), "commit": commit(), "runtimes": {}}
    for runtime in arguments.runtime:
        detector = utad.load_detector(arguments.run, runtime=runtime)
        detector.predict(arguments.image)
        found = summary(files_entered(partial(detector.predict, arguments.image)))
        document["runtimes"][runtime] = found
        print(f"{runtime}: {found['changes']} changes of file\n  {' > '.join(found['files'])}")
        print("  entered again: " + ", ".join(f"{name} {count}" for name, count in found["returns"].items() if count))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
