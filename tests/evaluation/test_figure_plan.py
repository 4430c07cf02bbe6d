from __future__ import annotations

import pytest

from utad.config import load_config
from utad.errors import ConfigError
from utad.evaluation.figure_plan import METHODS, NUMBERS, ONE_STAGE, plan_figures, seconds_of
from utad.evaluation.methods import variants_of, with_settings
from utad.evaluation.suites import SUITES
from utad.interpret.paper_figures import FIGURES

TEXTURES = SUITES["textures"]


def test_every_figure_of_the_paper_has_its_methods_and_each_is_trained_once():
    plan = plan_figures(TEXTURES, categories=["brick", "grass"])
    assert {*FIGURES, 8} == set(NUMBERS) == set(plan.shown)
    assert plan.shown[5] == METHODS
    assert plan.shown[6] == (*ONE_STAGE, "utad")
    assert plan.shown[7] == plan.shown[8] == ("utad",)
    assert plan.shown[9] == (
        *("abs(x - x_hat)", "stage 0 alone", "stage 1 alone", "stage 2 alone", "stage 3 alone", "stage 4 alone"),
        *("without L_info", "without Expert-Net", "without guidance", "PM", "utad"),
    )
    assert plan.shown[10] == ("without guidance", "utad")
    groups = list(plan.by_category())
    assert [cells[0].category for cells in groups] == ["brick", "grass"]
    for cells in groups:
        names = [cell.method for cell in cells]
        assert names[0] == "utad"
        assert sorted(names) == sorted(set().union(*plan.shown.values()))
        # utad, without L_info and without guidance train; all other variants of it measure the same training.
        assert len({cell.training for cell in cells} - {None}) == 3


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_every_variant_is_a_config(preset):
    for cell in next(iter(plan_figures(TEXTURES, preset=preset).by_category())):
        if cell.base == "utad":
            load_config(preset, overrides=cell.overrides)


def test_the_reference_is_trained_whatever_is_asked_for():
    (cells,) = plan_figures(TEXTURES, numbers=[5], methods=["padim"], categories=["brick"]).by_category()
    assert [cell.method for cell in cells] == ["utad", "padim"]


def test_settings_go_to_the_methods_that_they_are_of():
    plan = plan_figures(
        TEXTURES, numbers=[6], categories=["brick"], settings=["ie_training.steps=7", "ae-ssim.steps=9"]
    )
    (cells,) = plan.by_category()
    assert {cell.method: cell.overrides for cell in cells} == {
        "utad": ("ie_training.steps=7",),
        "ae-ssim": ("steps=9",),
        "skip-ganomaly": (),
    }
    with pytest.raises(
        ConfigError, match=r"got the setting lsa\.steps=9, and lsa is not among the methods: utad, padim"
    ):
        with_settings(variants_of(["utad", "padim"]), ["lsa.steps=9"])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"numbers": [5, 4]}, "got figure 4: expected some of 5, 6, 7, 8, 9, 10"),
        ({"numbers": []}, "got figure none"),
        ({"images": 0}, "got 0 images to show, expected at least 1"),
        ({"methods": ["gan"]}, "unknown method gan"),
        ({"categories": ["wall"]}, "suite textures has no category wall"),
    ],
)
def test_what_does_not_exist_is_named(wanted, message):
    with pytest.raises(ConfigError, match=message):
        list(plan_figures(TEXTURES, **wanted).by_category())


def test_a_shared_training_costs_its_time_once():
    (cells,) = plan_figures(TEXTURES, numbers=[9], categories=["brick"]).by_category()
    seconds = dict(zip([cell.method for cell in cells], seconds_of(cells), strict=True))
    assert seconds["utad"] == seconds["without L_info"] == seconds["without guidance"]
    assert seconds["PM"] == seconds["stage 0 alone"] < seconds["utad"] / 2
