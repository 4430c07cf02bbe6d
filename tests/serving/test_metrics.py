from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import fabricate
from tests.serving.conftest import png
from utad.export.manifest import read_manifest
from utad.interpret.normal_images import keep_images
from utad.serving.messages import Answer
from utad.serving.metrics import Metrics
from utad.serving.registry import ServedModel


def read(client) -> dict[tuple[str, ...], float]:
    """Values by name and labels."""
    return values(client.get("/metrics").text)


def values(text: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(text)
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_totals_are_what_the_client_counted(client):
    before = read(client)
    answers = [client.post("/v1/predict", content=png(seed=seed)) for seed in range(5)]
    refused = client.post("/v1/predict", content=b"no image")
    gone = client.get("/nothing/of/the/kind")
    after = read(client)

    def more(*name: str) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    assert [answer.status_code for answer in answers] == [200] * 5
    assert more("utad_requests_total", "POST", "/v1/predict", "200") == 5
    assert (refused.status_code, more("utad_requests_total", "POST", "/v1/predict", "422")) == (422, 1)
    assert (gone.status_code, more("utad_requests_total", "GET", "other", "404")) == (404, 1)
    assert more("utad_request_seconds_count", "/v1/predict") == 6
    assert more("utad_images_total", "unreadable", "part") == 1
    bands = [answer.json()["predictions"][0]["band"] for answer in answers]
    for band in ("pass", "review", "fail"):
        assert more("utad_images_total", band, "part") == bands.count(band)
    scores = [answer.json()["predictions"][0]["pred_score"] for answer in answers]
    assert more("utad_pred_score_count", "part") == 5
    assert more("utad_pred_score_bucket", "0.0", "part") == sum(score <= 0 for score in scores)
    assert more("utad_batch_size_sum", "part") == 6
    assert more("utad_batch_seconds_count", "part") == more("utad_batch_size_count", "part") > 0
    assert (after[("utad_queue_images",)], after[("utad_queue_bound",)]) == (0.0, 4.0)
    assert after[("utad_ready",)] == 1.0
    assert ("utad_drift_level", "part") in after
    assert after[("utad_feature_drift_level", "part")] == 0.0  # too few images to tell
    assert after[("process_resident_memory_bytes",)] > 0


def answer(feature_means: np.ndarray) -> Answer:
    """That of a normal image."""
    return Answer(
        pred_score=0.1,
        pred_label=False,
        band="pass",
        threshold=0.5,
        fail_threshold=0.5,
        regions=[],
        height=40,
        width=48,
        aligned=None,
        feature_means=feature_means,
    )


@pytest.fixture
def codes():
    return np.random.default_rng(0).normal(size=(60, 12)).astype(np.float32)


@pytest.fixture
def model(graph, codes):
    pictures = [fabricate.picture(16, 16, seed=seed) for seed in range(60)]
    images = keep_images(pictures, codes, [str(index) for index in range(60)], max_bytes=10**6)
    return ServedModel("part", 1, Path(graph), Path(graph), read_manifest(graph), images)


def test_drift_of_features_is_told_while_the_scores_stay_as_they_were(model, codes):
    metrics = Metrics(recent=100)
    metrics.serve(model)
    means = codes.reshape(60, 3, 4).mean(axis=2)
    for one in means:
        metrics.scored(model, answer(one))
    told = values(metrics.text().decode())
    assert told[("utad_feature_drift_level", "part")] == 0.0
    assert told[("utad_feature_drift_moved", "part")] == 0.0
    for one in means:
        metrics.scored(model, answer(one + np.array([0.0, 3.0, 0.0], np.float32)))
    told = values(metrics.text().decode())
    assert told[("utad_feature_drift_level", "part")] == 2.0
    assert told[("utad_feature_drift_moved", "part")] == pytest.approx(1 / 3)
    assert told[("utad_feature_drift_psi", "part")] > 0.25
    assert 0.0 < told[("utad_feature_drift_ks", "part")] <= 1.0


def test_features_are_not_followed_where_there_are_none_to_compare_with_or_tiles_are_scored(model, codes):
    in_tiles = replace(model, manifest=replace(model.manifest, tiling={"side": 64}))
    for served in (replace(model, normal_images=None), in_tiles):
        metrics = Metrics(recent=100)
        metrics.serve(served)
        for one in codes:
            metrics.scored(served, answer(one[:3] + 5))
        told = values(metrics.text().decode())
        assert told[("utad_feature_drift_level", "part")] == 0.0
        assert np.isnan(told[("utad_feature_drift_psi", "part")])
