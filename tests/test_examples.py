from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from tests import fabricate
from tests.conftest import SHORTEST
from utad import UTAD

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def program(name: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def example(name: str) -> ModuleType:
    """The program as a module: a process of its own would import PyTorch again."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_and_says_how_it_is_called(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 40
    assert f"python examples/{path.name} " in text


def test_quickstart(tmp_path):
    for index in range(12):
        fabricate.save(tmp_path / "normal" / f"{index}.png", fabricate.picture(64, 64, seed=index))
    image = fabricate.save(tmp_path / "new.png", fabricate.picture(64, 64, seed=50))
    small = (*SHORTEST, "image.size=64")
    text = program("quickstart.py", tmp_path / "normal", image, tmp_path / "out", *small)
    assert "new.png: score" in text
    with Image.open(tmp_path / "out" / "explanation.png") as picture:
        assert picture.size[0] > 500


def test_synthetic_defects(tmp_path):
    image = fabricate.save(tmp_path / "part.png", fabricate.picture(64, 80))
    text = program("synthetic_defects.py", image, tmp_path / "out")
    assert len(text.splitlines()) == 7
    with Image.open(tmp_path / "out" / "masks" / "hole.png") as mask:
        assert (mask.mode, mask.size) == ("1", (80, 64))


def test_table_of_regions(run, parts, tmp_path, capsys):
    example("table_of_regions").main(run, parts / "abnormal", tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows, "the black squares are found"
    assert {row["image"] for row in rows} <= {f"{index}.png" for index in range(1, 5)}
    peaks = [float(row["peak"]) for row in rows]
    assert peaks == sorted(peaks, reverse=True)
    worst = rows[0]
    assert int(worst["left"]) < 22
    assert int(worst["right"]) > 12
    assert f"{len(rows)} regions in" in capsys.readouterr().out


def test_choose_threshold(run, parts, tmp_path, capsys):
    example("choose_threshold").main(run, parts, 0.2, tmp_path / "m.safetensors")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    counts = [sum(int(part.split()[-2]) for part in line.split(":")[1].split(",")) for line in lines if line[0] == " "]
    assert sorted(set(counts)) == [4, 16]
    saved, before = UTAD.load(tmp_path / "m.safetensors"), UTAD.load(run)
    assert saved.threshold < before.threshold
    assert lines[-3] == f"20.0% of normal images above {saved.threshold:.3f}, 2.00% above {saved.fail_threshold:.3f}"


def test_export_and_score(run, parts, tmp_path, capsys):
    example("export_and_score").main(run, tmp_path / "export", [parts / "normal" / "1.png"])
    said = capsys.readouterr().out
    by_torch, by_graph = (float(part.split()[0]) for part in said.split("1.png: ")[1].split(", ")[:2])
    assert by_torch == pytest.approx(by_graph, abs=2e-3)
    assert (tmp_path / "export" / "manifest.json").is_file()


def test_explain(run, parts, tmp_path, capsys):
    example("explain").main(run, parts / "abnormal" / "1.png", tmp_path / "out")
    said = capsys.readouterr().out
    score = float(said.split("score ")[1].split(",")[0])
    shares = [float(line.split()[0]) for line in said.splitlines() if line.startswith("  ")]
    assert sum(shares) == pytest.approx(score, abs=3e-3)
    assert "most alike: " in said
    assert (tmp_path / "out" / "explanation.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    with Image.open(tmp_path / "out" / "explanation.png") as picture:
        assert picture.size[0] > 500
