from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from tests.report.elements import Elements
from tests.trained import HOSTILE, curve, record, report, stage
from utad.report.training_page import training_page

PICTURES = re.compile(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+")


def charts(page: str) -> list[str]:
    return [found["data-chart"] for _, found in Elements(page).elements if "data-chart" in found]


def test_the_page_says_what_there_is_to_look_at():
    text = Elements(training_page(report())).text
    assert "1 image far above all others." in text
    assert "1 image copied." in text
    assert "1 damaged file skipped." in text
    assert "collapsed, or was trained" not in text
    assert "are few" not in text
    assert "Trained on 120 images, read as flat, at 32 x 32 pixels in colour, in 2.1 min. 12 of them" in text
    assert "preset: fast" in text


def test_names_are_text_and_the_page_asks_no_server():
    page = training_page(report())
    elements = Elements(page)
    for name in (HOSTILE, "<i>leer</i>.png", "<u>4</u>.png", "teile <1>", "7 copy.png"):
        assert name in elements.text
    assert {tag for tag, _ in elements.elements}.isdisjoint({"link", "iframe", "script", "i", "u"})
    assert not any("onclick" in attributes for _, attributes in elements.elements)
    assert not re.search(r"https?:|//[a-z]", PICTURES.sub("", page))


def test_unusual_images_come_first_to_last_with_their_maps():
    page = training_page(report())
    names = re.findall(r'class="name">([^<]*)</span>', page)[:5]
    assert names == ["teil&lt;/li&gt;&lt;b onclick=alert(1)&gt;.png", *(f"{index}.png" for index in range(2, 6))]
    assert page.count('<li class="outlier">') == 1
    assert page.count("The same with its anomaly map") == 5
    # The proportions are those of the images, which are 40 pixels high and 80 wide.
    assert page.count("aspect-ratio: 80 / 40") == 2 * 5 + 2


def test_losses_have_a_chart_each_and_codes_a_section_of_their_own():
    page = training_page(report())
    codes = ["ie_net.mu_std", "ie_net.sigma_mean", "expert_net.detail_std"]
    # A loss of one term is shown once, as that term.
    losses = ["ie_net.reconstruction", "expert_net.loss", "feature_net.restoration"]
    assert charts(page) == codes + losses
    assert "60 s" in page
    assert "taken from its checkpoint" in page


def test_a_code_that_collapsed_is_named():
    made = record()
    dead = {"loss": curve(5.0, 2.0), "detail_std": curve(1e-3, 1e-6)}
    stages = (made.stages[0], stage("expert_net", dead), made.stages[2])
    text = Elements(training_page(report(of_record=replace(made, stages=stages)))).text
    assert "Spread of the detail code: 2.7e-05." in text
    assert "it has collapsed, or was trained too briefly" in text
    assert "None has collapsed" not in text


def test_restored_images_are_shown_by_step_of_both_stages():
    elements = Elements(training_page(report()))
    shown = [attributes["alt"] for tag, attributes in elements.elements if tag == "img" and attributes["alt"]]
    for what in ("impression", "reconstruction"):
        assert shown.count(f"Its {what} after 1 steps") == shown.count(f"Its {what} after 20 steps") == 2
    assert "after 1 step" in elements.text


def test_with_privacy_there_is_no_picture_of_a_training_image():
    made = record()
    bare = [replace(picture, pixels=None, heat=None) for picture in made.unusual]
    copies = tuple((replace(one, pixels=None), replace(other, pixels=None)) for one, other in made.copies)
    stages = tuple(replace(one, snapshots={}, examples=np.empty((0, 1, 1, 3), np.uint8)) for one in made.stages)
    page = training_page(
        report(
            of_record=replace(made, private=True, unusual=tuple(bare), copies=copies, stages=stages, example_names=())
        )
    )
    assert not PICTURES.search(page)
    assert "explain.privacy=true" in page
    assert "7 copy.png" in page
    assert HOSTILE in Elements(page).text


def test_few_images_handed_over_make_a_page_too():
    made = record(
        name="", layout="", left_out=(), skipped=(), copies=(), n_copies=0, scores=np.array([0.1, 0.2, 0.0, 0.3])
    )
    text = Elements(training_page(report(n_images=4, of_record=made))).text
    assert "4 images are few." in text
    assert "Nothing that was handed over." in text
    assert "A rate of 1\u00a0% cannot be seen in 4 images" in text
    assert "from 99 images on" in text
    assert "from 999 images on" in text


def test_networks_that_were_left_untrained_have_no_curves():
    page = training_page(report(of_record=record(stages=(), example_names=())))
    assert charts(page) == []
    assert "Neither stage was trained" in page
