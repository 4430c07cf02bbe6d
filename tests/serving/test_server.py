"""A real server process, asked over real sockets."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from tests import fabricate
from tests.serving.conftest import wait_until
from tests.serving.served import IMAGE, served
from utad import dependencies, load_detector
from utad.cli.app import app
from utad.errors import ConfigError, MissingDependencyError, ModelFileError, OutputError
from utad.export.manifest import digests, read_manifest, write_manifest
from utad.serving.registry import named_models
from utad.serving.server import _bound
from utad.serving.worker import NICENESS


@pytest.fixture(scope="module")
def server(graph, tmp_path_factory):
    log = tmp_path_factory.mktemp("server") / "log"
    with served(
        log, f"part={graph}", f"other={graph}", "--workers", "1", "--max-batch", "1", "--max-wait", "0"
    ) as made:
        assert httpx.get(f"{made.address}/v2/health/live").status_code == 200
        wait_until(made.ready)
        yield made


def test_readiness_comes_after_liveness_and_models_have_names(server):
    assert server.names == "other, part"
    answer = server.predict()
    assert (answer.status_code, answer.json()["model"]) == (200, "part")
    assert "libtorch" not in Path(f"/proc/{server.process.pid}/maps").read_text()
    unnamed = httpx.post(f"{server.address}/v1/predict", content=IMAGE)
    assert (unnamed.status_code, unnamed.json()["error"]) == (404, "no model is named, expected one of other, part")


def test_computing_stands_back_behind_answering(server):
    (worker,) = server.workers()
    niceness = os.getpriority(os.PRIO_PROCESS, server.process.pid)
    assert os.getpriority(os.PRIO_PROCESS, worker) == min(19, niceness + NICENESS)


def test_clients_may_connect_as_soon_as_the_address_is_told():
    with _bound("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname(), timeout=5):
        pass


def test_answers_on_one_connection_do_not_wait_for_acknowledgements(server):
    """Nagle's algorithm and delayed acknowledgements add 40 ms to each."""
    with httpx.Client(base_url=server.address) as client:
        seconds = sorted(client.get("/v2/health/live").elapsed.total_seconds() for _ in range(20))
    assert seconds[5] < 0.03


def test_the_client_of_triton_gets_the_scores_of_the_python_api(server, graph):
    from tritonclient import http

    images = np.stack([fabricate.picture(seed=1), fabricate.defective(seed=2)])
    expected = load_detector(graph, threads=1).predict(images)
    with http.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("part")
        tensor = http.InferInput("image", list(images.shape), "UINT8")
        for binary in (True, False):
            tensor.set_data_from_numpy(images, binary_data=binary)
            result = client.infer("part", [tensor])
            scores = [one.pred_score for one in expected]
            np.testing.assert_allclose(result.as_numpy("pred_score"), scores, rtol=1e-6)
            assert [bool(label) for label in result.as_numpy("pred_label")] == [one.pred_label for one in expected]
            assert [band.decode() for band in result.as_numpy("band")] == [one.band for one in expected]


def test_slow_clients_and_clients_that_go_leave_nothing_behind(server):
    server.predict()
    before = server.descriptors()
    head = b"POST /v1/predict?model=part HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"
    with ExitStack() as stack:  # it closes them in the middle of their uploads
        for _ in range(20):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            connection.sendall(head + b"x" * 100)
        # The connection before them may have been counted while it was being closed.
        wait_until(lambda: server.descriptors() >= before + 19)
        begun = time.monotonic()
        assert server.predict().status_code == 200
        assert httpx.get(f"{server.address}/v2/health/live").elapsed.total_seconds() < 0.2
        assert time.monotonic() - begun < 10.0
    wait_until(lambda: server.descriptors() <= before + 1)
    assert "utad_requests_in_hand 0.0" in httpx.get(f"{server.address}/metrics").text


def test_what_a_client_that_is_gone_had_waiting_is_not_computed(server):
    (worker,) = server.workers()
    os.kill(worker, signal.SIGSTOP)
    try:
        for _ in range(3):
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(f"{server.address}/v1/predict?model=part", content=IMAGE, timeout=0.3)
        wait_until(lambda: "utad_queue_images 0.0" in httpx.get(f"{server.address}/metrics").text)
    finally:
        os.kill(worker, signal.SIGCONT)
    assert server.predict().status_code == 200


def test_sigterm_loses_nothing_that_was_accepted(server):
    """The last test of this server."""
    (worker,) = server.workers()
    os.kill(worker, signal.SIGSTOP)
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(server.predict) for _ in range(4)]
        wait_until(lambda: "utad_requests_in_hand 4.0" in httpx.get(f"{server.address}/metrics").text)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not server.ready())
        late = server.predict()
        assert (late.status_code, "retry-after" in late.headers) == (503, True)
        assert httpx.get(f"{server.address}/v2/health/live").status_code == 200
        server.process.send_signal(signal.SIGTERM)  # a second one changes nothing
        os.kill(worker, signal.SIGCONT)
        assert [one.result().status_code for one in asked] == [200] * 4
    assert server.process.wait(30) == 0
    assert server.log.read_text() == ""
    assert not os.path.exists(f"/proc/{worker}")
    prefix = f"utad-serve-{server.process.pid}-"
    assert not [name for name in os.listdir(tempfile.gettempdir()) if name.startswith(prefix)]


def invoke(*arguments: str):
    return CliRunner().invoke(app, ["serve", *arguments]).exception


def test_what_cannot_be_served_is_said_at_once(graph, run, tmp_path):
    assert isinstance(invoke(str(tmp_path)), ModelFileError)
    error = invoke(f"part={graph}", "--host", "0.0.0.0")
    assert isinstance(error, ConfigError)
    assert "UTAD_TOKEN" in str(error)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        error = invoke(f"part={graph}", "--port", str(taken.getsockname()[1]))
        assert isinstance(error, OutputError)
        assert "choose another (--host, --port)" in str(error)


def test_a_missing_package_names_the_extra(graph, monkeypatch):
    def missing(module: str):
        raise ImportError(f"No module named {module!r}")

    monkeypatch.setattr(dependencies, "import_module", missing)
    error = invoke(f"part={graph}")
    assert isinstance(error, MissingDependencyError)
    assert "pip install 'utad[serve]'" in str(error)


def test_models_are_named_by_their_folders(run, graph, tmp_path):
    name = run.name
    assert named_models([str(run)]) == {name: run}
    assert named_models([str(graph)]) == {name: graph}
    assert named_models([str(run / "model.safetensors")]) == {name: run / "model.safetensors"}
    assert named_models([f"a.b-1={run}", str(tmp_path)]) == {"a.b-1": run, tmp_path.name: tmp_path}
    with pytest.raises(ConfigError, match="would both be served as"):
        named_models([str(run), str(graph)])
    with pytest.raises(ConfigError, match="give it a name"):
        named_models([str(tmp_path / "für die linie")])


def test_a_graph_that_the_runtime_refuses_ends_the_server_with_one_line(graph, tmp_path):
    bad = shutil.copytree(graph, tmp_path / "bad")
    (bad / "detector.xml").write_text("<net/>")
    write_manifest(bad, replace(read_manifest(bad), files=digests(bad)))
    code = "from utad.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", str(bad), "--port", "0", "--workers", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: the installed openvino runtime does not accept the exported graph")
