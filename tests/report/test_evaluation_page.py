from __future__ import annotations

import base64
import io
import json
import re
import time
from urllib.parse import unquote

import numpy as np
import PIL.Image
import pytest

from tests import fabricate
from tests.evaluated import HOLE, HOSTILE, SCRATCH, Squares, report_of, samples
from tests.report.elements import Elements
from utad.data.ground_truth import Truth
from utad.data.reading import load_image
from utad.errors import OutputError
from utad.evaluation.evaluate import METRICS, evaluate_to_folder
from utad.interpret.figures import coloured, opacity_of
from utad.predictor import Predictor
from utad.report import gallery
from utad.report.data_uris import heat_uri, thumbnail_uri
from utad.report.evaluation_report import REPORT, HtmlReport
from utad.report.gallery import Gallery
from utad.report.score_axis import UNIT, WIDTH, axis_of, histogram, ticks
from utad.types import Category


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    page, evaluation = report_of(samples(), folder)
    return folder, page, evaluation


def opened_uri(uri: str) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def data_of(page: str) -> dict:
    return json.loads(Elements(page).scripts[0])


def test_the_numbers_on_the_page_are_those_of_metrics_json(evaluated):
    folder, page, _ = evaluated
    (metrics,) = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["parts"].values()
    metrics = metrics["utad"]["0"]
    flat = {f"{group}.{key}": value for group in ("image", "pixel") for key, value in metrics[group].items()}
    flat |= {key: value for key, value in metrics.items() if isinstance(value, float)}
    cells = [attributes for _, attributes in Elements(page).elements if "data-key" in attributes]
    assert {cell["data-key"]: float(cell["data-value"]) for cell in cells} == flat
    assert "12 anomalous" in Elements(page).text


def test_the_page_says_what_the_threshold_flags_of_each_kind(evaluated):
    data = data_of(evaluated[1])
    groups = [(group["anomalous"], len(group["scores"])) for group in data["groups"]]
    assert groups == [(False, 6), (True, 6), (True, 6)]
    flagged = [sum(score > data["threshold"] for score in group["scores"]) for group in data["groups"]]
    assert flagged == [1, 6, 5]
    rows = re.findall(r'flagged-count">(\d+)</td>', evaluated[1])
    assert list(map(int, rows)) == flagged
    for words, count in (("false alarm", 1), ("miss", 1), ("found", 11), ("normal", 5)):
        assert len(re.findall(rf'class="label [a-z-]+">{words}</span>', evaluated[1])) == count


def test_the_gallery_is_sorted_by_score_and_knows_every_image(evaluated):
    cards = data_of(evaluated[1])["cards"]
    assert len(cards) == 18
    scores = [card["score"] for card in cards]
    assert scores == sorted(scores, reverse=True)
    assert all(card["truth"] for card in cards if card["group"] > 0)
    assert not any(card["truth"] for card in cards if card["group"] == 0)


def test_the_page_asks_no_server_and_names_are_text(evaluated):
    page = evaluated[1]
    assert not re.search(r"https?:|//[a-z]", re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", page))
    elements = Elements(page)
    sources = [attributes["src"] for _, attributes in elements.elements if attributes.get("src")]
    assert all(source.startswith("data:image/") for source in sources)
    assert {tag for tag, _ in elements.elements}.isdisjoint({"link", "iframe", "i"})
    assert not any("onclick" in attributes for _, attributes in elements.elements)
    for name in (HOSTILE, SCRATCH, HOLE, "teile <1>"):
        assert name in elements.text
    assert "Content-Security-Policy" in page
    assert [tag for tag, _ in elements.elements].count("script") == 2


def test_without_masks_or_of_one_kind_the_page_has_what_exists(tmp_path):
    page, _ = report_of(samples(masks=False), tmp_path / "a")
    assert "AUROC" in page
    assert "AUPRO" not in page
    assert "show-truth" not in [attributes.get("id") for _, attributes in Elements(page).elements]
    page, evaluation = report_of(samples()[:5], tmp_path / "b")
    assert evaluation.image is None
    assert "Curves" not in Elements(page).text
    assert "one kind alone" in page


def test_what_somebody_else_wrote_is_kept_and_nothing_is_begun(tmp_path):
    (tmp_path / REPORT).write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match=r"holds report\.html"):
        report_of(samples(), tmp_path)
    assert (tmp_path / REPORT).read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / METRICS[0]).exists()


def test_a_page_of_150_images_takes_seconds_beside_the_scoring(tmp_path):
    images = samples(n=50)
    category = Category("parts", (), images)
    times = []
    for folder, page in (("without", None), ("with", HtmlReport(images, title="parts"))):
        start = time.process_time()
        evaluate_to_folder(Predictor(Squares()), category, tmp_path / folder, dataset="p", seed=0, companion=page)
        times.append(time.process_time() - start)
    assert times[1] - times[0] < 10


def test_a_thousand_images_of_noise_stay_below_25_megabytes():
    rng = np.random.default_rng(0)
    kept = Gallery(1000)
    sample = samples(n=1)[1]
    for index in range(3):
        image = rng.integers(0, 256, (300, 400, 3), np.uint8)
        (prediction,) = Predictor(Squares()).predict([image])
        noise = rng.random((300, 400), np.float32)
        prediction = type(prediction)(**{**vars(prediction), "anomaly_map": noise, "pred_mask": noise > 0.8})
        kept.add(index, sample, image, prediction, Truth(bool(sample.anomalous), noise > 0.9))
    cards = kept.cards()
    size = sum(len(card.picture) + len(card.heat) + len(card.mask) + len(card.truth) for card in cards) / len(cards)
    assert 1000 * (size + 1500) < 25_000_000


def test_of_too_many_images_the_most_telling_stay(monkeypatch, tmp_path):
    monkeypatch.setattr(gallery, "SHOWN", 4)
    page, _ = report_of(samples(), tmp_path)
    data = data_of(page)
    assert len(data["cards"]) == 4
    # The false alarm, the miss, and what is closest to the threshold.
    groups = [card["group"] for card in data["cards"]]
    assert {0, 2} <= set(groups)
    assert "The 4 of 18 images" in Elements(page).text
    assert sum(len(group["scores"]) for group in data["groups"]) == 18


def test_the_threshold_has_its_colour_in_a_map_and_a_larger_one_covers_more():
    level = np.array([[0.0, 0.5], [0.25, 1.0]], np.float32)
    with opened_uri(heat_uri(level, 96, 10_000)) as picture:
        shown = np.asarray(picture.convert("RGBA"))
    assert (shown[..., :3] == coloured(level)).all()
    assert (shown[..., 3] == np.round(255 * opacity_of(level))).all()


def test_thumbnails_keep_small_images_exactly_and_large_ones_within_their_bytes():
    small = fabricate.picture(28, 28)
    with opened_uri(thumbnail_uri(small, 320, 10_000)) as picture:
        assert (np.asarray(picture.convert("RGB")) == small).all()
    noise = np.random.default_rng(0).integers(0, 256, (500, 700, 3), np.uint8)
    sizes = []
    for most in (200_000, 30_000, 6_000):
        uri = thumbnail_uri(noise, 320, most)
        assert len(base64.b64decode(uri.partition(",")[2])) <= most
        with opened_uri(uri) as picture:
            sizes.append(picture.size)
    assert sizes[0] == (320, 229)
    assert sizes == sorted(sizes, reverse=True)


def test_the_axis_holds_all_scores_and_every_image_is_in_a_bar():
    rng = np.random.default_rng(0)
    normal, anomalous = rng.normal(0, 0.2, 300), rng.exponential(4, 200)
    axis = axis_of(np.concatenate([normal, anomalous]), 0.5)
    for scores, bars in zip((normal, anomalous), histogram(axis, (normal, anomalous)), strict=True):
        assert sum(bar.count for bar in bars) == len(scores)
        assert all(0 < bar.share <= 1 for bar in bars)
    x = axis.x(np.linspace(-1, 10, 50))
    assert (np.diff(x) > 0).all()
    marks = dict((label, x) for x, label in ticks(axis))
    assert 0 < marks["0"] < marks["0.5"] < WIDTH
    assert marks["0.5"] == pytest.approx(float(axis.x(np.array(UNIT))))
    only = np.array([0.5])
    assert sum(bar.count for bar in histogram(axis_of(only, 0.5), (only, only[:0]))[0]) == 1
    assert histogram(axis_of(only, 0.5), (only, only[:0]))[1] == []


def test_explanations_are_of_mistakes_first_and_reached_from_the_page(detector, tmp_path):
    images = samples()
    category = Category("parts", (), images)
    page = HtmlReport(images, title="parts", explain=3, explainer=detector)
    evaluate_to_folder(Predictor(Squares()), category, tmp_path, dataset="parts", seed=0, companion=page)
    cards = data_of((tmp_path / REPORT).read_text(encoding="utf-8"))["cards"]
    linked = [card for card in cards if card["page"]]
    assert len(linked) == 3
    threshold = 0.5
    mistakes = [card for card in linked if (card["score"] > threshold) != (card["group"] > 0)]
    assert len(mistakes) == 2
    for card in linked:
        file = tmp_path / unquote(card["page"])
        for link in re.findall(r'<a href="([^"]+)"', file.read_text(encoding="utf-8")):
            assert (file.parent / unquote(link)).is_file()
    # A later evaluation without explanations leaves none of an earlier one.
    report_of(images, tmp_path)
    assert not (tmp_path / "explanations").exists()


def test_an_image_whose_defects_do_not_count_is_shown_as_a_normal_one():
    sample = next(sample for sample in samples() if sample.anomalous)
    prediction = Predictor(Squares()).predict(load_image(sample))
    kept = Gallery(1)
    kept.add(0, sample, load_image(sample), prediction, Truth(anomalous=False, mask=None, outside=True))
    (card,) = kept.cards()
    assert (card.anomalous, card.kind, card.truth) == (False, "normal", "")
