from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "docs" / "check_site.py"
PROBLEMS = runpy.run_path(str(SCRIPT))["problems"]

START = '<h1 id="top">a</h1><a href="sub/b.html#here">b</a><a href="#top">up</a><a href="https://example.org/">far</a>'


@pytest.fixture
def site(tmp_path):
    """Two pages with every link as it should be."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(f'{START}<img src="a%20b.png"><img src="data:image/png;base64,AA">')
    (tmp_path / "sub" / "b.html").write_text('<p id="here"></p><a href="../a.html">a</a>')
    (tmp_path / "a b.png").write_bytes(b"")
    (tmp_path / "own.css").write_text("p { background: url(a.png) }")
    return tmp_path


def test_a_site_whose_links_lead_somewhere_has_no_problems(site):
    assert PROBLEMS(site) == []


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ('<a href="c.html">c</a>', "c.html is not there"),
        ('<a href="sub/b.html#gone">b</a>', "sub/b.html#gone has no such place"),
        ('<a href="#gone">b</a>', "#gone has no such place"),
        ('<img src="c.png">', "c.png is not there"),
        ('<script src="https://example.org/a.js"></script>', "loads https://example.org/a.js from another host"),
        ('<link rel="stylesheet" href="//example.org/a.css">', "loads //example.org/a.css from another host"),
    ],
)
def test_what_is_wrong_is_named_with_its_page(site, added, said):
    page = site / "a.html"
    page.write_text(page.read_text() + added)
    assert [line.split(": ", 1) for line in PROBLEMS(site)] == [["a.html", said]]


def test_a_font_from_elsewhere_is_found_in_a_style_sheet(site):
    (site / "own.css").write_text("@font-face { src: url(https://example.org/f.woff2) }")
    assert PROBLEMS(site) == ["own.css: loads from another place"]


def test_the_command_exits_with_1_for_a_problem_and_for_no_site_at_all(site, tmp_path):
    def check(folder: Path) -> int:
        return subprocess.run([sys.executable, str(SCRIPT), str(folder)], capture_output=True).returncode

    assert check(site) == 0
    (site / "a b.png").unlink()
    assert check(site) == 1
    assert check(tmp_path / "nowhere") == 1
