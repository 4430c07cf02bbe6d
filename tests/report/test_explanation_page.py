from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
from skimage.draw import polygon2mask

from tests import fabricate
from tests.explained import HEIGHT, NAMES, WIDTH, explanation
from tests.report.elements import Elements
from utad.interpret.component_maps import component_maps
from utad.interpret.explanation import NOT_KEPT
from utad.interpret.explanation_figure import explanation_figure
from utad.report.explanation_page import Link, explanation_page, href, svg_path
from utad.report.region_rows import SHOWN, region_rows
from utad.report.score_chart import HEIGHT as PLOT_HEIGHT
from utad.report.score_chart import WIDTH as PLOT_WIDTH
from utad.report.score_chart import score_chart
from utad.types import Region


def test_the_shares_on_the_page_add_up_to_the_score():
    cells = [attributes for tag, attributes in Elements(explanation_page(explanation())).elements if tag == "td"]
    shares = [float(cell["data-share"]) for cell in cells if "data-share" in cell]
    (score,) = [float(cell["data-score"]) for cell in cells if "data-score" in cell]
    assert len(shares) == 2
    assert sum(shares) == pytest.approx(score, abs=1e-6)


def test_a_component_of_the_map_alone_has_no_number():
    made = explanation()
    maps = {**made.prediction.component_maps, "input-detail": np.ones((2, 2), np.float32)}
    page = Elements(explanation_page(replace(made, prediction=replace(made.prediction, component_maps=maps))))
    assert page.text.count("heat map only") == 1
    assert "input-detail" in page.text
    assert sum("data-share" in attributes for _, attributes in page.elements) == len(made.shares)


def test_nothing_on_the_page_is_asked_of_a_server():
    page = explanation_page(explanation(), index=Link("../index.html", "All"), after=Link("b.html", "b"))
    without_data = re.sub(r"data:image/\w+;base64,[A-Za-z0-9+/=]+", "", page)
    assert not re.findall(r"(?:https?:)?//\w", without_data)
    assert "url(" not in without_data
    assert "@import" not in without_data
    for tag, attributes in Elements(page).elements:
        assert tag not in ("iframe", "object", "embed", "base", "form")
        assert (attributes.get("src") or "data:").startswith("data:")
        assert tag != "link"
    assert "default-src 'none'" in page


def test_names_are_text_whatever_they_hold():
    name = "<script>alert(1)</script>\"'&{{ 7 * 7 }}.png"
    made = explanation(name)
    neighbour = replace(made.neighbours[0], name="<img src=x onerror=alert(2)>")
    page = explanation_page(replace(made, neighbours=(neighbour,)), before=Link("a.html", "<b>vorher</b>"))
    found = Elements(page)
    assert [tag for tag, _ in found.elements].count("script") == 1
    assert not any("onerror" in attributes for _, attributes in found.elements)
    assert name in found.text
    assert "<img src=x onerror=alert(2)>" in found.text
    assert "<b>vorher</b>" in found.text


def test_names_that_are_not_utf_8_are_shown_as_escapes_and_linked_byte_by_byte():
    assert "a\\udcff.png" in explanation_page(explanation("a\udcff.png"))
    assert href("pages/a\udcff b#?.html") == "pages/a%FF%20b%23%3F.html"


def test_the_outline_on_the_page_encloses_the_mask():
    made = explanation()
    (line,) = re.findall(r"M([^MZ]*)Z", svg_path(made.prediction.pred_mask))
    points = np.array(
        [[float(value) for value in point.split()] for point in line.split("L")]
    )  # x, y; pixel 0 is 0 to 1
    inside = polygon2mask((HEIGHT, WIDTH), points[:, ::-1] - 0.5)
    np.testing.assert_array_equal(inside, made.prediction.pred_mask)
    assert 'viewBox="0 0 48 40"' in explanation_page(made)


def test_a_region_is_cut_from_image_and_impression_with_a_margin():
    made = explanation()
    (row,) = region_rows(made)
    # The square covers 12 to 22 and 10 to 20; the margin is 6 pixels.
    shown = np.array(PIL.Image.open(io.BytesIO(base64.b64decode(row.image.partition(",")[2]))))
    np.testing.assert_array_equal(shown, fabricate.defective(HEIGHT, WIDTH)[4:26, 6:28])
    beside = np.array(PIL.Image.open(io.BytesIO(base64.b64decode(row.impression.partition(",")[2]))))
    np.testing.assert_array_equal(beside, fabricate.picture(HEIGHT, WIDTH, seed=0)[4:26, 6:28])
    assert "12, 10, 22, 20" in explanation_page(made)


def test_of_many_regions_the_highest_are_shown_and_the_rest_counted():
    regions = tuple(Region((i, i, i + 1, i + 1), 1, (i, i), 2.0 - i / 100, 1.0) for i in range(SHOWN + 3))
    made = explanation()
    page = explanation_page(replace(made, prediction=replace(made.prediction, regions=regions)))
    assert page.count("Region ") == SHOWN
    assert "3 more regions" in page


def test_the_chart_shows_every_normal_image_threshold_and_score():
    made = explanation(score=0.65)
    chart = score_chart(made)
    assert sum(count for *_, count in chart.bars) == 10
    assert max(height for _, _, height, _ in chart.bars) == pytest.approx(0.9 * PLOT_HEIGHT)
    assert chart.score == pytest.approx((chart.threshold + chart.fail) / 2, abs=0.02)
    assert not chart.beyond
    values = [float(text) for _, text in chart.ticks]
    assert 0.0 in values
    assert len(values) in range(3, 10)
    step = values[1] - values[0]
    assert f"{step:.0e}"[0] in "125"
    assert values == pytest.approx([values[0] + step * count for count in range(len(values))])
    above = score_chart(explanation(score=90.0))
    assert above.beyond
    assert above.score == PLOT_WIDTH
    assert "beyond this scale" in explanation_page(explanation(score=90.0))


def test_a_normal_image_has_neither_regions_nor_an_outline():
    page = explanation_page(explanation(score=0.2))
    assert "an image called normal has no mask" in page
    assert 'd=""' in page
    assert "20" not in re.findall(r"<tr><td class=\"number\">(\d+)</td><td><img", page)


def test_what_a_model_does_not_hold_is_said():
    page = explanation_page(explanation(normal_scores=(), neighbours=(), without_neighbours=NOT_KEPT))
    assert "does not hold the scores of its normal images" in page
    assert "explain.privacy=true" in page
    assert "neighbours-row" not in page


def test_a_page_of_a_large_image_stays_small():
    noise = np.random.default_rng(0).integers(0, 255, (1500, 2000, 3), np.uint8)
    heat = np.zeros((1500, 2000), np.float32)
    made = explanation(image=noise)
    prediction = replace(
        made.prediction,
        anomaly_map=heat,
        pred_mask=heat > 0,
        regions=(),
        pictures=dict.fromkeys(NAMES, noise),
        component_maps=dict.fromkeys(("input-near", "restored-whole"), heat),
    )
    assert len(explanation_page(replace(made, prediction=prediction))) < 6_000_000


def test_a_region_of_interest_is_outlined_and_nothing_outside_is_coloured():
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[:, 20:] = True
    plain = explanation()
    made = replace(plain, prediction=replace(plain.prediction, inside=inside))
    page = explanation_page(made)
    assert f'<path class="region" d="{svg_path(inside)}"/>' in page
    assert "The dashed white line is the region of interest" in page
    assert "region of interest" not in explanation_page(plain)
    (component, *_) = component_maps(made.prediction, 1000)
    assert (component.level[~inside] == 0).all()
    assert (component.level[inside] > 0).any()
    assert explanation_figure(made).axes
