"""The limits of a server."""

from __future__ import annotations

from pydantic import Field, model_validator

from utad.config.section import NonNegative, Positive, Section


class ServeSettings(Section):
    """How a server works, and what it refuses.

    Attributes:
        workers: processes that score.
        threads: that each of them computes with; None shares the cores among them.
        queue: images that wait, at most; what comes beyond is refused with 503.
        max_batch: images that a worker gets together, at most.
        max_wait: seconds that a worker waits for more images when it has got one.
        deadline: seconds from the end of an upload to the answer; what has waited longer is refused with 503.
        upload_seconds: that the body of a request may take to arrive; then it is refused with 408.
        grace: seconds from SIGTERM to the end, at most.
        max_bytes: of the body of one request.
        max_held_bytes: of all bodies in memory.
        max_files: images of one request.
        max_pixels: of an image; the model's own limit counts where it is lower.
        recent: scores that drift is computed over.
    """

    workers: Positive = 2
    threads: Positive | None = None
    queue: Positive = 64
    max_batch: Positive = 8
    max_wait: NonNegative = 0.0
    deadline: float = Field(default=30.0, gt=0.0, allow_inf_nan=False)
    upload_seconds: float = Field(default=30.0, gt=0.0, allow_inf_nan=False)
    grace: float = Field(default=30.0, gt=0.0, allow_inf_nan=False)
    max_bytes: Positive = 32 * 2**20
    max_held_bytes: Positive = 512 * 2**20
    max_files: Positive = 16
    max_pixels: Positive = 30_000_000
    recent: Positive = 500

    @model_validator(mode="after")
    def _fits(self) -> ServeSettings:
        if self.max_files > self.queue:
            raise ValueError(
                f"got a queue of {self.queue} images, expected at least max_files ({self.max_files}): a request of so "
                "many could never be taken"
            )
        if self.max_bytes > self.max_held_bytes:
            raise ValueError(
                f"got max_bytes of {self.max_bytes}, expected at most max_held_bytes ({self.max_held_bytes})"
            )
        return self
