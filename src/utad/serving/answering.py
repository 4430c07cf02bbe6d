"""From a service to a route: waits for an answer as long as the client does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fastapi import HTTPException, Request

from utad.serving.messages import Task
from utad.serving.service import Scores, Service
from utad.serving.uploads import CLIENT_GONE


def service_of(request: Request) -> Service:
    """The service behind the application."""
    service: Service = request.app.state.service
    return service


async def scored(
    request: Request, service: Service, model: str | None, tasks: Sequence[Task], *, counted: bool = True
) -> Scores:
    """The scores; what no worker has begun is given up when the client goes.

    Raises:
        HTTPException: 499 if the client is gone, which nobody reads.
        UTADError: as `Service.score`.
    """
    scoring = asyncio.ensure_future(service.score(model, tasks, counted=counted))
    gone = asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait({scoring, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not scoring.done():
            raise HTTPException(CLIENT_GONE, "the client is gone")
        return scoring.result()
    finally:
        scoring.cancel()
        gone.cancel()
        await asyncio.gather(scoring, gone, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    """Ends when the connection does; the body has been read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
