from __future__ import annotations

import numpy as np
import pytest

from tests.figured import finding, findings, subjects
from utad.interpret.paper_figures import DRAWN, FIGURES, OURS, WITHOUT_DETAIL, paper_figure
from utad.interpret.picture_table import difference_panel, map_panel
from utad.interpret.shown_image import LONGEST, Finding, Subject
from utad.types import Prediction


def titles(number: int, *methods: str) -> list[str]:
    return [title.replace("\n", " ") for title, _ in FIGURES[number].columns(methods)]


def shown(number: int, title: str, row: int = 0, methods: tuple[str, ...] = (OURS, "ae-ssim")) -> np.ndarray:
    made = dict(zip(titles(number, *methods), FIGURES[number].columns(methods), strict=True))[title][1]
    return made(subjects()[row], {name: own[row] for name, own in findings().items()}).pixels


def test_methods_stand_side_by_side_with_ours_last():
    assert titles(5, OURS, "padim", "ae-ssim") == ["input x", "ground truth", "padim", "ae-ssim", "utad"]
    found = findings()["padim"][0]
    assert np.array_equal(shown(5, "padim", methods=(OURS, "padim")), map_panel(found.anomaly_map).pixels)


def test_each_map_has_score_and_verdict_below_it():
    figure = paper_figure(FIGURES[5], subjects(), findings())
    captions = [axis.get_xlabel() for axis in figure.axes]
    width = len(findings()) + 2
    assert [axis.get_title() for axis in figure.axes[:width]] == [
        title for title, _ in FIGURES[5].columns(list(findings()))
    ]
    assert [axis.get_ylabel() for axis in figure.axes[: 2 * width : width]] == ["square", "normal"]
    assert {"0.90: anomalous", "0.10: normal", "0.70: anomalous", "0.60: anomalous", "0.40: normal"} <= set(captions)
    assert captions.count("not known") == 1  # the ground truth of the second image


def test_one_stage_stands_beside_two():
    assert titles(6, OURS, "ae-ssim") == [
        *("input x, ground truth", "ae-ssim x̂", "ae-ssim |x - x̂|"),
        *("utad impression m", "utad x̂", "utad |x - x̂|"),
    ]
    subject, found = subjects()[0], findings()["ae-ssim"][0]
    assert np.array_equal(shown(6, "ae-ssim x̂"), found.pictures["reconstruction"])
    expected = difference_panel(subject.pixels, found.pictures["reconstruction"]).pixels
    assert np.array_equal(shown(6, "ae-ssim |x - x̂|"), expected)
    assert titles(6, "ae-ssim") == ["input x, ground truth", "ae-ssim x̂", "ae-ssim |x - x̂|"]


def test_intermediate_results_are_those_of_the_paper():
    assert titles(7, OURS) == [
        *("input x", "ground truth", "impression m", "naive impression m̂", "reconstruction x̂"),
        *("|x - x̂|", "|m - m̂|", "|x - m|", "anomaly map", "mask"),
    ]
    found = findings()[OURS][0]
    pictures = found.pictures
    expected = difference_panel(pictures["impression"], pictures["naive_impression"]).pixels
    assert np.array_equal(shown(7, "|m - m̂|", methods=(OURS,)), expected)
    assert np.array_equal(shown(7, "mask", methods=(OURS,))[..., 0] > 0, found.pred_mask)
    assert not shown(7, "mask", row=1, methods=(OURS,)).any()


def test_without_the_detail_extractor_two_draws_are_shown():
    assert titles(10, OURS, WITHOUT_DETAIL) == [
        *("input x, ground truth", "impression m"),
        *(f"x̂ {what}" for what in ("without E_S, drawn 1", "without E_S, drawn 2", "with E_S")),
        *(f"|x - x̂| {what}" for what in ("without E_S, drawn 1", "without E_S, drawn 2", "with E_S")),
    ]
    pictures = findings()[WITHOUT_DETAIL][0].pictures
    for one in DRAWN:
        assert np.array_equal(shown(10, f"x̂ without E_S, {one}", methods=(OURS, WITHOUT_DETAIL)), pictures[one])
    assert titles(10, OURS)[-1] == "|x - x̂| with E_S"


def test_scales_stand_where_there_are_maps_and_differences():
    for number, scales in ((6, ["differences"]), (7, ["anomaly maps", "differences"]), (10, ["differences"])):
        figure = paper_figure(FIGURES[number], subjects()[1:], {OURS: findings()[OURS][1:]})
        last = [axis.get_xlabel() for axis in figure.axes]
        assert [
            words for words in ("anomaly maps", "differences") if any(text.startswith(words) for text in last)
        ] == scales


def test_what_is_kept_of_an_image_is_small_and_still_fits_together():
    height, width = 700, 330
    prediction = Prediction(
        pred_score=0.9,
        pred_label=True,
        threshold=0.5,
        fail_threshold=0.8,
        regions=(),
        raw_score=1.0,
        anomaly_map=np.zeros((height, width), np.float32),
        pred_mask=np.zeros((height, width), bool),
        pictures={"impression": np.zeros((height, width, 3), np.uint8)},
        inside=np.ones((height, width), bool),
    )
    kept = Finding.of(prediction, {"drawn 1": np.ones((height, width, 3), np.uint8)})
    subject = Subject.of("a", "hole", np.zeros((height, width, 3), np.uint16), np.ones((height, width), bool))
    size = subject.pixels.shape[:2]
    assert max(size) <= LONGEST
    assert subject.pixels.dtype == np.uint8
    assert {kept.anomaly_map.shape, kept.pred_mask.shape, kept.inside.shape, subject.gt_mask.shape} == {size}
    assert {picture.shape[:2] for picture in kept.pictures.values()} == {size}
    assert set(kept.pictures) == {"impression", "drawn 1"}
    assert kept.caption == "0.90: anomalous"
    line = np.zeros((height, width), bool)
    line[1] = True
    assert Subject.of("a", "crack", np.zeros((height, width, 3), np.uint8), line).gt_mask[0].all()


@pytest.mark.parametrize("number", list(FIGURES))
def test_captions_say_how_to_read_a_figure(number):
    kind = FIGURES[number]
    assert kind.number == number
    assert len(kind.caption) > 60
    assert ("scale" in kind.caption) == kind.maps


def test_a_finding_says_what_it_is_of():
    assert finding(0.25).caption == "0.25: normal"
    assert finding(-0.001).caption == "0.00: normal"
