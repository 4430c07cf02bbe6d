from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import utad

ROOT = Path(__file__).resolve().parent.parent


def test_the_version_is_the_same_wherever_it_stands():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert project["version"] == utad.__version__
    assert cited is not None
    assert cited[1].strip("\"'") == utad.__version__


def test_the_classifiers_name_the_python_that_is_required_and_this_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [
        tuple(map(int, found[1].split(".")))
        for found in map(re.compile(r"Programming Language :: Python :: (3\.\d+)$").match, project["classifiers"])
        if found
    ]
    assert project["requires-python"] == f">={named[0][0]}.{named[0][1]}"
    assert named == sorted(named)
    assert sys.version_info[:2] in named


def test_the_package_says_that_it_is_typed():
    assert (Path(utad.__file__).parent / "py.typed").is_file()
