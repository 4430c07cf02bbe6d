from __future__ import annotations

import json

import pytest

import load
from measuring import tables
from measuring.clients import Outcome


def test_figures_are_those_of_the_requests_that_were_answered():
    outcomes = [Outcome(0.0, milliseconds / 1000, 200, bands=("pass", "fail")) for milliseconds in range(1, 101)]
    found = load.figures_of([*outcomes, Outcome(0.0, 9.0, 503, "no room", retry_after=True)], 10.0)
    assert found == {
        "requests_per_second": 10.0,
        "images_per_second": 20.0,
        "p50_ms": 50.5,
        "p95_ms": 95.05,
        "p99_ms": 99.01,
        "n": 100,
        "failed": {"503 no room": 1},
    }


def test_without_an_answer_there_is_no_latency():
    assert load.figures_of([Outcome(0.0, 1.0, 0, "gone")], 2.0)["p99_ms"] is None


def test_numbers_that_do_not_fit_into_the_queue_are_left_out(monkeypatch):
    asked = []

    def sustained(port, requests, clients, seconds):
        asked.append(clients)
        return {"clients": clients, "images": requests[0].body.count(b"filename=")}

    monkeypatch.setattr(load, "sustained", sustained)
    rows = load.grid(1, [b"a", b"b"], [1, 16, 64], [1, 4, 16], 1.0)
    assert asked == [1, 16, 64, 1, 16, 1]
    assert {row["images_per_request"]: row["images"] for row in rows} == {1: 1, 4: 4, 16: 16}


@pytest.mark.parametrize("argv", [["--rounds", "0"], ["--clients", "0"], ["--seconds", "0"]])
def test_wrong_arguments_are_usage_errors(argv):
    with pytest.raises(SystemExit) as error:
        load.arguments_of(argv)
    assert error.value.code == 2


@pytest.fixture(scope="module")
def document(run, tmp_path_factory):
    """Of a real server, written by the script."""
    output = tmp_path_factory.mktemp("load") / "results" / "load.json"
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(load, "WARM_UP", 1)
        patching.setattr(load, "WORKERS", 1)
        numbers = ["--clients", "1", "2", "--images", "1", "3", "--seconds", "0.5", "--rounds", "5"]
        load.main(["--model", str(run), *numbers, "--output", str(output)])
    return json.loads(output.read_text())


def test_a_server_is_asked_with_every_number_of_clients_and_images(document):
    rows = document["served"]
    assert [(row["images_per_request"], row["clients"]) for row in rows] == [(1, 1), (1, 2), (3, 1), (3, 2)]
    for row in rows:
        assert row["n"] > 0
        assert row["failed"] == {}
        assert row["images_per_second"] == pytest.approx(
            row["images_per_request"] * row["requests_per_second"], rel=0.05
        )
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
    assert document["short"] is True


def test_what_serving_adds_is_the_difference_of_the_medians(document):
    single = document["overhead"]
    assert single["predictor"]["n"] == single["served"]["n"] == 5
    difference = single["served"]["median_ms"] - single["predictor"]["median_ms"]
    assert single["overhead_ms"] == pytest.approx(difference, abs=0.01)
    (target,) = document["targets"]
    assert target["met"] is (single["overhead_ms"] < 5.0)


def test_the_results_are_shown_as_a_section(document):
    text = tables.load(document)
    assert text.startswith("## Serving\n")
    assert text.count("\n| 3 |") == 2
    assert f"Serving adds {document['overhead']['overhead_ms']:.1f} ms." in text
    assert "**A short run" in text
    assert "anomalib" not in text
    beside = tables.load({**document, "anomalib": document["served"][:2]})
    assert beside.count("\n| 3 |") == 2
    assert beside.count("\n| 1 |") == text.count("\n| 1 |") + 2
    assert "anomalib's OpenVINO inferencer behind the same route" in beside
