"""`/`: the page for people, which asks the interface that programs ask."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from utad import __version__
from utad.data.reading import IMAGE_SUFFIXES
from utad.report.rendering import render
from utad.serving.answering import service_of
from utad.serving.page_files import page_files, tag_of

router = APIRouter(include_in_schema=False)

_POLICY = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    "script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing from elsewhere, nothing inline; a string never becomes HTML. `blob:` are images that the page was given."""


@router.get("/")
async def page(request: Request) -> Response:
    """The page; it holds no data of the models."""
    content = render(
        "serve.html",
        version=__version__,
        endings=",".join(IMAGE_SUFFIXES),
        max_bytes=service_of(request).settings.max_bytes,
        needs_token=request.app.state.needs_token,
        feedback=request.app.state.feedback is not None,
    ).encode()
    answer = _sent(request, content, "text/html; charset=utf-8", tag_of(content))
    answer.headers["content-security-policy"] = _POLICY
    return answer


@router.get("/page/{name}")
async def page_file(request: Request, name: str) -> Response:
    """A script, a style or a picture of the page."""
    file = page_files().get(name)
    if file is None:
        raise HTTPException(404, "the page has no such file")
    return _sent(request, file.content, file.media_type, file.tag)


def _sent(request: Request, content: bytes, media_type: str, tag: str) -> Response:
    """The content, or that the browser has it already: it asks every time, so that an update is seen at once."""
    headers = {"etag": tag, "cache-control": "no-cache"}
    if tag in (part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
