"""`/docs`: the interface as a plain page, without a script and without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from fastapi.responses import HTMLResponse

from utad.report.rendering import render

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
    "code{background:#8882;padding:.1em .3em}table{border-collapse:collapse}"
    "td,th{border:1px solid #8886;padding:.3rem .6rem;text-align:left;vertical-align:top}"
)
_POLICY = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"
    f"{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)


def docs_page(schema: Mapping[str, Any]) -> HTMLResponse:
    """The page of an OpenAPI schema.

    Args:
        schema: as FastAPI gives it.
    """
    page = render("api.html", info=schema["info"], paths=schema["paths"], style=_STYLE)
    return HTMLResponse(page, headers={"content-security-policy": _POLICY})
