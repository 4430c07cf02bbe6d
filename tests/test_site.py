from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
PROBLEMS = runpy.run_path(str(DOCS / "check_site.py"))["problems"]

START = """# Start

The [other page](other.md#a-heading) has the word.

$$e = \\sum_l \\lambda_l \\phi_l(x, \\hat{x})$$

```{toctree}
other
```
"""
OTHER = """# Other

## A heading

A hippogriff, and {py:obj}`utad.errors.ConfigError`.

```{eval-rst}
.. autoexception:: utad.errors.ConfigError
```
"""


def build(folder: Path, **pages: str) -> subprocess.CompletedProcess[str]:
    """A small site with the settings of the real one: Markdown pages by name, to `folder / "site"`."""
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    for name in ("conf.py", "formulas.py"):
        shutil.copy(DOCS / name, folder)
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--builder", "html"]
    return subprocess.run([*command, str(folder), str(folder / "site")], capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    done = build(folder, index=START, other=OTHER)
    assert done.returncode == 0, done.stderr
    return folder / "site"


def test_links_lead_somewhere_and_nothing_is_loaded_from_another_host(site):
    assert PROBLEMS(site) == []


def test_formulas_are_mathml(site):
    page = (site / "index.html").read_text(encoding="utf-8")
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">' in page
    assert "\\lambda" not in page


def test_a_link_to_what_is_not_there_is_an_error(tmp_path):
    done = build(tmp_path, index=START, other=OTHER.replace("{py:obj}`utad.errors.", "{py:obj}`utad.mistakes."))
    assert done.returncode != 0
    assert "utad.mistakes.ConfigError" in done.stderr


def test_the_search_finds_a_page_that_is_opened_from_disk(site):
    browsers = pytest.importorskip("tests.browsers", reason="playwright is not installed")
    if browsers.CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    asked, errors = [], []
    with browsers.chromium() as browser:
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((site / "index.html").as_uri())
        page.locator("input[name=q]").first.fill("hippogriff")
        page.keyboard.press("Enter")
        found = page.locator("#search-results li a").first
        found.wait_for()
        assert found.inner_text() == "Other"
        found.click()
        page.wait_for_url("**/other.html*")
    assert errors == []
    assert {url.partition("://")[0] for url in asked} == {"file"}
