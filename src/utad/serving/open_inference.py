"""The Open Inference Protocol, version 2, which Triton, KServe and their clients speak: `/v2/...`."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from numpy.typing import NDArray

from utad import __version__
from utad.errors import InputError
from utad.serving.answering import scored, service_of
from utad.serving.messages import Answer, Task
from utad.serving.pictures import ARRAYS
from utad.serving.registry import ServedModel
from utad.serving.service import Scores, UnknownModelError
from utad.serving.tensors import DATATYPES, INPUT, InferRequest, parse_request, write_response
from utad.serving.uploads import accepted, body_of

router = APIRouter(prefix="/v2")

_LENGTH = "Inference-Header-Content-Length"


@router.get("", summary="About the server")
async def server() -> dict[str, Any]:
    """Name, version and extensions of the protocol."""
    return {"name": "utad", "version": __version__, "extensions": ["binary_tensor_data"]}


@router.get("/health/live", summary="Whether the server answers")
async def live() -> dict[str, bool]:
    """Always, as long as the process is well."""
    return {"live": True}


@router.get("/health/ready", summary="Whether requests are taken", responses={503: {"description": "Not now."}})
async def ready(request: Request) -> Response:
    """From the first warm-up inference on, until the server is asked to end."""
    is_ready = service_of(request).ready
    return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)


@router.get("/models/{name}", summary="About a model")
@router.get("/models/{name}/versions/{version}", summary="About a version of a model")
async def model(request: Request, name: str, version: str | None = None) -> dict[str, Any]:
    """Its input and its outputs."""
    found = _model(request, name, version)
    picture = [-1, -1, -1]
    shapes = {output: picture for output in ("anomaly_map", "pred_mask")}
    shapes |= {output: [*picture, 3] for output in ARRAYS if output not in shapes}
    return {
        "name": found.name,
        "versions": [str(found.version)],
        "platform": f"utad_{found.manifest.format}",
        "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [*picture, 3]}],
        "outputs": [
            {"name": output, "datatype": datatype, "shape": shapes.get(output, [-1])}
            for output, datatype in DATATYPES.items()
        ],
    }


@router.get("/models/{name}/ready", summary="Whether a model takes requests")
@router.get("/models/{name}/versions/{version}/ready", summary="Whether a version of a model takes requests")
async def model_ready(request: Request, name: str, version: str | None = None) -> Response:
    """As the server as a whole: workers hold all models."""
    _model(request, name, version)
    return await ready(request)


@router.post("/models/{name}/infer", summary="Score a tensor of images")
@router.post("/models/{name}/versions/{version}/infer", summary="Score a tensor of images with a version of a model")
async def infer(request: Request, name: str, version: str | None = None) -> Response:
    """The input `image` is `(N, H, W, 3)` UINT8, RGB; without `outputs` there is one value of each kind per image."""
    _model(request, name, version)
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415, "the body is compressed, which is not accepted")
    service = service_of(request)
    async with accepted(request, service) as pieces:
        body = await body_of(pieces, service.settings.upload_seconds)
        # In a thread: a body of JSON can take a second, in which others want to be answered.
        asked = await asyncio.to_thread(parse_request, body, _header_length(request))
        if len(asked.images) > service.settings.max_files:
            raise HTTPException(413, f"got {len(asked.images)} images, at most {service.settings.max_files} are taken")
        arrays = tuple(output for output in asked.outputs if output in ARRAYS)
        tasks = [Task(f"image {index}", image, arrays=arrays) for index, image in enumerate(asked.images)]
        scores = await scored(request, service, name, tasks)
    content, length = await asyncio.to_thread(_response, asked, scores)
    if length is None:
        return Response(content, media_type="application/json")
    return Response(content, media_type="application/octet-stream", headers={_LENGTH: str(length)})


def _model(request: Request, name: str, version: str | None) -> ServedModel:
    found = service_of(request).model(name)
    if version is not None and version != str(found.version):
        raise UnknownModelError(f"{name} is served in version {found.version}, got {version[:20]!r}")
    return found


def _header_length(request: Request) -> int | None:
    text = request.headers.get(_LENGTH)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise InputError(f"got {_LENGTH} {text[:20]!r}, expected a number of bytes")
    return int(text)


def _response(asked: InferRequest, scores: Scores) -> tuple[bytes, int | None]:
    """The body of the answer.

    Raises:
        InputError: if an image has no score; the protocol knows no answer for some of them.
    """
    answers = [result for result in scores.results if isinstance(result, Answer)]
    refused = [result.message for result in scores.results if not isinstance(result, Answer)]
    if refused:
        raise InputError("; ".join(refused))
    head = {"model_name": scores.model.name, "model_version": str(scores.model.version)}
    if asked.id is not None:
        head["id"] = asked.id
    return write_response(head, {name: _tensor(name, answers) for name in asked.outputs}, asked.outputs)


def _tensor(name: str, answers: list[Answer]) -> NDArray[Any]:
    if name in ARRAYS:
        return np.stack([answer.arrays[name] for answer in answers]).astype(ARRAYS[name], copy=False)
    values = [getattr(answer, name) for answer in answers]
    return np.asarray(values, {"FP64": np.float64, "BOOL": np.bool_, "BYTES": object}[DATATYPES[name]])
