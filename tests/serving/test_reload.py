from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.serving.conftest import png, wait_until
from utad.export.exported import ExportedDetector

IMAGE = png(seed=3, defective=True)


def test_models_are_listed(client, own_run):
    (model,) = client.get("/v1/models").json()["models"]
    assert (model["name"], model["format"], model["threshold"]) == ("part", "openvino", 0.5)


def test_a_model_is_exchanged_under_load_and_a_bad_one_is_not(client, service, own_run):
    """Every answer is that of one of the two models, in whole; a damaged third one changes nothing."""
    old_version = service.model("part").version
    answers = []
    stop = []

    def ask() -> None:
        while not stop:
            answers.append(client.post("/v1/predict", content=IMAGE))

    detector = ExportedDetector.load(own_run / "openvino")
    detector.threshold = 99.0
    with ThreadPoolExecutor(2) as threads:
        asking = [threads.submit(ask) for _ in range(2)]
        try:
            wait_until(lambda: len(answers) > 2)
            detector.save_threshold(own_run / "openvino")
            new = client.post("/v1/models/part/reload")
            assert new.status_code == 200
            assert (new.json()["version"], new.json()["threshold"]) == (old_version + 1, 99.0)
            count = len(answers)
            wait_until(lambda: len(answers) > count + 2)
            graph = own_run / "openvino" / "detector.bin"
            content = bytearray(graph.read_bytes())
            content[len(content) // 2] ^= 1
            graph.write_bytes(content)
            bad = client.post("/v1/models/part/reload")
            assert bad.status_code == 409
            assert "damaged" in bad.json()["error"]
        finally:
            stop.append(1)
    for one in asking:
        one.result()
    assert {answer.status_code for answer in answers} == {200}
    seen = {(answer.json()["version"], answer.json()["predictions"][0]["threshold"]) for answer in answers}
    assert seen == {(old_version, 0.5), (old_version + 1, 99.0)}
    assert client.post("/v1/predict", content=IMAGE).json()["version"] == old_version + 1
    assert len(list(service._store.iterdir())) == 1


def test_an_unknown_model_is_not_exchanged(client):
    assert client.post("/v1/models/other/reload").status_code == 404


@pytest.fixture(autouse=True, scope="module")
def as_before(own_run):
    """The run is shared with other tests."""
    before = own_run.parent / "before"
    shutil.copytree(own_run, before)
    yield
    shutil.rmtree(own_run)
    before.rename(own_run)
