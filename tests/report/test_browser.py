from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.explained import explanation
from utad.report.explanation_page import Link, explanation_page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def opened(browser, tmp_path: Path) -> Iterator[object]:
    """The page of an image, opened from disk; it must ask for nothing and report no error."""
    made = explanation()
    neighbour = replace(made.neighbours[0], name="<img src='https://example.org/x.png' onerror=alert(1)>")
    after = Link("after.html", "<i>after</i>")
    file = tmp_path / "seite <1>.html"
    file.write_text(explanation_page(replace(made, neighbours=(neighbour,)), after=after), encoding="utf-8")
    (tmp_path / "after.html").write_text("<title>after</title>", encoding="utf-8")
    context = browser.new_context(offline=True)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or faults.append(request.url))
    page.goto(file.as_uri())
    yield page
    assert faults == []
    context.close()


def test_the_slider_sets_the_opacity_of_the_map(opened):
    slider = opened.locator("#opacity")
    slider.focus()
    opened.keyboard.press("Home")
    assert opened.locator("#layer").evaluate("element => element.style.opacity") == "0"
    opened.keyboard.press("End")
    assert opened.locator("#layer").evaluate("element => element.style.opacity") == "1"
    assert opened.locator("#opacity-shown").text_content() == "100 %"


def test_keys_toggle_map_and_outline_and_choose_the_picture(opened):
    opened.keyboard.press("h")
    assert opened.locator("#opacity").input_value() == "0"
    opened.keyboard.press("h")
    assert opened.locator("#opacity").input_value() == "70"
    assert opened.locator("#outline").is_visible()
    opened.keyboard.press("c")
    assert not opened.locator("#outline").is_visible()
    before = opened.locator("#base").get_attribute("src")
    opened.keyboard.press("2")
    assert opened.locator("#base").get_attribute("src") == opened.locator("#picture-impression").get_attribute("src")
    opened.keyboard.press("1")
    assert opened.locator("#base").get_attribute("src") == before


def test_n_goes_to_the_next_page(opened):
    opened.keyboard.press("n")
    opened.wait_for_url("**/after.html")


def test_names_with_html_in_them_are_text(opened):
    assert opened.locator("h1").text_content() == "teil <b>&amp;</b> 1.png"
    assert opened.locator("h1 b").count() == 0
    assert opened.locator("figcaption img").count() == 0


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_into_its_width_and_has_the_colours_of_the_scheme(opened, width, scheme):
    opened.set_viewport_size({"width": width, "height": 800})
    opened.emulate_media(color_scheme=scheme)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    colour = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(255, 255, 255)") == (scheme == "light")


def test_print_leaves_the_controls_out(opened):
    opened.emulate_media(media="print")
    assert not opened.locator("#opacity").is_visible()
    assert opened.locator("#layer").is_visible()
