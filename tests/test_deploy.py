"""The files for supervisors name what the program has."""

from __future__ import annotations

import re
import shlex
from fnmatch import fnmatch
from pathlib import Path

import pytest
import typer

from tests.serving.conftest import SETTINGS
from utad.cli.app import app
from utad.cli.serve import TOKEN_VARIABLE
from utad.serving.safety import OPEN_PATHS
from utad.serving.service import Service

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")


def started_by(unit: str) -> list[str]:
    (line,) = re.findall(r"^ExecStart=/opt/utad/bin/(.*)$", (DEPLOY / unit).read_text(encoding="utf-8"), re.MULTILINE)
    return shlex.split(line)


def started_by_container() -> list[str]:
    return [part for kind in ("ENTRYPOINT", "CMD") for part in re.findall(rf"^{kind} \[(.*)\]$", DOCKERFILE, re.M)]


@pytest.mark.parametrize("command", [started_by("utad-serve.service"), started_by("utad-watch.service")])
def test_units_give_options_that_commands_have(command):
    program, name, *arguments = command
    assert program == "utad"
    typer.main.get_command(app).commands[name].make_context(name, arguments)  # which refuses others


def test_the_container_starts_the_server_with_options_that_it_has():
    command = [part.strip(' "') for line in started_by_container() for part in line.split(",")]
    assert command[:2] == ["utad", "serve"]
    context = typer.main.get_command(app).commands["serve"].make_context("serve", command[2:])
    assert (context.params["host"], context.params["models"]) == ("0.0.0.0", ["part=/models/part"])


def test_the_container_asks_a_health_address_that_needs_no_token():
    (address,) = re.findall(r"urlopen\('http://127\.0\.0\.1:8000(.*?)'", DOCKERFILE)
    assert address in OPEN_PATHS
    for text in (DOCKERFILE, (DEPLOY / "utad-serve.service").read_text(encoding="utf-8"), PAGE):
        assert TOKEN_VARIABLE in text


def test_what_the_image_copies_is_there_and_not_ignored():
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line.startswith("!")]
    copied = [name for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()]
    assert {"pyproject.toml", "src"} <= set(copied)
    for name in copied:
        assert (ROOT / name).exists()
        assert any(fnmatch(name, pattern) for pattern in kept)


def test_alarms_are_of_metrics_that_there_are(run):
    text = (DEPLOY / "utad-alarms.yml").read_text(encoding="utf-8")
    service = Service({"part": run}, SETTINGS)
    try:
        exposed = set(re.findall(r"^# TYPE (\S+)", service.metrics.text().decode(), re.MULTILINE))
    finally:
        service.stop()
    used = {*re.findall(r"\butad_[a-z_]+", text), *re.findall(r"`(utad_[a-z_]+)`", PAGE)}
    assert "utad_drift_level" in used
    assert used <= exposed
