from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests import fabricate
from tests.conftest import SHORTEST
from utad.config import load_config
from utad.errors import ConfigError
from utad.evaluation.benchmark import Benchmark, run_benchmark, write_study
from utad.evaluation.methods import departures_named, with_settings
from utad.evaluation.studies import STUDIES, study_named
from utad.evaluation.suites import SUITES, suite_named
from utad.evaluation.tables import Row
from utad.scoring.components import COMPONENTS


@pytest.mark.parametrize("name", list(STUDIES))
@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_every_variant_is_a_config_and_stands_on_a_suite_that_exists(name, preset):
    study = study_named(name)
    assert study.suite in SUITES
    variants = study.variants(preset)
    assert len({variant.name for variant in variants}) == len(variants)
    assert set(study.paper_rows) <= {variant.name for variant in variants}
    for row in study.paper_rows.values():
        assert len(row) == len(study.paper_columns)
    for variant in variants:
        if variant.base == "utad":
            load_config(preset, overrides=variant.overrides)


def test_the_components_are_switched_off():
    configs = {
        variant.name: load_config("fast", overrides=variant.overrides)
        for variant in STUDIES["ablation-components"].variants("fast")
    }
    weights = configs["without L_info"].ie_training.weights
    assert (weights.local_information, weights.global_information) == (0, 0)
    assert configs["without Expert-Net"].scoring.pairs == ("x - m",)
    assert not configs["without guidance"].expert_net.guidance
    assert configs["without m_hat"].scoring.pairs == ("x - x_hat", "x - m")
    assert configs["full"].scoring.pairs == ("x - x_hat", "m - m_hat", "x - m")
    assert configs["full"].scoring.method == "paper"
    assert configs["full, calibrated measurement"] == load_config("fast")


def test_a_study_trains_once_for_all_measurements_and_stands_beside_the_paper(tmp_path):
    fabricate.mvtec_category(tmp_path / "data" / "bottle")
    study = STUDIES["ablation-measurement"]
    output = tmp_path / "o"
    benchmark = Benchmark(
        suite_named("mvtec"),
        with_settings(study.variants("fast"), SHORTEST),
        root=tmp_path / "data",
        categories=["bottle"],
        share_training=True,
    )
    report = run_benchmark(benchmark, output, jobs=0)
    assert report.document["failures"] == []
    trainings = {cell["cell"]["method"]: cell["cell"]["training"] for cell in report.document["cells"]}
    others = {trainings.pop(name) for name in ("networks never trained", "calibrated, raw illumination")}
    assert set(trainings.values()) == {trainings["PM"]}
    assert len(list((output / "training").iterdir())) == len(others | {trainings["PM"]}) == 3
    assert len({cell["evaluation"]["pixel"]["auroc"] for cell in report.document["cells"]}) > 5
    # The feature impression is there where its features are compared.
    assert len({cell["parameters"] for cell in report.document["cells"]}) == 2

    table = write_study(study, report, output)
    assert (output / "study.md").read_text(encoding="utf-8") == table + "\n"
    lines = table.splitlines()
    assert "paper, Hazelnut, IoU" in lines[0]
    pm = next(line for line in lines if line.startswith("| PM |"))
    assert pm.endswith("| 0.37 | 0.38 | 0.41 | 0.65 |")
    measured = next(cell for cell in report.document["cells"] if cell["cell"]["method"] == "PM")
    assert f"{measured['evaluation']['pixel']['iou']:.3f}" in pm
    assert "Table 3, on other data" in lines[-1]
    json.dumps(report.document)


def test_the_ablation_of_restoration_has_the_rows_that_may_never_be_missing():
    variants = STUDIES["ablation-restoration"].variants("fast")
    configs = {variant.name: load_config("fast", overrides=variant.overrides) for variant in variants}
    whole = configs["default"].scoring.components
    of_x, restored = (configs[name].scoring.components for name in ("features of x alone", "restoration alone"))
    assert whole == load_config("fast").scoring.components
    assert all(COMPONENTS[name].images == ("image",) for name in of_x)
    assert {name for name in whole if COMPONENTS[name].images != ("image",)} == set(restored)
    # The two differ in nothing but what they compare.
    settings = [[replace(COMPONENTS[name], images=("image",)) for name in names] for names in (of_x, restored)]
    assert all(one in settings[0] for one in settings[1])
    untrained = configs["networks never trained"]
    assert untrained.scoring.components == whole
    assert (untrained.ie_training.steps, untrained.expert_training.steps) == (0, 0)
    assert {variant.name for variant in STUDIES["ablation-measurement"].variants("paper")} >= set(configs) - {"default"}


def test_a_study_of_our_own_does_not_speak_of_the_paper():
    rows = [Row("a", "default", {"image.auroc": [0.5]})]
    assert "paper" not in STUDIES["ablation-restoration"].table(rows)


def test_the_table_of_a_study_shows_the_mean_where_there_is_one():
    rows = [
        Row("a", "UnSt", {"parameters": [2e6], "pixel.iou": [0.2, 0.4]}),
        Row("b", "UnSt", {"parameters": [2e6], "pixel.iou": [0.4, 0.4]}),
        Row("mean", "UnSt", {"parameters": [2e6], "pixel.iou": [0.3, 0.4]}),
    ]
    lines = STUDIES["ablation-capacity"].table(rows).splitlines()
    assert lines[2].startswith("| UnSt | 2.00 | 0.350 ± 0.071 | – |")
    assert "Ours: a, b." in lines[-1]


def test_the_table_of_a_study_marks_simplified_methods():
    rows = [
        Row("a", "UnSt", {"parameters": [2e6]}, departures_named("unst")),
        Row("a", "UTAD", {"parameters": [3e6]}),
    ]
    lines = STUDIES["ablation-capacity"].table(rows).splitlines()
    # The paper's numbers are still found by the name of the variant.
    assert lines[2].startswith("| UnSt (simplified) | 2.00 |")
    assert lines[2].endswith("| 14.28 | 0.363 | 0.937 |")
    assert lines[3].startswith("| UTAD | 3.00 |")
    assert lines[-1].startswith("- UnSt (simplified): Bergmann et al., CVPR 2020; here the teacher is not distilled")


def test_an_unknown_study_is_named():
    with pytest.raises(ConfigError, match="unknown study 'ablation'"):
        study_named("ablation")
