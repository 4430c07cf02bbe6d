from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import bill_of_materials
import utad
from bill_of_materials import Package, complaints, document, main, packages


def installed(folder: Path, name: str, *lines: str) -> None:
    """A package by its metadata alone."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    text = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *lines, ""])
    (info / "METADATA").write_text(text, encoding="utf-8")


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """A package with an extra that leads to others, one of them by an extra of its own."""
    wanted = ["Requires-Dist: first", "Requires-Dist: second[more]; extra == 'serve'", "License-Expression: MIT"]
    never = "Requires-Dist: nothing; python_version < '3'"
    installed(tmp_path, "made-up", *wanted, "Requires-Dist: made-up[serve]; extra == 'all'", never)
    installed(tmp_path, "first", "License: BSD")
    installed(tmp_path, "second", "License-Expression: MIT OR GPL-3.0-only", "Requires-Dist: third; extra == 'more'")
    installed(tmp_path, "third", "License-Expression: AGPL-3.0-only", "Requires-Dist: first")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(bill_of_materials, "ROOT", "made-up")
    return tmp_path


def called(monkeypatch, output: Path, extras: str) -> int:
    monkeypatch.setattr(sys, "argv", ["bill_of_materials.py", "--output", str(output), "--extras", extras])
    return main()


def test_requirements_are_followed_through_extras(made_up):
    assert set(packages([])) == {"made-up", "first"}
    found = packages(["all"])
    assert {name: package.requires for name, package in found.items()} == {
        "made-up": {"first", "second"},
        "first": set(),
        "second": {"third"},
        "third": {"first"},
    }
    assert found["first"] == Package("first", "1.0", "LicenseRef-BSD", set())


def test_a_licence_that_is_not_allowed_is_an_error_with_the_package(made_up, monkeypatch, tmp_path, capsys):
    assert called(monkeypatch, tmp_path / "one.json", "") == 0
    assert called(monkeypatch, tmp_path / "all.json", "all") == 1
    said = capsys.readouterr()
    assert said.err == "not allowed: third 1.0: AGPL-3.0-only is not in the list\n"
    assert "second 1.0: MIT OR GPL-3.0-only\n" in said.out
    components = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))["components"]
    assert [one["name"] for one in components] == ["first", "second", "third"]


def test_a_package_without_a_licence_or_that_is_not_there_is_an_error(made_up, monkeypatch, tmp_path, capsys):
    installed(made_up, "fourth")
    with (made_up / "first-1.0.dist-info" / "METADATA").open("a", encoding="utf-8") as file:
        file.write("Requires-Dist: fourth\nRequires-Dist: gone; extra == 'x'\n")
    assert called(monkeypatch, tmp_path / "one.json", "") == 1
    assert capsys.readouterr().err == "not allowed: fourth 1.0: states no licence that is known\n"
    (made_up / "fourth-1.0.dist-info" / "METADATA").unlink()
    (made_up / "fourth-1.0.dist-info").rmdir()
    assert called(monkeypatch, tmp_path / "one.json", "") == 1
    assert capsys.readouterr().err == "fourth is not installed: pip install 'made-up'\n"


def test_the_bill_has_every_package_with_its_version_licence_and_what_it_needs():
    found = packages([])
    bill = json.loads(document(found))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    about = bill["metadata"]["component"]
    assert (about["name"], about["version"]) == ("utad", utad.__version__)
    components = {one["name"]: one for one in bill["components"]}
    assert {"numpy", "openvino", "typer"} <= set(components) == set(found) - {"utad"}
    assert components["openvino"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert components["numpy"]["purl"].startswith("pkg:pypi/numpy@")
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    assert any(one.startswith("numpy==") for one in needs[f"scipy=={components['scipy']['version']}"])


def test_all_that_training_and_serving_bring_along_may_be_used_commercially():
    assert complaints(packages(["train", "serve"])) == []
