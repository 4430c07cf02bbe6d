"""Each fault on a real server with small numbers, and the judging of figures that break a requirement."""

from __future__ import annotations

import copy
import io
import json
from dataclasses import replace

import pytest
from PIL import Image

import faults
from measuring import many_requests, overload, slow_clients
from measuring.clients import Outcome, Request
from measuring.served import MODEL, ServedProcess, ServerError, metrics_of
from tests import fabricate
from tests.serving.conftest import png

LOAD = overload.Load(
    seconds=2.0, times=8.0, sustained_seconds=1.0, clients=24, before=8, held_seconds=0.3, deadline=20.0
)
CROWD = slow_clients.Crowd(slow=10, disconnects=8, rounds=1, requests=20)
SERIES = many_requests.Series(requests=50, warm_up=10, parts=2, clients=2)


def large_jpeg(seed: int) -> bytes:
    """Takes longer to be decoded than a client needs to send it, so that there is something to overload."""
    file = io.BytesIO()
    Image.fromarray(fabricate.picture(400, 500, seed=seed)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture(scope="module")
def figures(run, tmp_path_factory):
    """Of all faults, one after the other on one server."""
    large, small = [Request(large_jpeg(0))], [Request(png(seed=seed)) for seed in range(2)]
    log = tmp_path_factory.mktemp("faults") / "log"
    options = ("--workers", "1", "--queue", "8", "--max-batch", "2", "--deadline", "20")
    with ServedProcess(run, *options, log=log) as server:
        return {
            "overload": overload.inject(server, large, LOAD),
            "slow_clients": slow_clients.inject(server, small, CROWD),
            "many_requests": many_requests.inject(server, small, SERIES),
        }


def unmet(name: str, found: dict) -> list[str]:
    rows = faults.faults_of(faults.Settings())[name].requirements(found)
    return [row["figure"] for row in rows if row["met"] is not True]


def test_the_overload_is_one_and_the_server_refuses_what_it_cannot_take(figures):
    found = figures["overload"]
    assert found["refused"] > 0
    assert found["without_retry_after"] == found["others"] == found["late"] == 0
    assert found["queue_bound"] == 8
    assert 0 < found["queue_largest"] <= 8
    assert found["offered_per_second"] > 2 * found["sustained_per_second"]
    assert found["start"]["unready"] > 0
    assert found["start"]["ready_too_early"] == found["start"]["taken_early"] == found["start"]["first_failed"] == 0
    assert found["live_failed"] == 0
    assert found["live_probes"] > 10


def test_slow_clients_are_there_and_leave_nothing(figures):
    found = figures["slow_clients"]
    assert found["slow_at_a_time"] >= 10
    assert found["broken_off"] == 8
    assert found["failed"] == {}
    assert found["descriptors_left"] == found["threads_left"] == found["in_hand_left"] == 0


def test_the_metrics_count_as_the_client_does(figures):
    found = figures["many_requests"]
    assert found["statuses"] == {"200": 48, "404": 1, "422": 1}
    assert all(client == server for client, server in found["totals"].values())
    assert found["totals"][f"utad_images_total{{band=unreadable,model={MODEL}}}"] == [3.0, 3.0]
    assert found["memory_slope"].keys() == {"server", "worker 1"}
    assert found["restarts"] == 0


GOOD = {
    "overload": {
        "start": {"unready": 9, "ready_too_early": 0, "taken_early": 0, "first_failed": 0},
        "sustained_per_second": 50.0,
        "times": 4.0,
        "offered_per_second": 200.0,
        "answered_per_second": 49.0,
        "refused": 150,
        "without_retry_after": 0,
        "others": 0,
        "late": 0,
        "queue_bound": 64,
        "queue_largest": 64.0,
        "recovery_seconds": 0.5,
        "live_longest_ms": {"start": 3.0, "overload": 150.0},
        "live_failed": 0,
    },
    "slow_clients": {
        "slow": 100,
        "disconnects": 100,
        "rounds": 5,
        "slow_at_a_time": 101.0,
        "broken_off": 500,
        "p99_ratio": 1.9,
        "failed": {},
        "descriptors_left": 0,
        "threads_left": 0,
        "in_hand_left": 0.0,
    },
    "many_requests": {
        "statuses": {"200": 9600, "404": 200, "422": 200},
        "without_answer": 0,
        "restarts": 0.0,
        "memory_slope": {"server": 0.004, "worker 1": -0.02},
        "totals": {"utad_request_seconds_count{route=/v1/predict}": [10000.0, 10000.0]},
    },
}


def test_figures_that_hold_pass():
    assert {name: unmet(name, found) for name, found in GOOD.items()} == {name: [] for name in faults.FAULTS}


@pytest.mark.parametrize(
    ("name", "broken", "figure"),
    [
        ("overload", {"start": {**GOOD["overload"]["start"], "unready": 0}}, "start: answers of readiness that are no"),
        (
            "overload",
            {"start": {**GOOD["overload"]["start"], "ready_too_early": 1}},
            "start: answers of readiness that",
        ),
        ("overload", {"start": {**GOOD["overload"]["start"], "taken_early": 1}}, "start: images scored before that"),
        ("overload", {"start": {**GOOD["overload"]["start"], "first_failed": 1}}, "start: of the first 5 requests"),
        ("overload", {"offered_per_second": 150.0}, "overload: offered load"),
        ("overload", {"refused": 0}, "overload: requests refused"),
        ("overload", {"without_retry_after": 1}, "overload: refusals without Retry-After"),
        ("overload", {"others": 1}, "overload: answers other than"),
        ("overload", {"answered_per_second": 20.0}, "overload: requests answered a second"),
        ("overload", {"late": 1}, "overload: accepted requests that missed"),
        ("overload", {"queue_largest": 65.0}, "overload: images in the queue"),
        ("overload", {"queue_largest": None}, "overload: images in the queue"),
        ("overload", {"recovery_seconds": 5.1}, "overload: until it is as before"),
        ("overload", {"recovery_seconds": None}, "overload: until it is as before"),
        (
            "overload",
            {"live_longest_ms": {"start": 200.0, "overload": 9.0}},
            "overload: longest answer of the liveness",
        ),
        ("overload", {"live_failed": 1}, "overload: liveness not answered"),
        ("slow_clients", {"slow_at_a_time": 99.0}, "slow clients: uploads under way"),
        ("slow_clients", {"broken_off": 499}, "slow clients: uploads broken off"),
        ("slow_clients", {"p99_ratio": 2.0}, "slow clients: p99"),
        ("slow_clients", {"failed": {"503 no room": 1}}, "slow clients: requests of the others"),
        ("slow_clients", {"descriptors_left": 1}, "slow clients: descriptors"),
        ("slow_clients", {"threads_left": 1}, "slow clients: threads"),
        ("slow_clients", {"in_hand_left": 1.0}, "slow clients: requests left in hand"),
        ("many_requests", {"statuses": {"503": 10_000}}, "many requests: answered with 200"),
        ("many_requests", {"without_answer": 1}, "many requests: without an answer"),
        ("many_requests", {"restarts": 1.0}, "many requests: workers lost"),
        ("many_requests", {"memory_slope": {"server": 0.01}}, "many requests: growth of resident memory, server"),
        ("many_requests", {"totals": {"a": [9.0, 8.0]}}, "many requests: of 1 totals"),
    ],
)
def test_each_requirement_that_is_broken_is_named(name, broken, figure):
    (found,) = unmet(name, {**copy.deepcopy(GOOD[name]), **broken})
    assert found.startswith(figure)


def test_what_became_of_a_load_is_counted_by_what_was_answered():
    sent = [
        Outcome(0.0, 0.5, 200, bands=("pass",)),
        Outcome(0.5, 3.0, 200, bands=("pass",)),  # later than its deadline
        Outcome(1.0, 0.1, 503, "64 images wait already", retry_after=True),
        Outcome(1.5, 2.0, 503, "the deadline passed before a worker was free", retry_after=True),
        Outcome(2.0, 0.1, 429, "slower"),
        Outcome(2.5, 0.1, 0, "ConnectionResetError"),
        Outcome(3.0, 0.1, 500, "a bug"),
    ]
    found = overload.of_load(sent, 3.5, deadline=2.0)
    assert (found["offered_per_second"], found["answered_per_second"]) == (2.0, round(2 / 3.5, 2))
    assert found["statuses"] == {"0": 1, "200": 2, "429": 1, "500": 1, "503": 2}
    assert (found["refused"], found["without_retry_after"], found["late"], found["others"]) == (3, 1, 2, 2)
    assert found["longest_accepted_ms"] == 3000.0


def test_the_longest_answer_is_told_of_each_phase():
    live = [(1.0, 5.0), (2.0, 9.0), (3.0, 7.0), (9.0, 8.0)]
    assert overload.longest_by({"start": 2.0, "load": 4.0, "after": 8.0}, live) == {
        "start": 9.0,
        "load": 7.0,
        "after": 8.0,
    }


def test_the_slope_is_growth_over_all_requests_as_a_share_of_the_mean():
    assert many_requests.slope_of([100, 200, 300, 400], [100.0, 100.0, 100.0, 100.0]) == 0.0
    # 1 KB for every 100 requests is 4 KB for 400, of 101.5 KB on average.
    assert many_requests.slope_of([100, 200, 300, 400], [100.0, 101.0, 102.0, 103.0]) == pytest.approx(4 / 101.5)


def test_metrics_are_named_with_their_labels_in_order():
    page = '# TYPE a counter\na_total{z="1",b="two"} 3.0\n# TYPE c gauge\nc 0.5\n'
    assert metrics_of(page) == {"a_total{b=two,z=1}": 3.0, "c": 0.5}


def test_a_server_that_does_not_start_says_why(tmp_path):
    with pytest.raises(ServerError, match=r"the server did not start: error: the folder .* holds no model"):
        ServedProcess(tmp_path, log=tmp_path / "log")


@pytest.mark.parametrize(("broken", "code"), [({}, 0), ({"late": 1}, 1)])
def test_the_results_are_written_and_a_broken_requirement_is_a_failure(broken, code, tmp_path, monkeypatch, capsys):
    def pretended(settings):
        assert settings == faults.Settings(load=replace(overload.Load(), seconds=5.0))
        return {"overload": faults.Fault(lambda *_: {**GOOD["overload"], **broken}, overload.requirements, True)}

    class Pretended:
        log = "a line\n"

        def __init__(self, model, *options, log):
            assert (model, options) == (tmp_path, ("--deadline", "30.0"))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(faults, "faults_of", pretended)
    monkeypatch.setattr(faults, "ServedProcess", Pretended)
    output = tmp_path / "results" / "faults.json"
    argv = ["--model", str(tmp_path), "--only", "overload", "--seconds", "5", "--output", str(output)]
    assert faults.main(argv) == code
    document = json.loads(output.read_text())
    assert document["short"] is True
    assert document["machine"]["cores"] >= 1
    assert document["figures"]["overload"]["log"] == ["a line"]
    assert ("BROKEN" in capsys.readouterr().out) == bool(code)


def test_the_numbers_are_those_of_reliability_unless_told_otherwise():
    known = faults.Settings()
    assert (known.load.seconds, known.load.times) == (60.0, 4.0)
    assert (known.crowd.slow, known.crowd.disconnects) == (100, 100)
    assert known.series.requests == 10_000
