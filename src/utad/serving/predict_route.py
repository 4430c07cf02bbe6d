"""`POST /v1/predict`: images in, scores, regions and pictures out."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel

from utad.serving.answering import scored, service_of
from utad.serving.messages import Answer, Refusal, Task
from utad.serving.pictures import KINDS
from utad.serving.service import Scores
from utad.serving.uploads import accepted, uploads_of

router = APIRouter()


class RegionBody(BaseModel):
    """A connected part of the mask, in pixels of the image."""

    box: tuple[int, int, int, int]
    area: int
    centroid: tuple[float, float]
    peak: float
    mean: float


class SimilarBody(BaseModel):
    """A normal image of the training; 1 is the distance of two of them taken at random, the thumbnail a JPEG."""

    name: str
    distance: float
    thumbnail: str


class PredictionBody(BaseModel):
    """What is said of one image; where it cannot be read, `error` alone."""

    name: str
    error: str | None = None
    pred_score: float | None = None
    pred_label: bool | None = None
    band: Literal["pass", "review", "fail"] | None = None
    threshold: float | None = None
    fail_threshold: float | None = None
    regions: list[RegionBody] | None = None
    width: int | None = None
    height: int | None = None
    aligned: bool | None = None
    pictures: dict[str, str] | None = None
    outlines: dict[str, str] | None = None
    similar: list[SimilarBody] | None = None


class PredictBody(BaseModel):
    """The answer: every image in the order in which it was sent, all by one version of one model."""

    model: str
    version: int
    predictions: list[PredictionBody]


_FILE = {"type": "string", "format": "binary"}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"images": {"type": "array", "items": _FILE}}}
            },
            "image/*": {"schema": _FILE},
            "application/octet-stream": {"schema": _FILE},
        },
    }
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "No image, a damaged form, or an unknown kind of picture."},
    404: {"description": "No such model."},
    413: {"description": "Too many bytes or images."},
    422: {"description": "None of the images can be read; the body says why of each."},
    503: {"description": "No room, a deadline that passed, or a worker that was lost: again after Retry-After."},
}


@router.post(
    "/v1/predict", response_model_exclude_none=True, openapi_extra=BODY, responses=_REFUSALS, summary="Score images"
)
async def predict(
    request: Request,
    response: Response,
    model: Annotated[str | None, Query(description="Name of the model; needed where there are several.")] = None,
    save: Annotated[str, Query(description=f"PNG pictures in base64, comma-separated: {', '.join(KINDS)}.")] = "",
    longest: Annotated[
        int | None, Query(description="Longer side of these pictures, at most, in pixels.", ge=16, le=65536)
    ] = None,
    outlines: Annotated[
        bool, Query(description="The outlines of the mask, and of a region of interest, as paths of an SVG.")
    ] = False,
    similar: Annotated[
        int,
        Query(
            description="Normal images that look most like it, the nearest first; none where the model keeps none.",
            ge=0,
            le=20,
        ),
    ] = 0,
) -> PredictBody:
    """Scores the files of a form, or one image as the whole body. Nothing that is sent is kept.

    An image that cannot be read has an `error` in its place; the others are scored.
    """
    service = service_of(request)
    kinds = _kinds(save)
    service.model(model)
    async with accepted(request, service) as pieces:
        uploads = await uploads_of(request, pieces, service)
        tasks = [
            Task(upload.name, upload.content, kinds, longest=longest, outlines=outlines, similar=similar)
            for upload in uploads
        ]
        scores = await scored(request, service, model, tasks)
    if all(isinstance(result, Refusal) for result in scores.results):
        response.status_code = 422
    return _body(scores, [upload.name for upload in uploads])


def _kinds(save: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(part.strip() for part in save.split(",") if part.strip()))
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise HTTPException(400, f"save={unknown[0][:80]!r} is unknown: choose from {', '.join(KINDS)}")
    return kinds


def _body(scores: Scores, names: list[str]) -> PredictBody:
    predictions = [_one(name, result) for name, result in zip(names, scores.results, strict=True)]
    return PredictBody(model=scores.model.name, version=scores.model.version, predictions=predictions)


def _one(name: str, result: Answer | Refusal) -> PredictionBody:
    if isinstance(result, Refusal):
        return PredictionBody(name=name, error=result.message)
    return PredictionBody(
        name=name,
        pred_score=result.pred_score,
        pred_label=result.pred_label,
        band=result.band,
        threshold=result.threshold,
        fail_threshold=result.fail_threshold,
        regions=[RegionBody(**region) for region in result.regions],
        width=result.width,
        height=result.height,
        aligned=result.aligned,
        pictures={kind: base64.b64encode(png).decode() for kind, png in result.pictures.items()} or None,
        outlines=result.outlines or None,
        similar=[
            SimilarBody(name=one.name, distance=one.distance, thumbnail=base64.b64encode(one.jpeg).decode())
            for one in result.similar
        ]
        or None,
    )
