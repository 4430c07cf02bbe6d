"""Serves anomalib's OpenVINO inferencer by the route that `utad serve` has: `anomalib_server.py FOLDER`.

Runs in an environment that has anomalib, OpenVINO, FastAPI and uvicorn. PaDiM with ResNet-18 at 256 px as it ships,
with random weights and statistics of its size, is exported to the folder. A compiled model of OpenVINO takes one
request at a time, on all cores.
"""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import PIL.Image
import torch
import uvicorn
from fastapi import FastAPI, UploadFile

from measuring.answering import private_stdout
from measuring.other_libraries_worker import padim, ready, without_weights

MODEL = "PaDiM ResNet-18"


def exported(folder: Path) -> Path:
    """The model as anomalib exports it for OpenVINO."""
    torch.manual_seed(0)
    with without_weights():
        module: Any = ready(padim())
    path: Path = module.to_openvino(folder)
    return path


def application(inferencer: Any) -> FastAPI:
    """`POST /v1/predict` with a form of images, answered in the words of `utad serve`."""
    app, turn = FastAPI(), Lock()

    @app.post("/v1/predict")
    def predict(images: list[UploadFile]) -> dict[str, Any]:
        predictions = []
        for upload in images:
            pixels = np.array(PIL.Image.open(upload.file).convert("RGB"))
            with turn:
                found = inferencer.predict(pixels)
            score, label = float(np.ravel(found.pred_score)[0]), bool(np.ravel(found.pred_label)[0])
            predictions.append({"name": upload.filename, "pred_score": score, "band": "fail" if label else "pass"})
        return {"model": MODEL, "version": 1, "predictions": predictions}

    return app


def main() -> None:
    """Exports, compiles, says its address, and serves until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    said = private_stdout()  # anomalib's export prints
    from anomalib.deploy import OpenVINOInferencer

    path = exported(arguments.folder).absolute()
    os.chdir(arguments.folder)  # it keeps a cache where it stands
    inferencer = OpenVINOInferencer(path, device="CPU")
    inferencer.predict(np.full((300, 300, 3), 128, np.uint8))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        print(f"serving {MODEL} at http://127.0.0.1:{listening.getsockname()[1]}", file=said, flush=True)
        config = uvicorn.Config(application(inferencer), log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
