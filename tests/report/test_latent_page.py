from __future__ import annotations

import json
from collections import Counter

import numpy as np

from tests import fabricate
from tests.figured import HOSTILE, coded_images, hand_made_map
from tests.report.elements import Elements
from utad.interpret.latent_map import CODES, latent_map
from utad.report.explanation_page import Link
from utad.report.latent_page import MARGIN, SIDE, latent_page, thumbnail_of

THUMBNAILS = [thumbnail_of(fabricate.picture(seed=seed)) for seed in range(24)]


def page_of(found=None) -> Elements:
    return Elements(
        latent_page(
            found or hand_made_map(),
            THUMBNAILS,
            title="Latent space: <i>teile</i>",
            seed=3,
            index=Link("index.html", "All figures"),
        )
    )


def attributes(page: Elements, tag: str, **wanted: str) -> list[dict[str, str | None]]:
    return [
        found for name, found in page.elements if name == tag and all(found.get(key) == wanted[key] for key in wanted)
    ]


def test_every_image_is_a_mark_in_every_map_and_a_thumbnail():
    page = page_of()
    marks = attributes(page, "g", role="option")
    assert Counter(mark["id"].split("-")[0] for mark in marks) == dict.fromkeys(CODES, 24)
    assert len({mark["id"] for mark in marks}) == 48
    pictures = attributes(page, "img", loading="lazy")
    assert len(pictures) == 24
    assert {picture["src"] for picture in pictures} == set(THUMBNAILS)


def test_images_stand_in_the_order_of_their_scores_at_their_places():
    page, found = page_of(), hand_made_map()
    # Scores rise with the index: the first image of the page is the last of the map.
    (first,) = attributes(page, "g", id="mu-0")
    x, y = MARGIN + (SIDE - 2 * MARGIN) * found.positions["mu"][23]
    assert (float(first["data-x"]), float(first["data-y"])) == (round(x, 1), round(y, 1))
    assert attributes(page, "img", loading="lazy")[0]["src"] == THUMBNAILS[23]


def test_normal_images_lie_below_the_others():
    kinds = [mark["data-kind"] for mark in attributes(page_of(), "g", role="option")[:24]]
    assert kinds == sorted(kinds)
    assert kinds.count("0") == 12


def test_names_and_kinds_are_text():
    page = page_of()
    assert not attributes(page, "b", onclick="alert(1)")
    assert not attributes(page, "i")
    assert f"23 {HOSTILE}.png" in page.text
    assert "Latent space: <i>teile</i>" in page.text


def test_the_page_asks_for_nothing_and_says_what_the_code_tells():
    page = page_of()
    for _, values in page.elements:
        for key in ("src", "href"):
            assert (values.get(key) or "data:").startswith(("data:", "index.html"))
    assert "100 % of the 5 images nearest to an anomalous one are anomalous too, 48 % by chance" in page.text
    assert "Seed of t-SNE: 3" in page.text


def test_a_model_without_features_has_one_map():
    page = page_of(latent_map(coded_images(features=False)))
    assert [box["data-map"] for box in attributes(page, "div", role="listbox")] == ["mu"]


def test_thumbnails_are_small_whatever_the_image_is():
    noise = np.random.default_rng(0).integers(0, 65536, (2000, 900, 3), dtype=np.uint16)
    assert len(thumbnail_of(noise)) < 9000
    assert thumbnail_of(fabricate.picture(8, 8)).startswith("data:image/webp")
    assert json.dumps(thumbnail_of(noise)).isascii()
