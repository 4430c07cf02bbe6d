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
    if study.paper is not None:
        assert set(study.paper.rows) <= {variant.name for variant in variants}
        assert {len(row) for row in study.paper.rows.values()} == {len(study.paper.columns)}
    for variant in variants:
        if variant.base == "utad":
            load_config(preset, overrides=variant.overrides)


# The check marks of the paper's Table 2: L_info, Expert-Net, guidance, m_hat; and its numbers on MNIST.
ABLATION = [
    ("baseline", (False, False, False, False), "0.979"),
    ("without Expert-Net", (True, False, False, False), "0.981"),
    ("without L_info, guidance, m_hat", (False, True, False, False), "0.989"),
    ("without guidance, m_hat", (True, True, False, False), "0.988"),
    ("without L_info, m_hat", (False, True, True, False), "0.993"),
    ("without m_hat", (True, True, True, False), "0.992"),
    ("full", (True, True, True, True), "0.994"),
]


def test_the_rows_of_the_ablation_have_the_parts_of_the_paper_and_its_numbers():
    study = STUDIES["ablation-components"]
    configs = {variant.name: load_config("fast", overrides=variant.overrides) for variant in study.variants("fast")}
    assert study.paper is not None
    assert list(study.paper.rows) == [name for name, _, _ in ABLATION]
    for name, (information, expert_net, guidance, naive), on_mnist in ABLATION:
        config = configs[name]
        weights = config.ie_training.weights
        assert (weights.local_information > 0, weights.global_information > 0) == (information, information)
        assert ("x - x_hat" in config.scoring.pairs) == expert_net
        assert (config.expert_net.guidance and expert_net) == guidance
        assert ("m - m_hat" in config.scoring.pairs) == naive
        assert "x - m" in config.scoring.pairs
        assert config.scoring.method == "paper"
        assert study.paper.rows[name][0] == on_mnist
    # Each of the two rows of our own lacks one part alone.
    assert configs["without L_info"].scoring.pairs == configs["without guidance"].scoring.pairs
    assert configs["without L_info"].expert_net.guidance
    assert not configs["without guidance"].expert_net.guidance
    assert configs["without guidance"].ie_training.weights == configs["full"].ie_training.weights
    assert configs["full, calibrated measurement"] == load_config("fast")


def test_the_compared_methods_of_the_paper_stand_beside_its_numbers():
    rows = [Row("bottle", "cavga-u", {"pixel.iou": [0.25]}, departures_named("cavga-u")), Row("bottle", "utad", {})]
    heading, _, cavga, utad, *rest = STUDIES["methods-defects"].table(rows).splitlines()
    assert heading.endswith("| paper, Bottle, IoU | paper, mean of MVTec AD, IoU | paper, mean of MVTec AD, AUROC |")
    assert cavga.startswith("| cavga-u (simplified) | 0.250 |")
    assert cavga.endswith("| 0.34 | 0.47 | 0.89 |")
    assert utad.endswith("| 0.37 | 0.53 | 0.90 |")
    assert any("Table 1, of the data that their headings name" in line for line in rest)
    compared = {variant.name for variant in STUDIES["methods-one-class"].variants("paper-small")}
    assert {"ocgan", "capsnet", "cavga-u", "skip-ganomaly", "utad"} < compared


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
    assert "Table 3, of the data that their headings name" in lines[-1]
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
