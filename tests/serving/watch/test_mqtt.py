from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.serving.watch.watched import image, once, rows
from utad.errors import ConfigError, MissingDependencyError
from utad.evaluation.prediction_tables import json_line
from utad.serving.watch.delivery import DeliveryError
from utad.serving.watch.mqtt import MqttTopic


class Broker:
    """As much of an MQTT 3.1.1 broker as takes messages of quality 1.

    Args:
        code: of its answer to a connection; 0 accepts it.
        confirms: whether it confirms messages.
    """

    def __init__(self, *, code: int = 0, confirms: bool = True) -> None:
        self.code, self.confirms = code, confirms
        self.messages: list[tuple[str, bytes]] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                self._serve(connection.makefile("rb"), connection)

    def _serve(self, stream, connection: socket.socket) -> None:
        while header := stream.read(1):
            length, shift = 0, 0
            while (byte := stream.read(1)[0]) & 0x80:
                length, shift = length | (byte & 0x7F) << shift, shift + 7
            body = stream.read(length | byte << shift)
            if header[0] >> 4 == 1:  # CONNECT
                connection.sendall(bytes((0x20, 2, 0, self.code)))
            elif header[0] >> 4 == 3:  # PUBLISH
                end = 2 + int.from_bytes(body[:2], "big")
                self.messages.append((body[2:end].decode(), body[end + 2 :]))
                if self.confirms:
                    connection.sendall(bytes((0x40, 2)) + body[end : end + 2])
            else:
                return


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    yield made
    made.close()


def test_results_are_published_as_the_table_has_them(broker, tmp_path):
    pytest.importorskip("paho.mqtt.client")
    for name in ("a", "b", "c"):
        image(tmp_path / "in" / f"{name}.png")
    topic = MqttTopic(f"127.0.0.1:{broker.port}/line 1/results")
    summary = once(tmp_path / "in", tmp_path / "out", channels=[topic])
    assert summary.n_undelivered == 0
    expected = [("line 1/results", json_line(row).rstrip()) for row in rows(tmp_path / "out")]
    assert broker.messages == expected
    assert len(expected) == 3


def test_a_broker_that_refuses_or_does_not_confirm_is_an_error():
    pytest.importorskip("paho.mqtt.client")
    refusing, silent = Broker(code=5), Broker(confirms=False)
    with pytest.raises(DeliveryError, match=r"refused the connection.*Not authorized"):
        MqttTopic(f"127.0.0.1:{refusing.port}/t", timeout=5).send(b"x")
    topic = MqttTopic(f"127.0.0.1:{silent.port}/t", timeout=0.3)
    for _ in range(2):
        with pytest.raises(DeliveryError, match="did not confirm it within"):
            topic.send(b"x")
    assert silent.messages == [("t", b"x")] * 2
    topic.close()
    refusing.close()
    silent.close()


def test_a_broker_that_is_not_there_is_an_error():
    pytest.importorskip("paho.mqtt.client")
    with socket.socket() as bound:  # to a port that nobody listens at
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(DeliveryError, match="refused"):
            MqttTopic(f"127.0.0.1:{bound.getsockname()[1]}/t", timeout=5).send(b"x")


@pytest.mark.parametrize(
    "address", ["host", "host/", "host:0/t", "host:70000/t", "host:x/t", "host/a/#", "/t", "u@h/t"]
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ConfigError, match=r"expected HOST\[:PORT\]/TOPIC"):
        MqttTopic(address)


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'utad\[mqtt\]'"):
        MqttTopic("host/t")
