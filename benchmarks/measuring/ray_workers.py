"""Which processes hold the graph in a Ray that a given process has started; Linux alone."""

from __future__ import annotations

from pathlib import Path


def workers_below(ancestor: int) -> list[int]:
    """Ids of the processes with a graph, descended from `ancestor`: those of another Ray are not among them."""
    return [process for process in processes_below(ancestor) if _holds_a_graph(process)]


def processes_below(ancestor: int) -> list[int]:
    """Ids of all processes descended from `ancestor`."""
    processes = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [process for process in processes if ancestor in _ancestors(process)]


def _holds_a_graph(process: int) -> bool:
    try:
        title = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False
    return b"ray::" in title and b"GraphWorker" in title


def _ancestors(process: int) -> list[int]:
    ancestors = []
    while process > 1:
        try:
            status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            break
        # Behind the name, which stands in brackets and may hold anything.
        process = int(status.rpartition(")")[2].split()[1])
        ancestors.append(process)
    return ancestors
