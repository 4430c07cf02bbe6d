"""The bodies of requests: in memory, within limits of size and time, and never in a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import HTTPException, Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from utad.errors import UnavailableError
from utad.serving.service import Service

CLIENT_GONE = 499
"""The status of an answer that nobody reads; it is counted."""

_LONGEST_NAME = 255
_MOST_FIELDS = 16


@dataclass(frozen=True)
class Upload:
    """One image file of a request.

    Attributes:
        name: as the client has it, cut to 255 characters; no path is ever made of it.
        content: of the file.
    """

    name: str
    content: bytes


class _InMemory(MultiPartParser):
    """Never writes what is uploaded to a temporary file: the body as a whole is bounded."""

    spool_max_size = 2**62


@asynccontextmanager
async def accepted(request: Request, service: Service) -> AsyncIterator[AsyncGenerator[bytes, None]]:
    """Accepts a request, or refuses it before its body is read; gives the body in pieces, and counts its bytes.

    Raises:
        HTTPException: 413 as soon as the body is larger than it may be, 408 where it takes too long to arrive.
        UnavailableError: if there is no room.
    """
    service.admit()
    most = service.settings.max_bytes
    too_large = HTTPException(413, f"the body is larger than {most:,} bytes: send fewer or smaller images")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise too_large
    held = 0

    async def pieces() -> AsyncGenerator[bytes, None]:
        nonlocal held
        async for piece in _received(request):
            held += len(piece)
            service.held_bytes += len(piece)
            if held > most:
                raise too_large
            if service.held_bytes > service.settings.max_held_bytes:
                raise UnavailableError("the requests being received fill the memory set aside for them: send it later")
            yield piece

    service.begin()
    try:
        yield pieces()
    finally:
        service.held_bytes -= held
        service.end()


async def body_of(pieces: AsyncGenerator[bytes, None], seconds: float) -> bytes:
    """The whole body.

    Raises:
        HTTPException: as `accepted`.
    """
    async with _in_time(seconds):
        return b"".join([piece async for piece in pieces])


async def uploads_of(request: Request, pieces: AsyncGenerator[bytes, None], service: Service) -> list[Upload]:
    """The images of a request: the files of a form, or one image as the whole body.

    Raises:
        HTTPException: 400 if there is none, or the form is damaged; 413 if there are too many; or as `accepted`.
    """
    settings = service.settings
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        content = await body_of(pieces, settings.upload_seconds)
        if not content:
            raise HTTPException(400, "got an empty body, expected an image file, or a form with image files")
        return [Upload("image", content)]
    parser = _InMemory(request.headers, pieces, max_files=settings.max_files, max_fields=_MOST_FIELDS)
    try:
        async with _in_time(settings.upload_seconds):
            form = await parser.parse()
    except MultiPartException as error:
        status = 413 if error.message.startswith("Too many files") else 400
        raise HTTPException(status, f"{error.message} (at most {settings.max_files} images)") from None
    try:
        files = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
        found = [Upload((file.filename or "image")[:_LONGEST_NAME], await file.read()) for file in files]
    finally:
        await form.close()
    if not found:
        raise HTTPException(400, "got a form without a file, expected at least one image file")
    return found


async def _received(request: Request) -> AsyncGenerator[bytes, None]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise HTTPException(CLIENT_GONE, "the client is gone") from None


@asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {seconds:g} s: send it again") from None
