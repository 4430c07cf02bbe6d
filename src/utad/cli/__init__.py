"""The command line: a thin client of the library, one file per command.

A `UTADError` prints one line and exits with 1, a usage error with 2, Ctrl-C with 130, SIGTERM with 143. Commands import
what they need when they run, so that `utad --help` answers at once; if that is a package of an extra that is not
installed, the line names the extra.
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
    from utad.cli.stopping import ignore_signals, stop_behind, stop_on_signals
    from utad.dependencies import extras_named
    from utad.errors import UTADError

    stop_on_signals()
    try:
        from utad.cli.app import app

        with extras_named():
            app(standalone_mode=True)
    except BrokenPipeError:
        sys.exit(1)
    except BaseException as error:
        stop = stop_behind(error)
        if stop is not None:
            ignore_signals()
            print(f"stopped: {stop.advice}", file=sys.stderr)
            sys.exit(stop.exit_code)
        if not isinstance(error, UTADError):
            raise
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
