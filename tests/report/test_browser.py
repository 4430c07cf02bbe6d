from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests import fabricate
from tests.browsers import chromium, needs_axe, needs_chromium, serious_faults
from tests.evaluated import HOSTILE, SCRATCH, report_of, samples
from tests.explained import explanation
from tests.figured import HOSTILE as HOSTILE_KIND
from tests.figured import hand_made_map, written_figures
from tests.trained import HOSTILE as HOSTILE_IMAGE
from tests.trained import report as training_report
from utad.report.benchmark_page import benchmark_page
from utad.report.explanation_page import Link, explanation_page
from utad.report.latent_page import latent_page, thumbnail_of
from utad.report.training_page import training_page

PAGES = ["explanation_file", "report_file", "benchmark_file", "latent_file", "training_file", "figures_file"]

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with chromium() as running:
        yield running


@contextmanager
def watched(browser, file: Path) -> Iterator[object]:
    """A page opened from disk, with no network; it must ask for nothing and report no error."""
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


@pytest.fixture(scope="module")
def explanation_file(tmp_path_factory) -> Path:
    made = explanation()
    neighbour = replace(made.neighbours[0], name="<img src='https://example.org/x.png' onerror=alert(1)>")
    after = Link("after.html", "<i>after</i>")
    file = tmp_path_factory.mktemp("explanation") / "seite <1>.html"
    file.write_text(explanation_page(replace(made, neighbours=(neighbour,)), after=after), encoding="utf-8")
    file.with_name("after.html").write_text("<title>after</title>", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def report_file(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report <1>")
    report_of(samples(), folder)
    return folder / "report.html"


@pytest.fixture(scope="module")
def benchmark_file(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("benchmark") / "report.html"
    results = Path(__file__).parents[2] / "benchmarks" / "results" / "textures.json"
    file.write_text(benchmark_page(json.loads(results.read_text(encoding="utf-8"))), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def latent_file(tmp_path_factory) -> Path:
    thumbnails = [thumbnail_of(fabricate.picture(seed=seed)) for seed in range(24)]
    file = tmp_path_factory.mktemp("latent") / "karte <1>.html"
    page = latent_page(hand_made_map(), thumbnails, title="Latent space: <i>teile</i>", seed=3)
    file.write_text(page, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def training_file(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("training") / "report.html"
    file.write_text(training_page(training_report()), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def figures_file(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    written_figures(folder, 5, failed="lsa: <b>no luck</b>")
    return folder / "index.html"


@pytest.fixture
def opened(browser, explanation_file: Path) -> Iterator[object]:
    """The page of an image."""
    with watched(browser, explanation_file) as page:
        yield page


@pytest.fixture
def report(browser, report_file: Path) -> Iterator[object]:
    """The page of an evaluation of 18 images, with one false alarm and one miss."""
    with watched(browser, report_file) as page:
        yield page


@pytest.fixture
def latent(browser, latent_file: Path) -> Iterator[object]:
    """The page of a latent map of 24 images, those of the first map on a grid of five columns."""
    with watched(browser, latent_file) as page:
        yield page


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
@pytest.mark.parametrize("kind", PAGES)
def test_a_page_fits_into_its_width_and_has_the_colours_of_the_scheme(browser, request, kind, width, scheme):
    with watched(browser, request.getfixturevalue(kind)) as page:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (colour == "rgb(255, 255, 255)") == (scheme == "light")


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", PAGES)
def test_axe_finds_no_serious_fault(browser, request, kind, scheme):
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)
    page = context.new_page()
    page.goto(request.getfixturevalue(kind).as_uri())
    states = [lambda: None]
    if kind == "report_file":
        states.append(page.locator(".card").first.click)  # the dialog is a page of its own
    if kind == "latent_file":
        states += [page.locator(".map").first.focus, page.locator("summary").click]
    for reach in states:
        reach()
        assert serious_faults(page) == []
    context.close()


def test_print_leaves_the_controls_out(opened):
    opened.emulate_media(media="print")
    assert not opened.locator("#opacity").is_visible()
    assert opened.locator("#layer").is_visible()


def flags(page) -> list[int]:
    """Normal images, and those of each kind, above the threshold that is shown."""
    return [int(text) for text in page.locator("#flags .flagged-count").all_text_contents()]


def shown(page) -> list[str]:
    return page.locator(".card:visible .label").all_text_contents()


def test_the_slider_moves_the_threshold_by_keys_and_r_brings_it_back(report):
    assert flags(report) == [1, 6, 5]
    slider = report.locator("#threshold")
    report.keyboard.press("t")
    assert slider.evaluate("element => element === document.activeElement")
    report.keyboard.press("Home")
    assert flags(report) == [6, 6, 6]
    assert set(shown(report)) == {"false alarm", "found"}
    report.keyboard.press("End")
    assert flags(report) == [0, 0, 0]
    assert "12 missed" in report.locator("#summary").text_content()
    before = float(slider.get_attribute("aria-valuetext"))
    report.keyboard.press("ArrowLeft")
    assert float(slider.get_attribute("aria-valuetext")) < before
    report.keyboard.press("r")
    assert flags(report) == [1, 6, 5]
    assert report.locator("#threshold-shown").text_content() == "0.500"
    assert report.locator("#reset").is_disabled()


def test_the_line_can_be_dragged(report):
    report.locator("#histogram").scroll_into_view_if_needed()
    box = report.locator("#histogram").bounding_box()
    line = report.locator("#line .handle").bounding_box()
    report.mouse.move(line["x"] + line["width"] / 2, line["y"] + 2)
    report.mouse.down()
    report.mouse.move(box["x"] + box["width"] - 20, box["y"] + 60, steps=4)
    report.mouse.up()
    assert flags(report) == [0, 0, 0]
    assert float(report.locator("#threshold-shown").text_content()) > 1
    report.mouse.move(box["x"] + 30, box["y"] + 60)  # nothing is dragged any more
    assert flags(report) == [0, 0, 0]
    report.locator("#reset").click()
    assert flags(report) == [1, 6, 5]


def test_filters_show_mistakes_kinds_and_names(report):
    assert len(shown(report)) == 18
    for outcome, words in (("false-alarm", "false alarm"), ("miss", "miss")):
        report.locator(f"input[value={outcome}]").check()
        assert shown(report) == [words]
    report.locator("input[name=outcome]").first.check()
    report.locator("#kind").select_option(label=SCRATCH)
    assert report.locator(".card:visible .kind").all_text_contents() == 6 * [SCRATCH]
    report.locator("#kind").select_option(label="all")
    report.keyboard.press("/")
    report.keyboard.type("GOOD/00")
    assert len(shown(report)) == 6
    assert report.locator("#shown").text_content() == "6 of 18 images are shown."
    # Letters are typed and are no keys here.
    report.keyboard.type("rth")
    assert report.locator("#search").input_value() == "GOOD/00rth"
    assert report.locator("#maps").is_checked()


def test_the_gallery_is_sorted_as_one_asks(report):
    def scores() -> list[float]:
        return [float(text) for text in report.locator(".card .line b").all_text_contents()]

    assert scores() == sorted(scores(), reverse=True)
    report.locator("#order").select_option("up")
    assert scores() == sorted(scores())
    report.locator("#order").select_option("name")
    names = report.locator(".card .name").all_text_contents()
    assert names[0] < names[-1]


def test_an_image_opens_and_keys_go_on_from_it(report):
    card = report.locator(".card").nth(1)
    card.focus()
    report.keyboard.press("Enter")
    dialog = report.locator("#details")
    assert dialog.is_visible()
    first = report.locator("#details-name").text_content()
    assert report.locator("#base").get_attribute("src") == card.locator("img").first.get_attribute("src")
    assert report.locator("#drawn path.mask-line").last.get_attribute("d").startswith("M")
    report.keyboard.press("ArrowRight")
    second = report.locator("#details-name").text_content()
    assert second != first
    report.keyboard.press("ArrowLeft")
    assert report.locator("#details-name").text_content() == first
    report.keyboard.press("h")
    assert report.locator("#opacity").input_value() == "0"
    report.keyboard.press("g")
    assert not report.locator("#show-truth").is_checked()
    assert not report.locator("#drawn path.truth").is_visible()
    report.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert card.evaluate("element => element === document.activeElement")


def test_a_hostile_name_is_text_on_the_card_and_in_the_dialog(report):
    report.locator("#search").fill("script")
    card = report.locator(".card:visible")
    assert card.locator(".name").text_content() == HOSTILE
    card.click()
    assert report.locator("#details-name").text_content() == HOSTILE
    assert report.locator("#details-name b").count() == 0
    assert report.locator("h1").text_content() == "teile <1>"


def test_maps_can_be_taken_off_all_images(report):
    heat = report.locator(".heat").first
    report.keyboard.press("h")
    assert heat.evaluate("element => getComputedStyle(element).opacity") == "0"
    report.keyboard.press("h")
    assert heat.evaluate("element => getComputedStyle(element).opacity") == "0.75"


def test_a_printed_report_has_tables_curves_and_images_and_no_controls(report):
    report.emulate_media(media="print")
    for control in ("#threshold", "#reset", "#search", "#outcomes"):
        assert not report.locator(control).is_visible()
    for part in ("#flags", "#histogram", ".card >> nth=0"):
        assert report.locator(part).is_visible()


def test_the_rows_of_a_benchmark_can_be_filtered(browser, benchmark_file):
    with watched(browser, benchmark_file) as page:
        page.locator("#method").select_option("padim")
        page.locator("#category").select_option("grass")
        rows = page.locator(".filtered tbody tr:visible")
        assert {tuple(row.split("\t")[:2]) for row in rows.all_inner_texts()} == {("grass", "padim")}


def marked(page) -> tuple[str | None, set[str | None]]:
    """The name that is shown, and the images that are selected in the maps."""
    selected = page.locator(".point[aria-selected=true]")
    return (
        page.locator("#name").text_content(),
        set(selected.evaluate_all("marks => marks.map(mark => mark.dataset.image)")),
    )


def test_an_image_is_shown_when_its_mark_is_pointed_at(latent):
    assert latent.locator("#nothing").is_visible()
    latent.locator("#mu-4").hover()
    # Scores fall with the number in the page: the fifth is the twentieth of the map.
    assert marked(latent) == (f"19 {HOSTILE_KIND}.png", {"4"})
    assert latent.locator(".point[aria-selected=true]").count() == 2  # in both maps
    assert latent.locator("#kind").text_content() == "loch"
    shown = latent.locator("#picture").get_attribute("src")
    assert shown == latent.locator(".all li img").nth(4).get_attribute("src")
    assert latent.locator("#picture").is_visible()
    for box in latent.locator(".map").all():
        assert box.locator(".ring").is_visible()


def test_arrow_keys_go_from_mark_to_mark(latent):
    grid = latent.locator(".map").first
    grid.focus()
    assert marked(latent)[1] == {"0"}  # the highest score
    assert grid.get_attribute("aria-activedescendant") == "mu-0"
    # The images lie in rows of five, the lowest score at the upper left.
    for key, image in (("ArrowLeft", "1"), ("ArrowUp", "6"), ("ArrowRight", "5"), ("ArrowDown", "0"), ("End", "23")):
        latent.keyboard.press(key)
        assert marked(latent)[1] == {image}
    latent.keyboard.press("ArrowLeft")  # nothing lies there
    assert marked(latent)[1] == {"23"}
    latent.keyboard.press("Home")
    latent.keyboard.press("Tab")
    assert latent.evaluate("document.activeElement.dataset.map") == "features"
    assert marked(latent)[1] == {"0"}
    latent.keyboard.press("Escape")
    assert latent.locator("#nothing").is_visible()
    assert grid.get_attribute("aria-activedescendant") is None


def test_kinds_of_images_can_be_left_out_of_the_maps(latent):
    grid, kind = latent.locator(".map").first, "loch"
    grid.focus()
    assert latent.locator("#kind").text_content() == kind
    latent.locator(".kinds label", has_text=kind).locator("input").focus()
    latent.keyboard.press("Space")
    assert latent.locator(".point:visible").count() == 2 * 18
    assert latent.locator("#nothing").is_visible()
    latent.locator("summary").click()
    assert latent.locator(".all li:visible").count() == 18
    grid.focus()
    latent.keyboard.press("End")
    seen = set()
    for _ in range(12):
        seen.add(latent.locator("#kind").text_content())
        latent.keyboard.press("ArrowRight")
    assert kind not in seen
    latent.locator(".kinds label", has_text=kind).locator("input").check()
    assert latent.locator(".point:visible").count() == 48


def test_kinds_and_names_with_html_in_them_are_text_in_a_latent_map(latent):
    assert latent.locator("h1").text_content() == "Latent space: <i>teile</i>"
    assert latent.locator("h1 i").count() == 0
    latent.locator("#mu-1").hover()
    assert latent.locator("#kind").text_content() == HOSTILE_KIND
    assert latent.locator("#kind b").count() == 0


def test_a_training_report_has_names_as_text_and_links_to_its_parts(browser, training_file):
    with watched(browser, training_file) as page:
        assert page.locator(".suspects .name").first.text_content() == HOSTILE_IMAGE
        assert page.locator(".suspects b:has-text('alert')").count() == 0
        for target in page.locator(".findings a").evaluate_all("links => links.map(link => link.hash)"):
            assert page.locator(target).count() == 1
        page.locator("summary").focus()
        page.keyboard.press("Enter")
        assert page.locator("pre").is_visible()
        widths = page.locator("img").evaluate_all("images => images.map(image => image.naturalWidth)")
        assert min(widths) > 0
