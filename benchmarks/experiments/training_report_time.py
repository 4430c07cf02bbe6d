"""What the report of a training takes beside the training: snapshots and records on the way, the page in the end.

    PYTHONPATH=benchmarks python benchmarks/experiments/training_report_time.py [--set SECTION.KEY=VALUE ...]

Trains on brick with short stages of 50 steps, which have all their snapshots, and prints seconds of the process and of
the clock. Neither hangs on the length of a training, but for reading `metrics.csv`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

from utad import UTAD
from utad.data import open_category
from utad.report.training_page import training_page
from utad.training import fit
from utad.training.snapshots import Snapshots

SHORT = tuple(f"{stage}_training.steps=50" for stage in ("ie", "expert", "feature"))


def timed(work: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    """The same function; the seconds of each call, of the process and of the clock, are added to `spent`."""

    def calling(*arguments: Any, **named: Any) -> Any:
        process, clock = time.process_time(), time.perf_counter()
        try:
            return work(*arguments, **named)
        finally:
            spent[0] += time.process_time() - process
            spent[1] += time.perf_counter() - clock

    return calling


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, and prints what the parts took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="SECTION.KEY=VALUE")
    settings = [*SHORT, "feature_training.examples=100", *parser.parse_args(argv).settings]
    spent = {part: [0.0, 0.0] for part in ("snapshots", "records", "page")}
    setattr(Snapshots, "on_train_batch_end", timed(Snapshots.on_train_batch_end, spent["snapshots"]))  # noqa: B010
    vars(fit)["stage_record"] = timed(vars(fit)["stage_record"], spent["records"])
    report = UTAD(overrides=settings).fit(open_category("brick", seed=0)).report_
    assert report is not None
    page = timed(training_page, spent["page"])(report)
    for part, (process, clock) in spent.items():
        print(f"{part:10} {process:6.2f} s of the process {clock:6.2f} s of the clock", flush=True)
    print(f"the page has {len(page) / 1e6:.2f} MB, the training took {report.seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
