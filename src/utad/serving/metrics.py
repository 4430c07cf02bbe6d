"""What Prometheus is told at /metrics. All of it is counted in the server process, so nothing has to be merged."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from utad.serving.drift import RecentScores
from utad.serving.feature_drift import FeatureDrift, RecentFeatures
from utad.serving.messages import Answer
from utad.serving.registry import ServedModel

_Drift = TypeVar("_Drift")

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SCORES = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0)
_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 32)


class Metrics:
    """Counters of one server.

    Args:
        recent: scores of each model that its drift and its share of flagged images are computed over.
    """

    def __init__(self, recent: int) -> None:
        self._recent = recent
        self._scores: dict[str, RecentScores] = {}
        self._features: dict[str, RecentFeatures | None] = {}
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "utad_requests", "Requests answered.", ("route", "method", "status"), registry=registry
        )
        self._latency = Histogram(
            "utad_request_seconds",
            "From the arrival of a request to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._images = Counter("utad_images", "Images by what became of them.", ("model", "band"), registry=registry)
        self._score = Histogram("utad_pred_score", "Normalised scores.", ("model",), buckets=_SCORES, registry=registry)
        self._batch = Histogram(
            "utad_batch_size", "Images that a worker got together.", ("model",), buckets=_SIZES, registry=registry
        )
        self._computing = Histogram(
            "utad_batch_seconds", "What a worker took for a batch.", ("model",), buckets=_SECONDS, registry=registry
        )
        self._flagged = Gauge(
            "utad_recent_flagged_share", "Share of recent images called anomalous.", ("model",), registry=registry
        )
        self._psi = Gauge("utad_drift_psi", "Of recent scores against calibration.", ("model",), registry=registry)
        self._ks = Gauge("utad_drift_ks", "Of recent scores against calibration.", ("model",), registry=registry)
        self._level = Gauge(
            "utad_drift_level", "0 none or not known, 1 worth a look, 2 alarm.", ("model",), registry=registry
        )
        self._feature_psi, self._feature_ks, self._features_moved, self._feature_level = (
            Gauge(f"utad_feature_drift_{name}", text, ("model",), registry=registry)
            for name, text in (
                ("psi", "Of the feature of recent images that has moved farthest."),
                ("ks", "Of the feature of recent images that has moved farthest."),
                ("moved", "Share of the features that are not distributed as in calibration any more."),
                ("level", "0 none or not known, 1 worth a look, 2 alarm."),
            )
        )
        self._version = Gauge("utad_model_version", "That is served now.", ("model",), registry=registry)

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Adds a value that is looked up whenever it is asked for."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def serve(self, model: ServedModel) -> None:
        """Begins to follow a model, or its next version, whose scores have another distribution."""
        name, scores = model.name, RecentScores(model.manifest.normal_scores, self._recent)
        self._scores[name] = scores
        self._version.labels(name).set(model.version)

        self._flagged.labels(name).set_function(lambda: scores.flagged)
        self._psi.labels(name).set_function(_told(scores.drift, lambda drift: drift.psi))
        self._ks.labels(name).set_function(_told(scores.drift, lambda drift: drift.ks))
        self._level.labels(name).set_function(_told(scores.drift, lambda drift: drift.level, unknown=0.0))
        self._follow_features(model)

    def _follow_features(self, model: ServedModel) -> None:
        """Begins to follow what the images look like, where the model has normal ones to compare them with."""
        name, images = model.name, model.normal_images
        # Of an image in tiles that with the highest score is known, which is none taken at random.
        whole = model.manifest.tiling is None
        features = RecentFeatures(images.feature_means, self._recent) if images is not None and whole else None
        self._features[name] = features

        def drift() -> FeatureDrift | None:
            return features.drift() if features is not None else None

        self._feature_psi.labels(name).set_function(_told(drift, lambda drift: drift.psi))
        self._feature_ks.labels(name).set_function(_told(drift, lambda drift: drift.ks))
        self._features_moved.labels(name).set_function(_told(drift, lambda drift: drift.moved))
        self._feature_level.labels(name).set_function(_told(drift, lambda drift: drift.level, unknown=0.0))

    def scored(self, model: ServedModel, answer: Answer) -> None:
        """Counts one image."""
        self._images.labels(model.name, answer.band).inc()
        self._score.labels(model.name).observe(answer.pred_score)
        self._scores[model.name].add(answer.pred_score, flagged=answer.pred_label)
        features = self._features[model.name]
        if features is not None:
            features.add(answer.feature_means)

    def refused(self, model: ServedModel) -> None:
        """Counts an image that cannot be scored."""
        self._images.labels(model.name, "unreadable").inc()

    def batch(self, name: str, size: int, seconds: float) -> None:
        """Counts one batch of a worker."""
        self._batch.labels(name).observe(size)
        self._computing.labels(name).observe(seconds)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts one request."""
        self._requests.labels(route, method, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Everything, in the format of Prometheus."""
        return generate_latest(self.registry)


def _told(
    drift: Callable[[], _Drift | None], value: Callable[[_Drift], float], *, unknown: float = math.nan
) -> Callable[[], float]:
    """A value of a drift, looked up whenever it is asked for."""

    def found() -> float:
        now = drift()
        return unknown if now is None else value(now)

    return found


class Measured:
    """Counts the requests that pass through, by the pattern of their route and never by their address.

    Args:
        app: what answers.
        metrics: what counts.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 500  # unless it comes to an answer

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD", "OPTIONS") else "other"
            self._metrics.answered(route, method, status, time.perf_counter() - begun)
