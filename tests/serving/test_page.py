"""The page for people: what is sent, under which headers, and to whom."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO

import numpy as np
import PIL.Image
import pytest
from matplotlib import colormaps
from starlette.datastructures import Headers

from tests.report.elements import Elements
from tests.serving.conftest import png
from utad.interpret.figures import strength
from utad.report.colour_scale import LEVELS
from utad.serving.model_routes import _MOST_SCORES
from utad.serving.page_files import page_files
from utad.serving.safety import AccessPolicy

TOKEN = "0123456789abcdef"


def test_the_page_has_nothing_inline_and_loads_from_this_server_alone(client):
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = Elements(answer.text)
    assert "".join(page.scripts).strip() == ""
    assert "style" not in {tag for tag, _ in page.elements}
    loaded = {attributes.get("src") or attributes.get("href") for _, attributes in page.elements} - {None}
    assert {"page/app.js", "page/score_plot.js", "page/serve.css", "page/page.css", "page/scale.png"} <= loaded
    for address in loaded - {"#add", "docs"}:
        assert client.get(f"/{address}").status_code == 200, address
    for _, attributes in page.elements:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]


def test_the_policy_of_the_page_allows_its_own_files_and_turns_no_text_into_html(client):
    policy = dict(
        part.strip().partition(" ")[::2] for part in client.get("/").headers["content-security-policy"].split(";")
    )
    assert policy.pop("default-src") == policy.pop("base-uri") == policy.pop("form-action") == "'none'"
    assert policy == {
        "frame-ancestors": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob:",
        "connect-src": "'self'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/page/page.css", "/page/icon.svg"])
def test_a_browser_asks_each_time_and_is_told_that_it_has_it(client, path):
    first = client.get(path)
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache")
    tag = first.headers["etag"]
    again = client.get(path, headers={"if-none-match": f'"other", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(path, headers={"if-none-match": '"other"'}).content == first.content


def test_scripts_are_scripts_and_import_what_is_there(client):
    for name, file in page_files().items():
        answer = client.get(f"/page/{name}")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        if name.endswith(".js"):
            assert answer.headers["content-type"].startswith("text/javascript")
            imported = re.findall(r'from "\./(.+)"', file.content.decode())
            assert set(imported) <= set(page_files())
    for name in ("nothing.js", "..%2f__init__.py", "%2e%2e/safety.py", "evaluation.css"):
        assert client.get(f"/page/{name}").status_code == 404


def test_no_script_asks_for_anything_elsewhere_or_makes_html_of_text():
    for name, file in page_files().items():
        if file.media_type == "image/png":
            continue
        text = file.content.decode().replace("http://www.w3.org/2000/svg", "")
        for word in ("http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write"):
            assert word not in text.replace("over https and", ""), (name, word)


def test_the_page_may_be_loaded_without_the_token_and_nothing_else():
    policy = AccessPolicy("0.0.0.0", token=TOKEN)

    def status(path: str, **headers: str) -> int | None:
        refused = policy.refusal(path, Headers({"host": "10.0.0.1:8000", **headers}))
        return None if refused is None else refused[0]

    assert [status(path) for path in ("/", "/page/app.js", "/page/serve.css")] == [None, None, None]
    for path in (
        "/v1/models",
        "/v1/models/part/calibration",
        "/v1/feedback",
        "/docs",
        "/metrics",
        "/page/",
        "/page/x.js",
    ):
        assert status(path) == 401
    assert status("/", host="evil.example") == 403
    assert status("/page/app.js", origin="https://evil.example") == 403


def test_the_colours_of_the_scale_are_those_of_the_maps():
    with PIL.Image.open(BytesIO(page_files()["scale.png"].content)) as scale:
        colours = np.asarray(scale)
    expected = colormaps["inferno"](np.arange(256), bytes=True)[:, :3]
    assert colours.shape == (8, 256, 3)
    assert (colours == expected).all()
    style = page_files()["serve.css"].content.decode()
    for index, level in enumerate(strength(LEVELS) * 100):
        (position,) = re.findall(rf"\.at-{index} {{ left: ([\d.]+)%?; }}", style)
        assert float(position) == pytest.approx(level, abs=0.06)


def test_calibration_gives_the_scores_of_the_normal_images(client, service, monkeypatch):
    manifest = service.model("part").manifest
    body = client.get("/v1/models/part/calibration").json()
    assert body == {
        "model": "part",
        "version": service.model("part").version,
        "threshold": manifest.threshold,
        "fail_threshold": manifest.fail_threshold,
        "count": len(manifest.normal_scores),
        "normal_scores": manifest.normal_scores,
        "alone": False,
    }
    many = [index / 10_000 for index in range(10_001)]
    model = service.model("part")
    monkeypatch.setitem(service._models, "part", replace(model, manifest=replace(manifest, normal_scores=many)))
    thinned = client.get("/v1/models/part/calibration").json()
    assert thinned["count"] == 10_001
    assert len(thinned["normal_scores"]) == _MOST_SCORES
    for threshold in (0.05, 0.5, 0.99):
        above = sum(score > threshold for score in thinned["normal_scores"]) / _MOST_SCORES
        assert above == pytest.approx(1 - threshold, abs=1 / _MOST_SCORES)
    assert client.get("/v1/models/other/calibration").status_code == 404


def test_pictures_can_be_had_small_and_the_outline_as_a_path(client):
    from base64 import b64decode

    content = png(seed=3, defective=True)
    query = "save=image,heat,mask&longest=24&outlines=true"
    (prediction,) = client.post(f"/v1/predict?{query}", content=content).json()["predictions"]
    pictures = {kind: PIL.Image.open(BytesIO(b64decode(text))) for kind, text in prediction["pictures"].items()}
    assert {kind: (picture.size, picture.mode) for kind, picture in pictures.items()} == {
        "image": ((24, 20), "RGB"),
        "heat": ((24, 20), "RGBA"),
        "mask": ((24, 20), "1"),
    }
    points = [float(value) for value in re.findall(r"[\d.]+", prediction["outlines"]["mask"])]
    left, top, right, bottom = prediction["regions"][0]["box"]
    assert min(points[::2]) == pytest.approx(min(region["box"][0] for region in prediction["regions"]), abs=1)
    assert max(points[1::2]) <= prediction["height"]
    assert right > left
    assert bottom > top
    (plain,) = client.post("/v1/predict", content=content).json()["predictions"]
    assert "outlines" not in plain
    assert client.post("/v1/predict?longest=2", content=content).status_code == 400
