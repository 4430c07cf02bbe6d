from __future__ import annotations

import base64
import io
import os
import signal
import tempfile
import zlib
from threading import Thread

import numpy as np
import pytest
from PIL import Image

from tests import fabricate
from tests.serving.conftest import SETTINGS, png, wait_until
from utad import load_detector
from utad.interpret.png import decode_map


@pytest.fixture(scope="module")
def expected(own_run):
    """What the Python API says of a defective image."""
    return load_detector(own_run / "openvino", threads=1).predict(fabricate.defective(seed=3))


DEFECTIVE = png(seed=3, defective=True)


def form(*contents: bytes) -> list:
    return [("images", (f"{index}.png", content, "image/png")) for index, content in enumerate(contents)]


def bomb(side: int) -> bytes:
    """A PNG whose header says `side` x `side`, and whose pixels are there, compressed to next to nothing."""
    one = zlib.compressobj(9)
    rows = one.compress(bytes(side // 8 + 1) * 64) + one.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_the_normal_images_that_look_most_like_it(client, own_run, expected):
    answer = client.post("/v1/predict?similar=3", content=DEFECTIVE)
    (one,) = answer.json()["predictions"]
    nearest = load_detector(own_run / "openvino").normal_images.nearest(expected.code, 3)
    assert [similar["name"] for similar in one["similar"]] == [neighbour.name for neighbour in nearest]
    for similar, neighbour in zip(one["similar"], nearest, strict=True):
        assert similar["distance"] == pytest.approx(neighbour.distance, rel=1e-4)
        assert base64.b64decode(similar["thumbnail"]) == neighbour.jpeg
    assert "similar" not in client.post("/v1/predict", content=DEFECTIVE).json()["predictions"][0]
    assert client.post("/v1/predict?similar=21", content=DEFECTIVE).status_code == 400


def test_an_image_as_the_body_gets_the_prediction_of_the_python_api(client, service, expected):
    answer = client.post("/v1/predict", content=DEFECTIVE)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["model"], body["version"]) == ("part", service.model("part").version)
    (one,) = body["predictions"]
    assert one["pred_score"] == pytest.approx(expected.pred_score, rel=1e-6)
    assert one["pred_label"] == expected.pred_label
    assert one["band"] == expected.band
    assert one["threshold"] == expected.threshold
    assert (one["height"], one["width"]) == (40, 48)
    for region, other in zip(one["regions"], expected.regions, strict=True):
        assert tuple(region["box"]) == other.box
        assert (region["area"], region["peak"]) == (other.area, pytest.approx(other.peak, rel=1e-5))
    assert "pictures" not in one


def test_images_of_a_form_are_answered_in_their_order(client):
    contents = [png(seed=1), DEFECTIVE, png(seed=2, size=(60, 50))]
    together = client.post("/v1/predict", files=form(*contents)).json()["predictions"]
    alone = [client.post("/v1/predict", content=content).json()["predictions"][0] for content in contents]
    assert [one["name"] for one in together] == ["0.png", "1.png", "2.png"]
    for one, other in zip(together, alone, strict=True):
        assert one["pred_score"] == pytest.approx(other["pred_score"], rel=1e-6)


def test_pictures_come_on_request(client, expected):
    save = "map,mask,overlay,impression,naive_impression,reconstruction"
    (one,) = client.post("/v1/predict", params={"save": save}, content=DEFECTIVE).json()["predictions"]
    opened = {kind: Image.open(io.BytesIO(base64.b64decode(text))) for kind, text in one["pictures"].items()}
    assert list(opened) == save.split(",")
    assert {picture.size for picture in opened.values()} == {(48, 40)}
    np.testing.assert_array_equal(np.array(opened["mask"]), expected.pred_mask)
    found = decode_map(np.array(opened["map"]).astype(np.uint16))
    np.testing.assert_allclose(found, np.clip(expected.anomaly_map, 0, 7), atol=0.15)
    np.testing.assert_array_equal(np.array(opened["reconstruction"]), expected.reconstruction)


def test_an_unreadable_image_has_an_error_in_its_place(client):
    answer = client.post("/v1/predict", files=form(b"no image", DEFECTIVE))
    assert answer.status_code == 200
    bad, good = answer.json()["predictions"]
    assert bad == {"name": "0.png", "error": bad["error"]}
    assert "not a readable image" in bad["error"]
    assert good["pred_score"] > 0


@pytest.mark.parametrize("content", [b"<svg/>", DEFECTIVE[:150], bomb(30_000)], ids=["svg", "cut", "bomb"])
def test_where_no_image_can_be_read_the_status_says_so(client, content):
    assert len(content) < 1_000_000
    answer = client.post("/v1/predict", content=content)
    assert answer.status_code == 422
    assert set(answer.json()["predictions"][0]) == {"name", "error"}


def test_a_bomb_is_refused_from_its_header(client):
    answer = client.post("/v1/predict", content=bomb(30_000))
    assert "could be decompression bomb" in answer.json()["predictions"][0]["error"]
    assert answer.elapsed.total_seconds() < 1.0
    large = client.post("/v1/predict", content=bomb(2_000)).json()["predictions"][0]["error"]
    assert "2000 x 2000 pixels are more than the limit of 1,000,000" in large


@pytest.mark.parametrize(
    ("asked", "status", "text"),
    [
        ({"params": {"model": "other"}, "content": DEFECTIVE}, 404, "expected one of part"),
        ({"params": {"save": "maps"}, "content": DEFECTIVE}, 400, "choose from map, mask"),
        ({"content": b""}, 400, "empty body"),
        ({"data": {"a": "b"}, "files": []}, 422, ""),
        ({"files": [("images", ("a.png", b""))]}, 422, ""),
        ({"content": b"--x", "headers": {"content-type": "multipart/form-data"}}, 400, "boundary"),
        ({"files": form(*[DEFECTIVE] * 4)}, 413, "at most 3 images"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_a_reason(client, asked, status, text):
    answer = client.post("/v1/predict", **asked)
    assert answer.status_code == status
    assert text in answer.text


def test_hostile_names_are_given_back_as_text_and_cut(client):
    name = "../../<script>alert(1)</script>" + 1_000 * "x" + ".png"
    answer = client.post("/v1/predict", files=[("images", (name, DEFECTIVE))])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["predictions"][0]["name"] == name[:255]
    longer = client.post("/v1/predict", files=[("images", (10_000 * "x", DEFECTIVE))])
    assert longer.status_code == 400


@pytest.mark.parametrize("with_length", [True, False])
def test_a_body_over_the_limit_is_refused_and_leaves_nothing(client, service, with_length):
    before = set(os.listdir(tempfile.gettempdir()))
    sent = []

    def pieces():
        for _ in range(100):
            sent.append(1)
            yield bytes(50_000)

    content = bytes(SETTINGS.max_bytes + 1) if with_length else pieces()
    answer = client.post("/v1/predict", content=content)
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"
    assert "300,000 bytes" in answer.json()["error"]
    assert service.held_bytes == 0
    assert service.in_hand == 0
    assert set(os.listdir(tempfile.gettempdir())) <= before


def test_bodies_that_fill_the_memory_set_aside_are_refused(client, service, monkeypatch):
    monkeypatch.setattr(service, "held_bytes", service.settings.max_held_bytes)
    answer = client.post("/v1/predict", content=DEFECTIVE)
    assert answer.status_code == 503
    assert service.held_bytes == service.settings.max_held_bytes


def test_beyond_the_bound_of_the_queue_requests_are_sent_away(client, service):
    """The worker is held, so that what is sent stays in the queue."""
    (pid,) = service.pool.pids
    answers = []

    def post() -> None:
        answers.append(client.post("/v1/predict", content=DEFECTIVE))

    os.kill(pid, signal.SIGSTOP)
    threads = []
    try:
        for waiting in (0, 1, 2, 3, 4):
            threads.append(Thread(target=post))
            threads[-1].start()
            wait_until(lambda expected=waiting: len(service.pool.queue) == expected and service.in_hand > expected)
        refused = client.post("/v1/predict", content=DEFECTIVE)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert "4 images wait already" in refused.json()["error"]
        assert client.get("/v2/health/live").elapsed.total_seconds() < 0.2
    finally:
        os.kill(pid, signal.SIGCONT)
    for thread in threads:
        thread.join(60)
    assert [answer.status_code for answer in answers] == [200] * 5
    assert client.post("/v1/predict", content=DEFECTIVE).status_code == 200


def test_a_lost_worker_is_a_503_and_is_replaced(client, service):
    (pid,) = service.pool.pids
    answers = []
    os.kill(pid, signal.SIGSTOP)
    thread = Thread(target=lambda: answers.append(client.post("/v1/predict", content=DEFECTIVE)))
    thread.start()
    wait_until(lambda: service.in_hand == 1 and not len(service.pool.queue))
    os.kill(pid, signal.SIGKILL)
    thread.join(60)
    assert answers[0].status_code == 503
    assert "retry-after" in answers[0].headers
    wait_until(lambda: service.ready)
    assert client.post("/v1/predict", content=DEFECTIVE).status_code == 200
