"""From a fitted detector to a graph: ONNX through torch.export, OpenVINO through its own reader of PyTorch modules."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from utad.dependencies import require
from utad.export.graph import ExportGraph, MaskRule
from utad.export.graph_io import INPUT, PLACE, boundary_outputs, graph_outputs
from utad.models.upsampling import UpsampledConv
from utad.scoring.network import DetectorNetwork

_MOST = 65_535
"""Most images, rows and columns; below 2^16, positions in `resize` are exact in single precision."""

_EXAMPLE = (2, 50, 70, 3)

_PRECISE = "precise_0"
"""OpenVINO's name for the mark of an operation whose precision is kept."""


def write_onnx(network: DetectorNetwork, path: Path, mask: MaskRule) -> None:
    """Writes the whole detector as one ONNX file, for any number and size of images.

    Args:
        network: fitted.
        path: of the file.
        mask: how the map becomes the mask.
    """
    sizes = {dim: torch.export.Dim(name, min=1, max=_MOST) for dim, name in enumerate(("n", "h", "w"))}
    example = _example(network)
    shapes = (sizes, {0: sizes[0]})[: len(example)]
    program = torch.export.export(ExportGraph(_on_cpu(network), mask).eval(), example, dynamic_shapes=shapes)
    inputs, outputs = list(_inputs(network)), list(_outputs(network))
    exported: Any = torch.onnx.export(program, dynamo=True, input_names=inputs, output_names=outputs, verbose=False)
    assert exported is not None
    exported.save(path)


def to_openvino(network: DetectorNetwork, mask: MaskRule, *, boundaries: bool = False) -> Any:
    """The whole detector as an OpenVINO model, for any number and size of images; nothing of it is rounded.

    Args:
        network: fitted.
        mask: how the map becomes the mask.
        boundaries: as for `ExportGraph`.

    Raises:
        MissingDependencyError: if openvino is not installed.
    """
    openvino = require("openvino")
    # The parts of openvino.convert_model, without its command line's checks, which take twice as long as all else.
    decoding = require("openvino.frontend.pytorch.ts_decoder")
    graph = ExportGraph(_on_cpu(network), mask, boundaries=boundaries).eval()
    example = _example(network)
    with torch.no_grad(), warnings.catch_warnings():
        # Tracing warns of every size that it takes for fixed; parity is what says whether it is right.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(graph, example, check_trace=False)  # type: ignore[no-untyped-call]
        decoder = decoding.TorchScriptPythonDecoder(traced, example_input=example)
    frontend = openvino.frontend.FrontEndManager().load_by_framework("pytorch")
    model = frontend.convert(frontend.load(decoder))
    taken = ((openvino.Type.u8, [-1, -1, -1, 3]), (openvino.Type.i64, [-1]))
    for taker, (element_type, shape) in zip(model.inputs, taken, strict=False):
        taker.get_node().set_element_type(element_type)
        taker.get_node().set_partial_shape(openvino.PartialShape(shape))
    model.validate_nodes_and_infer_types()
    _name(model, network, boundaries=boundaries)
    return model


def keep_single_precision(model: Any) -> None:
    """Marks every operation of an OpenVINO model as one that is not computed in less than single precision.

    A plain `compile_model` computes in bf16 where the CPU has it. OpenVINO's CPU plugin reads no precision from the
    model's own `runtime_options`, and heeds this mark, which is saved with the graph.
    """
    for operation in model.get_ordered_ops():
        operation.get_rt_info()[_PRECISE] = ""


def write_openvino(model: Any, path: Path) -> None:
    """Writes an OpenVINO model to `path`, a `.xml`, and its weights beside it.

    Raises:
        OSError: if that is not possible.
    """
    try:
        require("openvino").save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:  # its writer wraps the operating system's errors
        raise OSError(" ".join(str(error).split())) from error


def _name(model: Any, network: DetectorNetwork, *, boundaries: bool) -> None:
    names = _outputs(network)
    if boundaries:
        names = (*names, *boundary_outputs(len(model.outputs) - len(names)))
    for ports, called in ((model.inputs, _inputs(network)), (model.outputs, names)):
        for port, name in zip(ports, called, strict=True):
            port.get_tensor().set_names({name})


def _example(network: DetectorNetwork) -> tuple[Tensor, ...]:
    """Inputs of the graph, for the tracer."""
    images = torch.zeros(_EXAMPLE, dtype=torch.uint8)
    return (images, torch.zeros(len(images), dtype=torch.long))[: len(_inputs(network))]


def _inputs(network: DetectorNetwork) -> tuple[str, ...]:
    return (INPUT, PLACE) if network.measurement.placed else (INPUT,)


def _outputs(network: DetectorNetwork) -> tuple[str, ...]:
    return graph_outputs(len(network.measurement.component_names), code=network.gives_code)


def _on_cpu(network: DetectorNetwork) -> DetectorNetwork:
    """A copy whose kernels are constants: OpenVINO would compute them when it compiles, and wrongly at times."""
    plain = copy.deepcopy(network).cpu().eval()
    for parent in list(plain.modules()):
        for name, child in parent.named_children():
            if isinstance(child, UpsampledConv):
                setattr(parent, name, child.for_inference())
    return plain.requires_grad_(requires_grad=False)
