from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RENDER = runpy.run_path(str(ROOT / "docs" / "render.py"))


@pytest.mark.parametrize("name", list(RENDER["SECTIONS"]))
def test_pages_show_the_committed_results(name):
    page, text, rendered = RENDER["render"](ROOT, name)
    assert text == rendered, f"{page.name} differs from the committed results: run make docs"


def test_a_changed_result_is_noticed(tmp_path):
    for path in ("README.md", "benchmarks/results/end_to_end.json"):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / path).read_text(encoding="utf-8")
        target.write_text(re.sub(r'"auroc": 0\.\d+', '"auroc": 0.123', text), encoding="utf-8")
    _, text, rendered = RENDER["render"](tmp_path, "end_to_end")
    assert text != rendered
    assert "0.123" in rendered


def test_links_in_the_pages_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert len(pages) > 5
    assert broken == []


def test_commands_in_the_readme_exist_with_their_options():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    used = re.findall(r"^utad +(\w+)(.*)$", text, flags=re.MULTILINE)
    assert {command for command, _ in used} >= {"train", "predict", "evaluate", "calibrate"}
    for command, rest in used:
        shown = subprocess.run(
            [sys.executable, "-c", "from utad.cli import main; main()", command, "--help"],
            capture_output=True,
            text=True,
            check=True,
            env={"COLUMNS": "200", "PATH": ""},
        ).stdout
        for option in re.findall(r"--[\w-]+", rest):
            assert option in shown, f"utad {command} has no {option}"
