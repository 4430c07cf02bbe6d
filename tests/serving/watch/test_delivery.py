from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.serving.watch.watched import image, once, rows, until
from utad.errors import ConfigError
from utad.serving.watch import delivery
from utad.serving.watch.delivery import Deliveries, DeliveryError
from utad.serving.watch.webhook import Webhook


class Receiver:
    """Takes messages, or fails as it is told to."""

    name = "receiver"

    def __init__(self, *failures: Exception) -> None:
        self.failures, self.taken, self.trials, self.closed = list(failures), [], 0, False

    def send(self, message: bytes) -> None:
        self.trials += 1
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append(json.loads(message)["number"])

    def close(self) -> None:
        self.closed = True


def numbered(*numbers: int) -> list[dict[str, int]]:
    return [{"number": number} for number in numbers]


def test_messages_come_in_order_after_failures():
    receiver = Receiver(DeliveryError("busy"), ValueError("a library's own"))
    with Deliveries([receiver], pauses=(0.0, 0.0)) as deliveries:
        deliveries.add(numbered(1, 2, 3))
    assert (receiver.taken, receiver.trials, deliveries.n_undelivered) == ([1, 2, 3], 5, 0)
    assert receiver.closed


def test_a_message_is_given_up_after_some_trials_or_a_final_answer(caplog):
    receiver = Receiver(*[DeliveryError("down")] * 3, DeliveryError("not found", final=True))
    with Deliveries([receiver], pauses=(0.0, 0.0)) as deliveries:
        deliveries.add(numbered(1, 2, 3))
    assert (receiver.taken, receiver.trials, deliveries.n_undelivered) == ([3], 5, 2)
    assert caplog.messages == ["receiver: a message was not delivered: down"]


def test_a_receiver_that_hangs_holds_nobody_up(monkeypatch, caplog):
    monkeypatch.setattr(delivery, "END_SECONDS", 0.2)
    release = threading.Event()

    class Hanging(Receiver):
        def send(self, message: bytes) -> None:
            release.wait(30)

    begun = time.monotonic()
    with Deliveries([Hanging()], waiting=3) as deliveries:
        deliveries.add(numbered(*range(10)))
        assert time.monotonic() - begun < 1
    assert time.monotonic() - begun < 5
    release.set()
    assert deliveries.n_undelivered == 10
    assert caplog.messages[0].endswith("3 messages wait already")
    assert any("3 messages were not sent before the end" in message for message in caplog.messages)


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """Answers with the codes in `answers`, then with 204; keeps what was posted."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.posted.append((self.path, self.headers["Content-Type"], json.loads(body)))
            code = self.server.answers.pop(0) if self.server.answers else 204
            self.send_response(code)
            if 300 <= code < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.answers, made.posted = [], []
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_results_are_posted_as_the_table_has_them(server, tmp_path):
    server.answers += [500, 429]
    image(tmp_path / "in" / "a.png")
    image(tmp_path / "in" / "ü.png", bright=True)
    hook = Webhook(f"http://127.0.0.1:{server.server_port}/hook?token=secret")
    summary = once(tmp_path / "in", tmp_path / "out", channels=[hook])
    assert [posted[:2] for posted in server.posted] == [("/hook?token=secret", "application/json")] * 4
    assert [posted[2] for posted in server.posted[2:]] == rows(tmp_path / "out")
    assert (summary.n_images, summary.n_undelivered) == (2, 0)
    assert "secret" not in hook.name


@pytest.mark.parametrize(("code", "final"), [(404, True), (302, True), (408, False), (503, False)])
def test_answers_that_will_not_change_are_final(server, code, final):
    server.answers.append(code)
    with pytest.raises(DeliveryError, match=f"the answer was {code}") as caught:
        Webhook(f"http://127.0.0.1:{server.server_port}/").send(b"{}")
    assert caught.value.final == final
    assert len(server.posted) == 1


def test_where_nobody_listens_scoring_goes_on_and_the_loss_is_counted(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(delivery, "END_SECONDS", 0.3)
    hook = Webhook(f"http://127.0.0.1:{server.server_port}/", timeout=0.5)
    server.server_close()
    image(tmp_path / "in" / "a.png")
    summary = once(tmp_path / "in", tmp_path / "out", channels=[hook])
    assert (summary.n_images, summary.n_undelivered, len(rows(tmp_path / "out"))) == (1, 1, 1)
    assert any("webhook http://127.0.0.1" in message for message in caplog.messages)
    until(lambda: not any(thread.name == f"utad-{hook.name}" for thread in threading.enumerate()))


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "host", "http://", "http://u:p@host/", "http://host:x/", "file:///etc"]
)
def test_an_address_that_is_none_is_refused(url, tmp_path: Path):
    with pytest.raises(ConfigError, match="expected an address such as"):
        Webhook(url)
