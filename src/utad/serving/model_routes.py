"""`/v1/models`: what is served, and exchanging it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from utad.serving.answering import service_of
from utad.serving.registry import ServedModel

router = APIRouter()

_MOST_SCORES = 2000
"""Of normal images, in one answer."""


class ModelBody(BaseModel):
    """A model that is served."""

    name: str
    version: int
    format: str
    precision: str
    size: int
    threshold: float
    fail_threshold: float | None
    normal_scores: int


class CalibrationBody(BaseModel):
    """What the thresholds of a model rest on.

    `normal_scores` ascend; of more than 2,000 as many are given, evenly from all `count` of them. `alone` tells of an
    export that stands alone: its normalisation lies inside its graph.
    """

    model: str
    version: int
    threshold: float
    fail_threshold: float
    count: int
    normal_scores: list[float]
    alone: bool


class ModelsBody(BaseModel):
    """All of them."""

    models: list[ModelBody]


@router.get("/v1/models", summary="The models that are served")
async def models(request: Request) -> ModelsBody:
    """Names, versions and thresholds."""
    served = service_of(request).models
    return ModelsBody(models=[_body(served[name]) for name in sorted(served)])


@router.get(
    "/v1/models/{name}/calibration",
    summary="The scores of the normal images that set the thresholds of a model",
    responses={404: {"description": "No such model."}},
)
async def calibration(request: Request, name: str) -> CalibrationBody:
    """What share of normal images another threshold would flag can be read off them."""
    model = service_of(request).model(name)
    manifest = model.manifest
    scores = manifest.normal_scores
    kept = min(len(scores), _MOST_SCORES)
    return CalibrationBody(
        model=model.name,
        version=model.version,
        threshold=manifest.threshold,
        fail_threshold=max(manifest.threshold, manifest.fail_threshold or manifest.threshold),
        count=len(scores),
        normal_scores=[scores[(2 * index + 1) * len(scores) // (2 * kept)] for index in range(kept)],
        alone=manifest.model is None,
    )


@router.post(
    "/v1/models/{name}/reload",
    summary="Exchange a model for what lies at its path now",
    responses={404: {"description": "No such model."}, 409: {"description": "The new model is bad; the old goes on."}},
)
async def reload(request: Request, name: str) -> ModelBody:
    """Under load: each request is answered by the old model or by the new one, and none is lost."""
    return _body(await service_of(request).reload(name))


def _body(model: ServedModel) -> ModelBody:
    manifest = model.manifest
    return ModelBody(
        name=model.name,
        version=model.version,
        format=manifest.format,
        precision=manifest.precision,
        size=manifest.size,
        threshold=manifest.threshold,
        fail_threshold=manifest.fail_threshold,
        normal_scores=len(manifest.normal_scores),
    )
