"""`POST /v1/feedback`: marks a result as wrong, where the server keeps that."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel

from utad.serving.answering import scored, service_of
from utad.serving.feedback import Feedback, Label
from utad.serving.messages import Refusal, Task
from utad.serving.predict_route import BODY
from utad.serving.uploads import accepted, uploads_of

router = APIRouter()


class FeedbackBody(BaseModel):
    """Where the image is kept, below the folder of `--feedback`; `new` is false for a mark that was there before."""

    file: str
    new: bool


_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "Not one image, or an unknown label."},
    404: {"description": "The server keeps no feedback, or no such model."},
    413: {"description": "Too many bytes."},
    422: {"description": "The image cannot be read; it is not kept."},
    503: {"description": "As for /v1/predict."},
    507: {"description": "No room: the limit of the folder is reached, or the disk is full."},
}


@router.post("/v1/feedback", openapi_extra=BODY, responses=_REFUSALS, summary="Mark the result of an image as wrong")
async def feedback(
    request: Request,
    label: Annotated[Label, Query(description="What the image should have been called.")],
    model: Annotated[str | None, Query(description="Name of the model; needed where there are several.")] = None,
) -> FeedbackBody:
    """Keeps the image, and the score that the model gives it, on the server: only where it was started with --feedback.

    Metrics and drift do not count it once more.
    """
    store: Feedback | None = request.app.state.feedback
    service = service_of(request)
    service.model(model)
    if store is None:
        raise HTTPException(404, "this server keeps no feedback; utad serve --feedback DIR starts one that does")
    async with accepted(request, service) as pieces:
        uploads = await uploads_of(request, pieces, service)
        if len(uploads) != 1:
            raise HTTPException(400, f"got {len(uploads)} images, expected one")
        # Scored again: what the client says of score and file is not believed.
        scores = await scored(request, service, model, [Task(uploads[0].name, uploads[0].content)], counted=False)
        (result,) = scores.results
        if isinstance(result, Refusal):
            raise HTTPException(422, result.message)
        about = {
            "name": uploads[0].name,
            "model": scores.model.name,
            "version": scores.model.version,
            "pred_score": result.pred_score,
            "pred_label": result.pred_label,
            "threshold": result.threshold,
        }
        file, new = await asyncio.to_thread(store.keep, uploads[0].content, label, about)
    return FeedbackBody(file=file, new=new)
