"""A message published to an MQTT broker."""

from __future__ import annotations

import re
import threading
import uuid
from typing import Any

from utad.dependencies import require
from utad.errors import ConfigError
from utad.serving.watch.delivery import DeliveryError

PORT = 1883
TIMEOUT = 10.0
"""Seconds for a connection, and for the broker to confirm a message."""


class MqttTopic:
    """Publishes each message to one topic with quality of service 1: the broker confirms it.

    Args:
        address: `HOST[:PORT]/TOPIC`; an IPv6 address stands in brackets.
        timeout: in seconds.

    Raises:
        ConfigError: if the address is not of that form.
        MissingDependencyError: if paho-mqtt is not installed.
    """

    def __init__(self, address: str, *, timeout: float = TIMEOUT) -> None:
        found = re.fullmatch(r"(?:mqtt://)?(\[[^\]/@]+\]|[^:/@\[\]]+)(?::(\d{1,5}))?/([^+#\0]+)", address)
        if found is None or not 0 < int(found[2] or PORT) < 2**16:
            raise ConfigError(
                f"got --mqtt {address}, expected HOST[:PORT]/TOPIC, such as broker.local:1883/line1/results; a topic "
                "to publish to has no + or #"
            )
        self._mqtt = require("paho.mqtt.client")
        self._host, self._port, self._topic = found[1].strip("[]"), int(found[2] or PORT), found[3]
        self.name = f"MQTT {self._host}:{self._port}"
        self._timeout = timeout
        self._client: Any = None

    def send(self, message: bytes) -> None:
        """Publishes a message.

        Raises:
            DeliveryError: if the broker cannot be reached, or does not confirm it.
        """
        try:
            if self._client is None:
                self._client = self._connected()
            published = self._client.publish(self._topic, message, qos=1)
            published.wait_for_publish(self._timeout)
            taken = published.is_published()
        except (OSError, ValueError, RuntimeError) as error:
            self.close()
            raise DeliveryError(str(error)) from error
        if not taken:
            # A new client next time: this one would send the message again by itself.
            self.close()
            raise DeliveryError(f"the broker did not confirm it within {self._timeout:g} s")

    def close(self) -> None:
        """Leaves the broker."""
        if self._client is not None:
            client, self._client = self._client, None
            client.disconnect()
            client.loop_stop()

    def _connected(self) -> Any:
        client = self._mqtt.Client(
            self._mqtt.CallbackAPIVersion.VERSION2,
            client_id=f"utad-{uuid.uuid4().hex[:12]}",
            protocol=self._mqtt.MQTTv311,
        )
        answered, reasons = threading.Event(), list[Any]()

        def on_connect(*arguments: Any) -> None:
            reasons.append(arguments[3])  # the client, its data and flags come before
            answered.set()

        client.on_connect = on_connect
        client.connect_timeout = self._timeout
        client.connect(self._host, self._port)
        client.loop_start()
        if not answered.wait(self._timeout) or reasons[0].is_failure:
            client.disconnect()
            client.loop_stop()
            raise OSError(f"the broker refused the connection: {reasons[0] if reasons else 'no answer'}")
        return client
