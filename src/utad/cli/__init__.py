"""The command line: a thin client of the library, one file per command.

A `UTADError` prints one line and exits with 1, a usage error with 2. Commands import what they need when they
run, so that `utad --help` answers at once.
"""

from __future__ import annotations

import os
import sys

SPIN_COUNT = "1000"
"""How often a waiting OpenMP thread looks before it sleeps. With GNU OpenMP's own 300,000 it keeps a core busy that the
others need, where further processes compute (docs/experiments/speed.md)."""


def main() -> None:
    """Entry point of the command `utad`."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)  # read when torch is imported
    from utad.cli.app import app
    from utad.errors import UTADError

    try:
        app(standalone_mode=True)
    except UTADError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; utad train --resume goes on from the last checkpoint", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
