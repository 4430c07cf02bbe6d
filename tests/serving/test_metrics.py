from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.serving.conftest import png


def read(client) -> dict[tuple[str, ...], float]:
    """Values by name and labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
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
    assert after[("process_resident_memory_bytes",)] > 0
