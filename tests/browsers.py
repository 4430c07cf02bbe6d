"""A headless Chromium, and what axe-core finds in a page of it; importing this skips a module without playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

AXE = os.environ.get("UTAD_TEST_AXE")
"""Where axe.min.js of axe-core lies, if it is there."""

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
needs_axe = pytest.mark.skipif(AXE is None, reason="UTAD_TEST_AXE does not say where axe.min.js lies")


@contextmanager
def chromium(*arguments: str) -> Iterator[object]:
    """A browser, with further arguments of its command line."""
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *arguments])
        yield running
        running.close()


def serious_faults(page) -> list[str]:
    """What axe-core calls serious or critical in the state that a page is in."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Path(AXE).read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{fault['id']}: {fault['nodes'][0]['html']}" for fault in found if fault["impact"] in ("serious", "critical")
    ]
