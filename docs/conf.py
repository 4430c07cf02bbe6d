"""Settings of Sphinx for `make docs` (docs/adr/0036)."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent))  # the extensions of this folder
sys.path.insert(0, str(ROOT / "src"))

import utad  # noqa: E402

project = "utad"
author = "The utad developers"
project_copyright = "2026, The utad developers"
version = release = utad.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "formulas",
]

# Headings can be linked to as on a code host: page.md#some-heading.
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]

# Docstrings write `name` for code.
default_role = "code"
napoleon_use_rtype = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries_show_parents = "hide"
maximum_signature_line_length = 100

# What a page links to ({py:obj}, {py:func}) has to be there. Annotations and `Raises` name other classes too.
nitpicky = True
nitpick_ignore_regex = [(r"py:(class|data|exc)", r".*")]

html_theme = "furo"
html_title = f"utad {version}"
html_copy_source = False
html_show_sourcelink = False
html_domain_indices = False
# Excerpts of what the search finds are fetched page by page, which a browser refuses to a page opened from disk.
html_show_search_summary = False


def keep_underscores(app: Sphinx, kind: str, name: str, of: object, options: object, lines: list[str]) -> None:
    """Of attributes such as `report_`: reStructuredText takes the underscore for a link."""
    del app, kind, name, of, options
    lines[:] = [re.sub(r"^:ivar (\w+)_:", r":ivar \1\\_:", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", keep_underscores, priority=600)  # after napoleon
