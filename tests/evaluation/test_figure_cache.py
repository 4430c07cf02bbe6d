from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.figured import HEIGHT, WIDTH, coded_images, finding
from utad.errors import OutputError
from utad.evaluation.benchmark_cell import Cell
from utad.evaluation.chosen_images import Choice, ScoredImage
from utad.evaluation.figure_cache import cache_path, read_findings, read_reference, write_findings, write_reference
from utad.evaluation.figure_findings import Reference
from utad.types import Category, Sample

CELL = Cell("textures", "textures", "brick", "utad", 0, "utad", overrides=("image.size=64",))

NAMES = ["bad.png", "\udcff <b>.png"]


@pytest.fixture
def findings():
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[5:] = True
    return (finding(0.9), replace(finding(0.1, ()), inside=inside))


@pytest.fixture
def reference(findings) -> tuple[Reference, Category]:
    coded = tuple(coded_images())
    category = Category("brick", (), [Sample(one.name, np.zeros((1, 1, 3), np.uint8)) for one in coded])
    chosen = tuple(ScoredImage(category.test[row], "hole", 0.1 + row) for row in (3, 1))
    return Reference(Choice(chosen, "a rule"), findings, coded), category


def same(one, other) -> None:
    assert (one.score, one.label, list(one.pictures)) == (other.score, other.label, list(other.pictures))
    for name in ("anomaly_map", "pred_mask", "inside"):
        first, second = getattr(one, name), getattr(other, name)
        assert (first is None) == (second is None)
        if first is not None:
            assert first.dtype == second.dtype
            assert np.array_equal(first, second)
    assert all(np.array_equal(one.pictures[name], other.pictures[name]) for name in one.pictures)


def test_findings_come_back_as_they_were(findings, tmp_path):
    path = cache_path(tmp_path, CELL)
    assert path.parent.name == "cells"
    write_findings(path, CELL, NAMES, findings)
    read = read_findings(path, CELL, NAMES)
    assert len(read) == 2
    for one, other in zip(findings, read, strict=True):
        same(one, other)


def test_findings_of_other_images_are_found_anew_and_those_of_other_settings_refused(findings, tmp_path):
    path = cache_path(tmp_path, CELL)
    assert read_findings(path, CELL, NAMES) is None
    write_findings(path, CELL, NAMES, findings)
    assert read_findings(path, CELL, NAMES[::-1]) is None
    with pytest.raises(OutputError, match=r"brick__utad__0\.npz is of other settings: write to another folder"):
        read_findings(path, replace(CELL, overrides=()), NAMES)


def test_a_damaged_file_counts_as_none(findings, tmp_path):
    path = cache_path(tmp_path, CELL)
    write_findings(path, CELL, NAMES, findings)
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"\x80\x04." + whole):
        path.write_bytes(content)
        assert read_findings(path, CELL, NAMES) is None


def test_nothing_is_unpickled(tmp_path):
    path = cache_path(tmp_path, CELL)
    path.parent.mkdir()
    with path.open("wb") as file:
        np.savez(file, meta=np.array([{"a": print}], dtype=object))
    assert read_findings(path, CELL, NAMES) is None


def test_a_reference_comes_back_with_its_choice_and_its_codes(reference, tmp_path):
    made, category = reference
    path = cache_path(tmp_path, CELL)
    write_reference(path, CELL, 2, made)
    read = read_reference(path, CELL, 2, category)
    assert read.choice == made.choice
    assert read.choice.images[0].sample is category.test[3]
    for one, other in zip(made.findings, read.findings, strict=True):
        same(one, other)
    for one, other in zip(made.coded, read.coded, strict=True):
        assert (one.name, one.kind, one.score) == (other.name, other.kind, other.score)
        assert {name: code.tolist() for name, code in one.codes.items()} == {
            name: code.tolist() for name, code in other.codes.items()
        }


def test_a_reference_is_found_anew_for_another_choice_or_other_images(reference, tmp_path):
    made, category = reference
    path = cache_path(tmp_path, CELL)
    write_reference(path, CELL, 2, made)
    assert read_reference(path, CELL, 3, category) is None
    assert read_reference(path, CELL, 2, replace(category, test=category.test[4:])) is None
    with pytest.raises(OutputError, match="other settings"):
        read_reference(path, replace(CELL, seed=1), 2, category)
