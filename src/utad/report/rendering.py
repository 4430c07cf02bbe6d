"""The templates of the pages; what is put into them is text, whatever it holds."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2


def render(template: str, **values: Any) -> str:
    """A page from the template of that name in `utad/report/templates`."""
    return _environment().get_template(template).render(values)


def text(name: str) -> str:
    """A name to be shown; bytes of a file name that are no UTF-8 become escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("utad.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
