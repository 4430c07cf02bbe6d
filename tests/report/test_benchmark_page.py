from __future__ import annotations

import re

from tests.report.elements import Elements
from utad.evaluation.studies import STUDIES
from utad.report.benchmark_page import benchmark_page

SCORES = {"utad": (0.9, 0.8), "padim": (0.7, 0.7), "patchcore": (0.6, 0.5)}


def document(**changes) -> dict:
    cells = [
        {
            "cell": {"category": category, "method": method, "seed": seed},
            "departures": None,
            "evaluation": {"image": {"auroc": value}, "recall": 0.5},
        }
        for category in ("<b>dose</b>", "flasche")
        for method, values in SCORES.items()
        for seed, value in enumerate(values)
    ]
    known = {"suite": "<i>eigene</i>", "protocol": "as it is", "seeds": [0, 1], "versions": {}, "machine": {"cores": 2}}
    return {**known, "cells": cells, "failures": [], **changes}


def test_the_page_has_means_seeds_marks_and_differences():
    page = benchmark_page(document())
    assert page.count('<td class="number best">0.850 ± 0.071</td>') == 3
    assert page.count('<td class="number second">0.700 ± 0.000</td>') == 3
    assert page.count('<td class="number">0.900</td>') == 2
    assert page.count('<td class="number">+0.150 ± 0.071</td>') == 2
    assert "ahead on 2 of 2, sign test p = 0.5" in page
    rows = re.findall(r'data-category="([^"]+)"', page)
    assert rows[:9] == 3 * ["&lt;b&gt;dose&lt;/b&gt;"] + 3 * ["flasche"] + 3 * ["mean"]


def test_names_are_text_and_nothing_is_asked_for():
    page = benchmark_page(document(failures=[{"cell": "x", "error": "<script>alert(1)</script>"}]))
    elements = Elements(page)
    assert {tag for tag, _ in elements.elements}.isdisjoint({"b", "i", "link", "img"})
    assert [tag for tag, _ in elements.elements].count("script") == 1
    assert "<i>eigene</i>" in elements.text
    assert "http" not in page.replace('http-equiv="Content', "")


def test_of_one_seed_there_is_one_table_and_a_failed_benchmark_has_a_page():
    cells = [result for result in document()["cells"] if result["cell"]["seed"] == 0]
    assert "Seed by seed" not in benchmark_page(document(cells=cells, seeds=[0]))
    page = benchmark_page(document(cells=[], failures=[{"cell": "dose", "error": "no images"}]))
    assert "dose: no images" in page
    assert "Study" not in page


def test_a_study_has_its_own_table_beside_the_papers_numbers():
    study = next(iter(STUDIES.values()))
    page = Elements(benchmark_page(document(cells=[]), study))
    for heading in study.paper.columns:
        assert f"paper, {heading}" in page.text
    assert study.name in page.text
