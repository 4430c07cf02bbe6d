from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import utad
from tests import fabricate
from tests.conftest import SHORTEST
from utad.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
GUIDE = sorted(DOCS.glob("guide/*.md"))
FENCE = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TRAINING = [part for setting in SHORTEST for part in ("--set", setting)]
"""A command of the guide trains as it says, but in seconds."""


@pytest.fixture
def place(run, tmp_path, monkeypatch):
    """The current folder, with what the guide names: a run, and images of each kind.

    What a snippet trains or calibrates gets no graph, which takes seconds each time and is tested elsewhere.
    """
    monkeypatch.setattr("utad.export.beside.write_beside", lambda detector, model: None)
    shutil.copytree(run, tmp_path / "my-run", ignore=shutil.ignore_patterns("openvino"))
    for folder, first in (("labelled", 400), ("held-back", 500)):
        for seed in range(first, first + 8):
            fabricate.save(tmp_path / folder / "normal" / f"{seed}.png", fabricate.picture(seed=seed))
            fabricate.save(tmp_path / folder / "abnormal" / f"{seed}.png", fabricate.defective(seed=seed + 50))
    for seed in range(12):
        fabricate.save(tmp_path / "good" / f"{seed}.png", fabricate.picture(seed=seed))
        fabricate.save(tmp_path / "good-later" / f"{seed}.png", fabricate.picture(seed=200 + seed))
    for seed in range(6):
        fabricate.save(tmp_path / "large" / f"{seed}.png", fabricate.picture(64, 96, seed=seed))
    for folder in ("new", "incoming"):
        fabricate.save(tmp_path / folder / "part.png", fabricate.defective(seed=300))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def snippets(page: Path) -> list[tuple[str, str]]:
    """Language and text of each, in their order."""
    return FENCE.findall(page.read_text(encoding="utf-8"))


def run_line(line: str) -> None:
    program, command, *arguments = shlex.split(line)
    assert program == "utad", f"a snippet of the guide runs utad alone, not {program}"
    if command == "train":
        shutil.rmtree(arguments[arguments.index("--output") + 1], ignore_errors=True)
        arguments += TRAINING
    result = CliRunner().invoke(app, [command, *arguments])
    assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"


@pytest.mark.parametrize("page", GUIDE, ids=lambda page: page.stem)
def test_every_snippet_of_a_page_runs(page, place, capsys):
    found = snippets(page)
    assert found
    for language, text in found:
        if language == "sh":
            for line in text.splitlines():
                run_line(line)
        else:
            exec(compile(text, f"{page.name}, a snippet", "exec"), {"__name__": "snippet"})
    assert capsys.readouterr().err == ""


def test_the_guide_takes_parts_of_the_readme_that_are_there():
    for page in (DOCS / "index.md", DOCS / "limits.md", *GUIDE):
        for options in re.findall(r"\{include\} \S+README\.md\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            marks = re.findall(r':(start-after|end-before): "(.*?)(?:\\n)?"', options)
            text = (ROOT / "README.md").read_text(encoding="utf-8")
            assert [name for name, _ in marks] == ["start-after", "end-before"], page.name
            start, end = (text.find(f"\n{mark}\n") if mark != "# utad" else 0 for _, mark in marks)
            assert 0 <= start < end, f"{page.name}: {marks}"


def test_every_public_name_has_its_place_in_the_reference():
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("reference/*.md"))
    for name in utad.__all__:
        value = getattr(utad, name)
        module = getattr(value, "__module__", None)
        named = re.search(rf"(autoclass|autofunction|autodata):: (\S+\.)?{name}$", text, re.MULTILINE)
        whole = module is not None and re.search(rf"automodule:: {re.escape(module)}$", text, re.MULTILINE)
        assert named or whole or f"automodule:: utad.{name}" in text, name
