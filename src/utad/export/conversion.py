"""From a fitted detector to a graph file: torch.export, then ONNX, and OpenVINO from the same ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from utad.export.dependencies import require
from utad.export.graph import ExportGraph
from utad.export.ports import INPUT, OUTPUTS, inner_outputs
from utad.scoring.network import DetectorNetwork, build_network

_MOST = 65_535
"""Images, rows and columns at the most; below 2^16, positions in `resize` are exact in single precision."""


def write_onnx(network: DetectorNetwork, path: Path, *, boundaries: bool = False) -> None:
    """Writes the whole detector as one ONNX file, for any number and size of images.

    Args:
        network: fitted.
        path: of the file.
        boundaries: as for `ExportGraph`.
    """
    images = torch.zeros(2, 50, 70, 3, dtype=torch.uint8)
    sizes = {dim: torch.export.Dim(name, min=1, max=_MOST) for dim, name in enumerate(("n", "h", "w"))}
    graph = ExportGraph(_plain(network), boundaries=boundaries).eval()
    program = torch.export.export(graph, (images,), dynamic_shapes=(sizes,))
    further = len(program.graph_signature.user_outputs) - len(OUTPUTS)
    exported: Any = torch.onnx.export(
        program,
        dynamo=True,
        input_names=[INPUT],
        output_names=[*OUTPUTS, *inner_outputs(further)],
        verbose=False,
    )
    assert exported is not None
    exported.save(path)


def read_as_openvino(onnx_path: Path) -> Any:
    """The ONNX graph as an OpenVINO model; nothing of it is rounded.

    Raises:
        MissingDependencyError: if openvino is not installed.
    """
    return require("openvino", "openvino").Core().read_model(onnx_path)


def write_openvino(model: Any, path: Path) -> None:
    """Writes an OpenVINO model to `path`, a `.xml`, and its weights beside it.

    Raises:
        OSError: if that is not possible.
    """
    try:
        require("openvino", "openvino").save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:  # its writer wraps the operating system's errors
        raise OSError(" ".join(str(error).split())) from error


def _plain(network: DetectorNetwork) -> DetectorNetwork:
    """A copy on the CPU whose tensors are ordinary ones: those that fitting made in inference mode cannot be traced."""
    copy = build_network(network.config, network.channels, pretrained=False)
    copy.load_state_dict({name: tensor.detach().cpu() for name, tensor in network.state_dict().items()})
    return copy.eval().requires_grad_(requires_grad=False).for_export()
