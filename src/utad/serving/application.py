"""The HTTP application: routes, errors, and what every request passes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from utad import __version__
from utad.errors import ModelFileError, OutputError, UnavailableError, UTADError
from utad.serving import feedback_route, model_routes, open_inference, page_route, predict_route
from utad.serving.answering import service_of
from utad.serving.docs_page import docs_page
from utad.serving.feedback import Feedback
from utad.serving.metrics import Measured
from utad.serving.safety import AccessPolicy, Guard
from utad.serving.service import Service, UnknownModelError

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_router = APIRouter()


def create_app(
    service: Service,
    policy: AccessPolicy,
    *,
    feedback: Feedback | None = None,
    on_start: Callable[[], None] | None = None,
) -> FastAPI:
    """The application around a service, which begins and ends with it.

    Args:
        service: not started yet.
        policy: who may ask.
        feedback: keeps what people say of results; None where nothing is kept.
        on_start: called once the workers are being started.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        if on_start is not None:
            on_start()
        try:
            yield
        finally:
            service.stop()

    app = FastAPI(
        title="utad",
        version=__version__,
        description="Finds defects in images and shows why.",
        lifespan=lifespan,
        # Their pages load scripts from elsewhere; ours has none.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.state.feedback = feedback
    app.state.needs_token = policy.needs_token
    routers = (predict_route, model_routes, feedback_route, open_inference, page_route)
    for router in (*(module.router for module in routers), _router):
        app.include_router(router)
    app.add_exception_handler(UTADError, _failed)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_middleware(Guard, policy=policy)
    app.add_middleware(Measured, metrics=service.metrics)
    return app


@_router.get("/metrics", summary="Metrics for Prometheus")
def metrics(request: Request) -> Response:  # in a thread: drift takes longer than other requests should wait
    """Requests, latency, queue, batches, scores, and the drift of scores and features."""
    return Response(service_of(request).metrics.text(), media_type=_METRICS_TYPE)


@_router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """This interface for people."""
    return docs_page(request.app.openapi())


async def _failed(_: Request, error: Exception) -> Response:
    if isinstance(error, UnavailableError):
        return JSONResponse({"error": str(error)}, 503, {"retry-after": str(error.retry_after)})
    statuses = ((UnknownModelError, 404), (ModelFileError, 409), (OutputError, 507))
    status = next((status for kind, status in statuses if isinstance(error, kind)), 400)
    return JSONResponse({"error": str(error)}, status)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code in (408, 413):
        headers["connection"] = "close"  # The rest of the body is not read.
    return JSONResponse({"error": str(error.detail)}, error.status_code, headers)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return JSONResponse({"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}, 400)
