"""`utad export`: the detector for ONNX Runtime or OpenVINO."""

from __future__ import annotations

import logging
from pathlib import Path
from shlex import quote
from typing import Annotated, Literal

import typer

from utad.cli.options import Json, Layout, print_json, say, start_logging

_log = logging.getLogger(__name__)


def export(
    model: Annotated[Path, typer.Argument(help="A model file, or the folder of a run.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(help="Folder to write to, new or empty, or that of the graph beside MODEL.", show_default=False),
    ],
    graph_format: Annotated[
        Literal["onnx", "openvino"], typer.Option("--format", help="Runtime to export for.", show_default=False)
    ],
    precision: Annotated[
        Literal["fp32", "bf16", "int8"], typer.Option(help="bf16 and int8 with openvino alone.")
    ] = "fp32",
    normal: Annotated[
        Path | None,
        typer.Option(help="Folder of normal images: to compare on, and needed for int8.", show_default=False),
    ] = None,
    layout: Layout = None,
    as_json: Json = False,
) -> None:
    """Write MODEL as a folder that predict and evaluate accept as MODEL, and that needs no PyTorch."""
    start_logging()
    from utad.detector import UTAD
    from utad.export.parity import SCORE_SCALE
    from utad.export.writing import check_precision, export_detector
    from utad.inputs import all_normal_samples
    from utad.overlap import refuse_overlap
    from utad.run_folder import find_model

    refuse_overlap(output, [normal] if normal is not None else [])
    check_precision(graph_format, precision, has_images=normal is not None)
    detector = UTAD.load(model)
    model = find_model(model)
    samples = all_normal_samples(str(normal.resolve()), layout=layout) if normal is not None else ()
    _log.info("writing the %s graph and comparing it with the model, a minute or more", graph_format)
    manifest = export_detector(
        detector,
        output,
        graph_format=graph_format,
        precision=precision,
        normal=samples,
        model=model,
        replace=output.resolve() == model.parent.resolve() / graph_format,
    )
    parity = manifest.parity
    if as_json:
        print_json({"output": str(output), "format": graph_format, "precision": precision, "parity": parity})
    say(
        f"{graph_format} {precision} on {parity['images']}, compared with the model:\n"
        f"  largest difference of scores   {parity['score']:.2g} (relative to the score, or to {SCORE_SCALE})\n"
        f"  median difference of scores    {parity['score_median']:.2g}\n"
        f"  largest difference of maps     {parity['anomaly_map']:.2g}\n"
        f"  labels flipped                 {parity['labels_flipped']} of {parity['n_images']}\n"
        f"next: utad predict {quote(str(output))} IMAGES --output predictions",
        as_json=as_json,
    )
