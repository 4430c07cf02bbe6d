"""The graph beside a model, which scores faster; without it the model scores all the same."""

from __future__ import annotations

import logging
from pathlib import Path

from utad.errors import ExportError, MissingDependencyError, noted
from utad.export.writing import Fitted, export_detector
from utad.run_folder import GRAPH_FORMAT, how_to_write

_LOGGER = logging.getLogger(__name__)


def write_beside(detector: Fitted, model: Path) -> None:
    """Writes the graph of a detector beside its model file; where that is not possible, the log says why.

    Args:
        detector: as it is saved in `model`.
        model: in the folder of a run.

    Raises:
        OutputError: if the folder of the graph holds what is not ours, or cannot be written.
    """
    folder = model.parent / GRAPH_FORMAT
    _LOGGER.info("writing the %s graph beside the model", GRAPH_FORMAT)
    try:
        with noted(lambda: f"{model} is saved, the graph beside it is not: {how_to_write(folder, model)} writes it"):
            export_detector(detector, folder, graph_format=GRAPH_FORMAT, model=model, replace=True)
    except (ExportError, MissingDependencyError) as error:
        _LOGGER.warning("no graph is written beside the model, which is scored by PyTorch then: %s", error)
