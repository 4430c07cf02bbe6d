from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests import fabricate
from tests.conftest import SHORTEST

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_quickstart(tmp_path):
    for index in range(12):
        fabricate.save(tmp_path / "normal" / f"{index}.png", fabricate.picture(64, 64, seed=index))
    image = fabricate.save(tmp_path / "new.png", fabricate.picture(64, 64, seed=50))
    small = (*SHORTEST, "image.size=64")
    text = run("quickstart.py", tmp_path / "normal", image, tmp_path / "out", *small)
    assert "new.png: score" in text
    with Image.open(tmp_path / "out" / "explanation.png") as picture:
        assert picture.size[0] > 500


def test_synthetic_defects(tmp_path):
    image = fabricate.save(tmp_path / "part.png", fabricate.picture(64, 80))
    text = run("synthetic_defects.py", image, tmp_path / "out")
    assert len(text.splitlines()) == 7
    with Image.open(tmp_path / "out" / "masks" / "hole.png") as mask:
        assert (mask.mode, mask.size) == ("1", (80, 64))
