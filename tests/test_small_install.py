"""The installation without extras: the wheel, what it declares, and nothing else."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import httpx
import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import utad
from tests import fabricate
from tests.serving.conftest import wait_until
from utad import load_detector

ROOT = Path(__file__).parent.parent
TREE = ("pyproject.toml", "README.md", "LICENSE", "NOTICE")


def declared(requirements: list[str], extras: frozenset[str]) -> Iterator[Distribution]:
    """The installed packages that requirements lead to, one after the other, repeatedly."""
    for requirement in map(Requirement, requirements):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            found = distribution(requirement.name)
            yield found
            yield from declared(found.requires or [], frozenset(requirement.extras))


def link(packages: Iterator[Distribution], folder: Path) -> None:
    """Puts links to the packages into a folder of site-packages."""
    folder.mkdir(exist_ok=True)
    for package in {canonicalize_name(one.name): one for one in packages}.values():
        for top in {path.parts[0] for path in package.files or ()} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(package.locate_file(top))


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and a folder of further packages for the extra `serve`."""

    python: Path
    serve: Path

    def run(self, *arguments: object, serve: bool = False) -> subprocess.Popen[str]:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        if serve:
            environment["PYTHONPATH"] = str(self.serve)
        command = [str(self.python), *map(str, arguments)]
        return subprocess.Popen(
            command,
            env=environment,
            cwd=self.serve.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def output(self, program: str, *arguments: object, given: str = "") -> str:
        process = self.run("-c", program, *arguments)
        said, errors = process.communicate(given)
        assert process.returncode == 0, errors
        return said


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    place = tmp_path_factory.mktemp("small")
    tree = place / "tree"
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in TREE:
        shutil.copy(ROOT / name, tree)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    subprocess.run([*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", place, tree], check=True)
    (wheel,) = place.glob("utad-*.whl")
    venv.create(place / "env")
    python = place / "env" / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", *offline, "--no-compile", wheel], check=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(place / "env")}))
    (ours,) = distributions(name="utad", path=[str(site)])
    link(declared(ours.requires, frozenset()), site)
    link(declared(ours.requires, frozenset({"serve"})), place / "serve")
    return Installed(python, place / "serve")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for seed in range(3):
        fabricate.save(folder / f"{seed}.png", fabricate.defective(50, 70, seed=seed))
    return folder


@pytest.fixture(scope="module")
def expected(run, images):
    return {path.name: load_detector(run).predict(path).pred_score for path in sorted(images.iterdir())}


PUBLIC = """
import json, sys, utad
missing = {}
for name in utad.__all__:
    try:
        getattr(utad, name)
    except utad.errors.MissingDependencyError as error:
        missing[name] = str(error)
print(json.dumps([utad.__file__, missing, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_the_package_says_on_use_what_needs_the_extra(installed):
    file, missing, modules = json.loads(installed.output(PUBLIC))
    assert Path(file).is_relative_to(installed.python.parent.parent)
    assert missing == {"UTAD": "torch is needed and not installed: pip install 'utad[train]'"}
    assert {"numpy", "pydantic"} <= set(modules)


SCORES = """
import json, sys
from pathlib import Path
from utad import load_detector
detector = load_detector(sys.argv[1])
print(json.dumps({path.name: detector.predict(path).pred_score for path in sorted(Path(sys.argv[2]).iterdir())}))
"""


def test_an_export_gets_the_scores_of_the_whole_installation(installed, run, images, expected):
    assert json.loads(installed.output(SCORES, run / "openvino", images)) == pytest.approx(expected, rel=1e-6)


COMMANDS = """
import contextlib, io, json, sys
from utad.cli import main
answers = []
for arguments in json.load(sys.stdin):
    sys.argv[1:] = arguments
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
    answers.append([code, out.getvalue(), errors.getvalue()])
print(json.dumps(answers))
"""

TRAIN = "torch is needed and not installed: pip install 'utad[train]'"


def commands(run: Path, parts: Path, images: Path, place: Path) -> dict[str, tuple[list[object], int, str]]:
    """By a name: arguments, the exit code, and what is said."""
    export, one, alone = run / "openvino", images / "0.png", place / "alone"
    alone.mkdir()
    shutil.copy(run / "model.safetensors", alone)
    own = shutil.copytree(export, place / "export")
    deep = fabricate.save(place / "deep" / "deep.png", np.arange(0, 64_000, 10, dtype=np.uint16).reshape(80, 80))
    output = "--output"
    return {
        "help": (["--help"], 0, "evaluate"),
        "version": (["--version"], 0, f"utad {utad.__version__}"),
        "doctor": (["doctor"], 0, "extra train: missing (pip install 'utad[train]')"),
        "doctor RUN": (["doctor", run], 0, "efficientnet_lite0 at 64 x 64 pixels"),
        "predict": (["predict", run, images, output, place / "p", "--save", "maps,masks,overlays"], 0, "3 images"),
        "watch": (["watch", export, images, output, place / "w", "--once", "--save", "overlays"], 0, "3 images"),
        "calibrate": (["calibrate", own, "--labelled", parts, "--force"], 0, "threshold"),
        "train": (["train", parts, output, place / "t"], 1, f"error: {TRAIN}\n"),
        "demo": (["demo", output, place / "d"], 1, f"error: {TRAIN}\n"),
        "export": (["export", run, "--format", "onnx", output, place / "x"], 1, f"error: {TRAIN}\n"),
        "figures": (["figures", run, "--data", parts, output, place / "f"], 1, "pip install 'utad[train]'"),
        "benchmark": (["benchmark", "textures", output, place / "b"], 1, "pip install 'utad[train]'"),
        "reproduce": (["reproduce", "--root", parts, output, place / "r"], 1, "pip install 'utad[train]'"),
        "evaluate": (
            ["evaluate", export, parts, output, place / "e"],
            *(1, "error: sklearn is needed and not installed: pip install 'utad[train]'\n"),
        ),
        "explain": (["explain", run, images, output, place / "y", "--save", "page"], 0, "3 images explained"),
        "explain EXPORT": (["explain", export, one, output, place / "z", "--save", "page"], 0, "1 image explained"),
        "explain --save png": (
            ["explain", export, one, output, place / "u", "--save", "png"],
            *(1, "error: matplotlib is needed and not installed: pip install 'utad[train]'\n"),
        ),
        "serve": (["serve", run], 1, "pip install 'utad[serve]'"),
        "mqtt": (
            ["watch", run, images, output, place / "m", "--mqtt", "localhost/topic"],
            *(1, "pip install 'utad[mqtt]'"),
        ),
        "no graph": (
            ["predict", alone, one, output, place / "n"],
            *(1, f"error: {TRAIN}. A folder that utad export wrote needs no PyTorch; here it has to compute: there"),
        ),
        "16 bits": (
            ["watch", run, deep.parent, output, place / "v", "--once"],
            *(0, "1 image"),
        ),
    }


def test_every_command_works_or_names_its_extra_in_one_line(installed, run, parts, images, expected, tmp_path):
    wanted = commands(run, parts, images, tmp_path)
    given = json.dumps([list(map(str, arguments)) for arguments, _, _ in wanted.values()])
    answers = json.loads(installed.output(COMMANDS, given=given))
    for (name, (_, code, text)), (found, out, errors) in zip(wanted.items(), answers, strict=True):
        assert found == code, (name, found, out, errors)
        assert text in (errors if code else out), (name, out, errors)
        assert "Traceback" not in errors, (name, errors)
    with (tmp_path / "p" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        scores = {row["path"]: float(row["pred_score"]) for row in csv.DictReader(file)}
    assert scores == pytest.approx(expected, rel=1e-6)
    assert len(list((tmp_path / "p" / "overlays").iterdir())) == len(expected)


def test_the_extra_serve_serves_without_pytorch(installed, run, images, expected):
    program = "from utad.cli import main; main()"
    server = installed.run("-c", program, "serve", run, "--port", 0, "--workers", 1, serve=True)
    try:
        line = server.stdout.readline()
        found = re.fullmatch(r"serving run at (http://127\.0\.0\.1:\d+)\n", line)
        assert found, line + server.stderr.read()
        wait_until(lambda: httpx.get(f"{found[1]}/v2/health/ready").status_code == 200)
        for path in images.iterdir():
            answer = httpx.post(f"{found[1]}/v1/predict?save=overlay", content=path.read_bytes(), timeout=60).json()
            assert answer["predictions"][0]["pred_score"] == pytest.approx(expected[path.name], rel=1e-6)
        assert httpx.get(f"{found[1]}/metrics").status_code == httpx.get(f"{found[1]}/docs").status_code == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait() == 0
    finally:
        server.kill()
        server.communicate()
