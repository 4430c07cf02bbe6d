"""The page of `utad serve` in a headless Chromium, from a real server."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests import fabricate
from tests.browsers import chromium, needs_axe, needs_chromium, serious_faults
from tests.serving.conftest import wait_until
from tests.serving.served import Server, served
from utad import load_detector
from utad.config import load_config

pytestmark = needs_chromium

HOSTILE = "<img src=x onerror=alert(1)>.png"
TOKEN = "0123456789abcdef"
WIDTH, HEIGHT = 150, 120


def file(name: str, pixels: np.ndarray, *, kind: str = "PNG") -> dict:
    """An image as a browser is given one."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind)
    return {"name": name, "mimeType": f"image/{kind.lower()}", "buffer": content.getvalue()}


BAD = file("teil 1.png", fabricate.defective(HEIGHT, WIDTH, seed=3))
GOOD = file("=1+1.png", fabricate.picture(seed=2))  # one that the model was trained on
DAMAGED = {"name": HOSTILE, "mimeType": "image/png", "buffer": b"this is not an image"}


@pytest.fixture(scope="module")
def marks(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("marks") / "feedback"


@pytest.fixture(scope="module")
def server(graph, marks, tmp_path_factory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "log"
    models = (f"part={graph}", f"zweites={graph}")
    # The first image of a size takes long on a machine that does much else.
    with served(log, *models, "--workers", "1", "--deadline", "120", "--feedback", str(marks)) as made:
        wait_until(made.ready)
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with chromium("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as running:
        yield running


@contextmanager
def opened(browser, address: str, *allowed: str, routes: dict | None = None, **options) -> Iterator[object]:
    """The page; it must ask this server alone, break no policy, open no dialog, and log nothing but what is allowed.

    `routes` are requests that do not reach the server as they are, by the pattern of their address.
    """
    context = browser.new_context(**options)
    context.set_default_timeout(60_000)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: any(part in message.text for part in allowed) or faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.on("request", lambda request: request.url.startswith((address, "blob:")) or faults.append(request.url))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', event => console.error('policy', event.violatedDirective))"
    )
    for pattern, answer in (routes or {}).items():
        page.route(pattern, answer)
    page.goto(address)
    yield page
    context.close()
    assert faults == []


@pytest.fixture
def page(browser, server) -> Iterator[object]:
    # A damaged image is answered with 422, which Chromium logs.
    with opened(browser, server.address, "status of 422") as made:
        made.locator("#model:enabled").wait_for()
        yield made


def upload(page, *files: dict, rows: int | None = None) -> None:
    page.set_input_files("#files", list(files))
    finished(page, len(files) if rows is None else rows)


def finished(page, rows: int) -> None:
    page.wait_for_function(
        "rows => document.querySelectorAll('#rows tr').length >= rows"
        " && !document.querySelector('#status').textContent.includes('being sent')",
        arg=rows,
    )


def row(page, name: str):
    return page.locator("#rows tr").filter(has_text=name)


def scores(server: Server, image: dict) -> dict:
    (prediction,) = server.predict(image["buffer"]).json()["predictions"]
    return prediction


def test_two_images_one_of_them_damaged_and_its_name_stays_text(page, server):
    upload(page, BAD, DAMAGED)
    expected = scores(server, BAD)
    assert page.locator("#result-title").text_content() == "teil 1.png"
    assert page.locator("#score").text_content() == f"{expected['pred_score']:.3f}"
    assert page.locator("#band").text_content() == expected["band"] == "fail"
    assert page.locator("#verdict-words").text_content().startswith("Anomalous")
    boxes = page.locator("#regions tbody td:nth-child(4)").all_text_contents()
    assert boxes == [", ".join(map(str, region["box"])) for region in expected["regions"]]
    assert page.locator("#outline .mask-line").get_attribute("d").startswith("M")
    assert page.locator("#lines").get_attribute("viewBox") == f"0 0 {WIDTH} {HEIGHT}"
    for shown in ("#base", "#layer", "#picture-impression", "#picture-naive_impression", "#picture-reconstruction"):
        page.wait_for_function("shown => document.querySelector(shown).naturalWidth > 0", arg=shown)
    damaged = row(page, "onerror")
    assert damaged.locator("th").text_content() == HOSTILE
    assert "not a readable image" in damaged.locator(".fault").text_content()
    assert page.locator("#rows img").count() == 0
    assert "1 could not be scored" in page.locator("#status").text_content()


def test_the_map_can_be_faded_the_outline_hidden_and_the_picture_chosen(page):
    upload(page, BAD)
    slider = page.locator("#opacity")
    slider.focus()
    page.keyboard.press("Home")
    assert page.locator("#layer").evaluate("element => getComputedStyle(element).opacity") == "0"
    page.keyboard.press("End")
    assert page.locator("#layer").evaluate("element => getComputedStyle(element).opacity") == "1"
    assert page.locator("#opacity-shown").text_content() == "100 %"
    page.keyboard.press("h")
    assert slider.input_value() == "0"
    page.keyboard.press("c")
    assert not page.locator("#outline").is_visible()
    before = page.locator("#base").get_attribute("src")
    for key, kind in (("2", "impression"), ("3", "naive_impression"), ("4", "reconstruction")):
        page.keyboard.press(key)
        expected = page.locator(f"#picture-{kind}").get_attribute("src")
        assert page.locator("#base").get_attribute("src") == expected != before
    page.keyboard.press("1")
    assert page.locator("#base").get_attribute("src") == before


def test_the_normal_images_that_look_most_like_it_are_shown(page, graph):
    upload(page, BAD)
    kept = load_detector(graph).normal_images
    shown = page.locator("#similar figure")
    assert shown.count() == min(5, len(kept.names))
    for index in range(shown.count()):
        distance, name = shown.nth(index).locator("figcaption").inner_text().split("\n")
        assert name in kept.names
        assert float(distance) >= 0
        picture = shown.nth(index).locator("img")
        assert picture.get_attribute("alt") == f"Normal image {index + 1}: {name}"
        picture.evaluate("element => element.decode()")
    distances = [float(text.split("\n")[0]) for text in shown.locator("figcaption").all_inner_texts()]
    assert distances == sorted(distances)
    assert not page.locator("#no-similar").is_visible()


def test_the_threshold_of_the_page_calls_its_images_anew_and_leaves_the_model_alone(page, server):
    upload(page, BAD, GOOD)
    good, slider = row(page, "=1+1"), page.locator("#threshold")
    assert good.locator(".band").text_content() == "pass"
    assert page.locator("#commands").is_hidden()
    slider.focus()
    page.keyboard.press("Home")
    assert good.locator(".band").text_content() != "pass"
    assert "the model: pass" in good.text_content()
    assert "100.0 % of the normal images would be flagged" in page.locator("#share").text_content()
    page.keyboard.press("End")
    assert row(page, "teil 1").locator(".band").text_content() == "pass"
    assert "the model: fail" in row(page, "teil 1").text_content()
    assert ": 0.0 % of the normal images" in page.locator("#share").text_content()
    value = page.locator("#threshold-shown").text_content()
    assert slider.get_attribute("aria-valuetext") == value
    assert f"--threshold {value}" in page.locator("#predict-command").text_content()
    assert "At the threshold of this page" in page.locator("#verdict-here").text_content()
    assert page.locator("#band").text_content() == "fail"
    page.locator("#reset").click()
    assert page.locator("#threshold-shown").text_content() == "0.500"
    assert good.locator(".band").text_content() == "pass"
    assert page.locator("#verdict-here").is_hidden()
    models = httpx.get(f"{server.address}/v1/models").json()["models"]
    assert [model["threshold"] for model in models] == [0.5, 0.5]


def test_each_of_several_models_has_its_own_threshold_in_the_page(page):
    upload(page, BAD)
    page.locator("#model").select_option("zweites")
    upload(page, BAD, rows=2)
    page.locator("#threshold").press("End")
    verdicts = [line.split("\t")[2:] for line in page.locator("#rows tr").all_inner_texts()]
    assert [(verdict.split()[0], model) for verdict, model in verdicts] == [
        ("pass", "zweites, version 1"),
        ("fail", "part, version 1"),
    ]


def test_the_threshold_can_be_dragged_to_a_share_that_calibrate_takes(page):
    page.locator("#histogram").scroll_into_view_if_needed()
    box = page.locator("#histogram").bounding_box()
    line = page.locator("#line .handle").bounding_box()
    page.mouse.move(line["x"] + line["width"] / 2, line["y"] + 2)
    page.mouse.down()
    for share in range(60, 10, -1):
        page.mouse.move(box["x"] + box["width"] * share / 100, box["y"] + 60)
        said = page.locator("#share").text_content()
        if not said.startswith("Above") or ": 0.0 %" not in said:
            break
    page.mouse.up()
    command = page.locator("#calibrate-command").text_content()
    assert command.startswith("utad calibrate MODEL --normal DIR --fpr 0.0")
    assert 0 < float(command.split()[-1]) < 0.5


def test_a_region_is_drawn_by_mouse_and_is_the_setting_that_a_config_takes(page):
    upload(page, BAD)
    page.locator("summary").click()
    page.locator("#drawing").check()
    page.locator("#stage").scroll_into_view_if_needed()
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.8 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.25 * box["height"], steps=3)
    page.mouse.up()
    page.mouse.move(box["x"] + 5, box["y"] + 5)  # nothing is drawn any more
    setting = page.locator("#roi-setting").text_content()
    assert setting == "image.roi=[30,30,90,96]"
    assert load_config(overrides=[setting]).image.roi == ((30.0, 30.0, 90.0, 96.0),)
    assert page.locator("rect.drawn").last.get_attribute("width") == "60"
    page.locator("#roi-parts").check()
    setting = page.locator("#roi-setting").text_content()
    assert load_config(overrides=[setting]).image.roi == ((0.2, 0.25, 0.6, 0.8),)


def test_a_region_is_typed_and_a_wrong_one_is_said_to_be_wrong(page):
    upload(page, BAD)
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    page.locator("#roi-left").focus()
    for side in ("12", "20", "100", "110"):
        page.keyboard.type(side)
        page.keyboard.press("Tab")
    assert page.locator("#roi-setting").text_content() == "image.roi=[12,20,100,110]"
    assert page.locator("rect.drawn").last.get_attribute("x") == "12"
    page.locator("#roi-right").fill("151")
    assert page.locator("#roi-setting").text_content() == ""
    assert f"within 0 and {WIDTH} across" in page.locator("#roi-note").text_content()
    assert page.locator("#roi-right").get_attribute("aria-invalid") == "true"
    # A box of one pixel in the corner would be read as the whole image.
    for side, value in (("left", "0"), ("top", "0"), ("right", "1"), ("bottom", "1")):
        page.locator(f"#roi-{side}").fill(value)
    setting = page.locator("#roi-setting").text_content()
    assert load_config(overrides=[setting]).image.roi == ((0.0, 0.0, 0.0067, 0.0083),)


def test_the_table_downloads_as_csv_with_no_formula_in_it(page, server):
    upload(page, BAD, GOOD, DAMAGED)
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename == "predictions.csv"
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"), newline="")))
    assert list(rows[0]) == ["path", "pred_score", "pred_label", "threshold", "band", "model", "version"]
    by_name = {one["path"]: one for one in rows}
    assert set(by_name) == {"teil 1.png", "'=1+1.png"}
    for name, image in (("teil 1.png", BAD), ("'=1+1.png", GOOD)):
        expected = scores(server, image)
        assert float(by_name[name]["pred_score"]) == pytest.approx(expected["pred_score"], rel=1e-6)
        assert by_name[name]["pred_label"] == str(expected["pred_label"]).lower()
        assert (by_name[name]["threshold"], by_name[name]["band"]) == ("0.5", expected["band"])
        assert (by_name[name]["model"], by_name[name]["version"]) == ("part", "1")


def test_a_file_that_no_browser_shows_is_shown_as_the_server_has_it(page):
    upload(page, file("teil.tif", fabricate.picture(seed=2), kind="TIFF"))
    page.wait_for_function("() => document.querySelector('#base').naturalWidth > 0")
    assert "turned it into a PNG" in page.locator("#base-note").text_content()
    assert page.locator("#base-note").is_visible()


def test_a_folder_is_taken_without_what_is_no_image(page, tmp_path):
    folder = tmp_path / "teile"
    for index in (1, 2, 10):
        fabricate.save(folder / "serie" / f"{index}.png", fabricate.picture(seed=index))
    (folder / "notes.txt").write_text("none", encoding="utf-8")
    (folder / ".hidden.png").write_bytes(b"none")
    page.set_input_files("#folder", folder)
    finished(page, 3)
    names = page.locator("#rows th").all_text_contents()
    assert sorted(names) == ["teile/serie/1.png", "teile/serie/10.png", "teile/serie/2.png"]
    assert "left out" in page.locator("#status").text_content()


def test_images_can_be_dropped(page):
    page.evaluate(
        """bytes => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
          const dropped = new DragEvent("drop", { dataTransfer: transfer, bubbles: true });
          document.querySelector("#drop").dispatchEvent(dropped);
        }""",
        list(GOOD["buffer"]),
    )
    finished(page, 1)
    assert page.locator("#rows th").all_text_contents() == ["dropped.png"]


def test_a_picture_of_the_camera_is_scored(page):
    page.locator("#take-picture").click()
    page.locator("#shoot:enabled").click()
    finished(page, 1)
    assert page.locator("#rows th").text_content().startswith("camera ")
    assert row(page, "camera").locator(".band").count() == 1
    assert not page.locator("#camera-dialog").is_visible()


def test_a_wrong_result_is_marked_and_kept(page, marks):
    upload(page, GOOD)
    page.locator("#marking [data-label=anomalous]").click()
    page.wait_for_function("() => document.querySelector('#marked').textContent.startsWith('Kept as')")
    kept = page.locator("#marked").text_content().split()[-1]
    assert (marks / kept).read_bytes() == GOOD["buffer"]
    assert kept.startswith("abnormal/")
    lines = [json.loads(line) for line in (marks / "feedback.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines if line["file"] == kept] == [GOOD["name"]]
    assert "marked: anomalous" in row(page, "=1+1").text_content()


def test_a_server_that_is_busy_is_asked_again_when_it_says_so(browser, server):
    answers = iter([(503, "1", "full"), (409, "0", "the model is <b>bad</b>")])

    def refuse(route) -> None:
        status, wait, words = next(answers, (0, "", ""))
        if not status:
            route.continue_()
            return
        body = json.dumps({"error": words})
        route.fulfill(status=status, headers={"retry-after": wait}, content_type="application/json", body=body)

    with opened(browser, server.address, "status of", routes={"**/v1/predict*": refuse}) as page:
        page.locator("#model:enabled").wait_for()
        page.set_input_files("#files", [GOOD])
        page.wait_for_function("() => document.querySelector('#status').textContent.includes('going on in 1 s')")
        finished(page, 1)
        assert page.locator(".fault").text_content() == "the model is <b>bad</b>"
        page.locator("#rows .again").click()
        page.locator("#rows .band").wait_for()
        assert page.locator("#rows .fault").count() == 0
        assert page.locator("#again").is_hidden()


def test_a_server_that_loads_its_models_for_a_minute_is_waited_for(browser, server):
    refused = []

    def loading(route) -> None:
        if len(refused) == 6:
            route.continue_()
            return
        refused.append(route)
        body = json.dumps({"error": "no worker is ready yet, the models are being loaded"})
        route.fulfill(status=503, headers={"retry-after": "2"}, content_type="application/json", body=body)

    with opened(browser, server.address, "status of 503", routes={"**/v1/predict*": loading}) as page:
        page.locator("#model:enabled").wait_for()
        page.clock.install()
        page.set_input_files("#files", [GOOD])

        def later() -> bool:
            page.clock.run_for(5_000)
            return page.locator("#rows .band").count() == 1

        wait_until(later)
        assert len(refused) == 6


def test_a_server_that_is_gone_fails_all_that_waits_which_can_be_sent_again(browser, server):
    gone = {"**/v1/predict*": lambda route: route.abort()}
    with opened(browser, server.address, "ERR_FAILED", routes=gone) as page:
        page.locator("#model:enabled").wait_for()
        page.clock.install()
        page.set_input_files("#files", [{**GOOD, "name": f"{index}.png"} for index in range(5)])

        def later(count: int, what: str) -> bool:
            page.clock.run_for(5_000)
            return page.locator(f"#rows {what}").count() == count

        wait_until(lambda: later(5, ".fault"))
        assert "does not answer" in page.locator("#rows .fault").first.text_content()
        assert page.locator("#again").text_content() == "Send again what failed (5)"
        page.unroute("**/v1/predict*")
        page.locator("#again").click()
        wait_until(lambda: later(5, ".band"))
        assert page.locator("#rows .fault").count() == 0
        assert page.locator("#result").is_visible()


def test_the_token_is_asked_for_once_and_kept_in_the_tab(browser, server):
    def guarded(route) -> None:
        if route.request.headers.get("authorization") == f"Bearer {TOKEN}":
            route.continue_()
        else:
            route.fulfill(status=401, content_type="application/json", body='{"error": "a token"}')

    with opened(browser, server.address, "status of 401", routes={"**/v1/**": guarded}) as page:
        page.locator("#token").fill("wrong")
        page.keyboard.press("Enter")
        page.wait_for_function(
            "() => document.querySelector('#token-fault').textContent.includes('does not take this token')"
        )
        page.locator("#token").fill(TOKEN)
        page.keyboard.press("Enter")
        page.locator("#model:enabled").wait_for()
        assert not page.locator("#token-dialog").is_visible()
        upload(page, GOOD)
        page.reload()
        page.locator("#model:enabled").wait_for()
        assert not page.locator("#token-dialog").is_visible()
        assert page.evaluate("[sessionStorage.length, localStorage.length]") == [1, 0]
        page.locator("#forget").click()
        page.locator("#token-dialog").wait_for()


def test_many_images_keep_their_numbers_and_the_last_ones_their_pictures(page):
    small = [{**GOOD, "name": f"{index:02}.png"} for index in range(20)]
    upload(page, *small)
    row(page, "05.png").locator("button").click()
    for name in ("03.png", "18.png"):
        row(page, name).locator("button").click()
        assert page.locator("#result-title").text_content() == name
        if page.locator("#without-pictures").is_visible():
            break
    assert "keeps the pictures of 16 images" in page.locator("#without-pictures").text_content()
    page.locator("#look-again").click()
    page.locator("#with-pictures").wait_for()
    assert page.locator("#rows tr").count() == 20


def test_old_rows_are_dropped_and_that_is_said(page):
    said = page.evaluate(
        """async () => {
          const { History } = await import("/page/history.js");
          const history = new History({ open: () => {}, again: () => {}, judge: () => ({ band: "pass" }) });
          history.note = () => {};
          for (let index = 0; index < 2002; index += 1) {
            history.add({ name: `${index}` }, { result: { pred_score: 0, model: "m", version: 1, band: "pass" } });
          }
          History.prototype.note.call(history);
          return [history.rows.length, history.rows.at(-1).name, document.querySelector("#history-note").textContent];
        }"""
    )
    assert said[:2] == [2000, "2"]
    assert "2 older ones were dropped" in said[2]


def test_a_row_is_opened_by_the_keyboard_and_the_result_gets_the_focus(page):
    upload(page, BAD, GOOD)
    row(page, "=1+1").locator("button").focus()
    page.keyboard.press("Enter")
    assert page.locator("#result-title").text_content() == "=1+1.png"
    assert page.evaluate("document.activeElement.id") == "result-title"
    assert row(page, "=1+1").get_attribute("aria-current") == "true"
    assert page.locator("#no-regions").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_has_the_colours_of_the_scheme(browser, server, scheme):
    phone = {"width": 390, "height": 844}
    options = {"viewport": phone, "has_touch": True, "is_mobile": True, "color_scheme": scheme}
    with opened(browser, server.address, "status of 422", **options) as page:
        page.locator("#model:enabled").wait_for()
        upload(page, BAD, DAMAGED)
        page.locator("summary").tap()
        page.locator("#marking [data-label=anomalous]").tap()
        page.wait_for_function("() => document.querySelector('#marked').textContent.includes('ept as')")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (colour == "rgb(255, 255, 255)") == (scheme == "light")
        low = page.locator("button:visible").evaluate_all("all => Math.min(...all.map(one => one.clientHeight))")
        assert low >= 32


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(browser, server, scheme):
    with opened(browser, server.address, "status of 422", bypass_csp=True, color_scheme=scheme) as page:
        page.locator("#model:enabled").wait_for()
        assert serious_faults(page) == []
        upload(page, BAD, GOOD, DAMAGED)
        page.locator("summary").click()
        page.locator("#threshold").press("Home")
        assert serious_faults(page) == []
        page.locator("#take-picture").click()
        page.locator("#shoot:enabled").wait_for()
        assert serious_faults(page) == []
