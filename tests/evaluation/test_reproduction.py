from __future__ import annotations

import json

import pytest

from tests import fabricate
from utad.data.layouts.mvtec import MVTEC_CATEGORIES
from utad.data.one_class import CLASSES
from utad.errors import ConfigError, DatasetError
from utad.evaluation import reproduction
from utad.evaluation.expected_time import expected_benchmark_seconds, expected_cell_seconds
from utad.evaluation.figure_plan import SHARED
from utad.evaluation.reproduction import PARTS, plan_reproduction, run_reproduction
from utad.evaluation.studies import STUDIES, Study
from utad.evaluation.variant import Variant

SETTINGS = ("ae-l2.size=32", "ae-l2.steps=3")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two categories of MVTec AD, MNIST, and CIFAR-10 in class folders; Fashion-MNIST is not there."""
    folder = tmp_path_factory.mktemp("data")
    for category in ("bottle", "hazelnut", "mine"):
        fabricate.mvtec_category(folder / "mvtec" / category)
    fabricate.mnist_files(folder)
    fabricate.class_folders(folder / "cifar10-classes", CLASSES["cifar10"][:3])
    return folder


@pytest.fixture
def one_study(monkeypatch):
    """Table 4 with auto-encoders alone."""
    whole = STUDIES["ablation-capacity"]
    variants = tuple(Variant(f"AE-{width}", "ae-l2", (f"width={width}",)) for width in (4, 8))
    small = Study(whole.name, whole.suite, lambda _: variants, whole.columns, whole.paper, whole.note)
    monkeypatch.setattr(reproduction, "study_named", lambda name: small if name == small.name else STUDIES[name])


def test_every_part_is_a_study_with_the_papers_numbers():
    for part in PARTS:
        assert STUDIES[part.study].paper.number == part.table
    assert {part.table for part in PARTS} == {1, 2, 3, 4}


def test_what_is_there_is_planned_and_what_is_not_is_named(root):
    plan = plan_reproduction(root)
    found = {planned.part.folder: planned for planned in plan.planned}
    assert list(found) == [part.folder for part in PARTS if part.suite != "fashion-mnist"]
    assert found["table-1/methods-defects-mvtec"].benchmark.categories == ("bottle", "hazelnut")
    assert found["table-1/methods-defects-mvtec"].missing == tuple(
        name for name in MVTEC_CATEGORIES if name not in ("bottle", "hazelnut")
    )
    assert found["table-3/ablation-measurement-mvtec"].missing == ("cable", "capsule")
    assert found["table-4/ablation-capacity-mvtec"].missing == ()
    cifar = found["table-2/methods-one-class-cifar10"].benchmark
    assert (cifar.suite.name, cifar.root) == ("class-folders", root / "cifar10-classes")
    assert set(cifar.categories) == set(CLASSES["cifar10"][:3])
    assert found["table-2/methods-one-class-mnist"].benchmark.suite.name == "mnist"
    assert [planned.benchmark.preset for planned in plan.planned] == [
        part.preset for part in PARTS if part.suite != "fashion-mnist"
    ]
    assert len(plan.left_out) == 2
    assert plan.left_out[0].startswith("table 2, methods-one-class on fashion-mnist: ")
    assert "zalandoresearch" in plan.left_out[0]


def test_settings_reach_the_parts_that_have_the_method(root):
    plan = plan_reproduction(root, tables=[2, 4], settings=["unst.steps=3", "ocgan.steps=5", "seed=4"])
    for planned in plan.planned:
        overrides = {variant.base: variant.overrides for variant in planned.benchmark.variants}
        assert ("steps=3" in overrides.get("unst", ())) == ("unst" in overrides)
        assert ("steps=5" in overrides.get("ocgan", ())) == ("ocgan" in overrides)
        assert "seed=4" in overrides["utad"]


@pytest.mark.parametrize(
    ("tables", "words"), [([5], "got table 5, expected some of 1, 2, 3, 4"), ([], "got table none")]
)
def test_a_table_that_the_paper_does_not_have(root, tables, words):
    with pytest.raises(ConfigError, match=words):
        plan_reproduction(root, tables=tables)


def test_a_setting_of_a_method_that_no_table_has_is_refused(root):
    with pytest.raises(ConfigError, match=r"got the setting padim.size=64, whose method is in none of these tables"):
        plan_reproduction(root, settings=["padim.size=64"])
    with pytest.raises(ConfigError, match=r"got the setting lsa.steps=3"):
        plan_reproduction(root, tables=[3], settings=["lsa.steps=3"])


def test_nothing_there(tmp_path):
    with pytest.raises(DatasetError, match="none of the paper's data is there: table 1, methods-defects on mvtec: "):
        plan_reproduction(tmp_path)
    with pytest.raises(DatasetError, match="is not a folder"):
        plan_reproduction(tmp_path / "nowhere")


def test_the_page_has_our_numbers_beside_the_papers_and_a_second_run_repeats_nothing(root, tmp_path, one_study):
    plan = plan_reproduction(root, tables=[4], settings=SETTINGS)
    seen = []
    page, failures = run_reproduction(plan, tmp_path / "out", jobs=0, report=seen.append)
    assert failures == []
    assert (tmp_path / "out" / "reproduction.md").read_text(encoding="utf-8") == page
    assert page.startswith(
        "# The paper's tables\n\n## Table 4: ablation-capacity on mvtec\n\nPreset paper, seeds 0.\n\n"
    )
    assert "paper, Hazelnut, IoU" in page
    assert "| AE-8" in page
    results = json.loads(
        (tmp_path / "out" / "table-4/ablation-capacity-mvtec/results.json").read_text(encoding="utf-8")
    )
    assert [cell["cell"]["category"] for cell in results["cells"]] == ["hazelnut", "hazelnut"]
    assert all(cell["ms_per_step"] > 0 for cell in results["cells"])
    assert len(seen) == 2
    assert run_reproduction(plan, tmp_path / "out", jobs=0, report=seen.append) == (page, [])
    assert len(seen) == 2


def test_what_is_left_out_stands_on_the_page(root, tmp_path, one_study, monkeypatch):
    short = tuple(part for part in PARTS if part.table == 4 or part.suite == "fashion-mnist")
    monkeypatch.setattr(reproduction, "PARTS", short)
    plan = plan_reproduction(root, settings=SETTINGS)
    page, _ = run_reproduction(plan, tmp_path / "out", jobs=0)
    assert "\n\n## Left out\n\n- table 2, methods-one-class on fashion-mnist: " in page


def test_the_expected_time_grows_with_the_steps_and_the_seeds(root, one_study):
    few, many = (
        plan_reproduction(root, tables=[4], seeds=seeds, settings=["ae-l2.size=32", f"ae-l2.steps={steps}"])
        for seeds, steps in (((0,), 1000), ((0, 1), 100000))
    )
    one, hundreds = (expected_benchmark_seconds(plan.planned[0].benchmark) for plan in (few, many))
    assert 0 < 20 * one < hundreds


def test_a_training_that_is_there_costs_no_second_time(root, monkeypatch):
    monkeypatch.setattr("utad.evaluation.expected_time.expected_cell_seconds", lambda *_, **__: 100.0)
    (planned,) = plan_reproduction(root, tables=[3], preset="fast").planned
    variants = planned.benchmark.variants
    trainings = {cell.training for cell in planned.benchmark.cells()}
    expected = 100 * (len(trainings) + SHARED * (len(variants) - len(trainings)))
    assert expected_benchmark_seconds(planned.benchmark) == pytest.approx(2 * expected)


def test_statistics_are_expected_to_take_longer_with_more_images(root):
    (planned,) = plan_reproduction(root, tables=[4]).planned
    cell = planned.benchmark.cells()[0]
    category = planned.benchmark.suite.open(cell.dataset, cell.category, root=planned.benchmark.root, seed=0)
    padim = type(cell)(**{**vars(cell), "base": "padim", "overrides": ("size=32",)})
    one, ten = (expected_cell_seconds(padim, category, n_train=count, n_test=count) for count in (10, 1000))
    assert ten > 5 * one
