"""Post-training quantisation to 8 bits: the convolutions of the backbone and of IE-Net, everything else stays float."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utad.data.streaming import iterate_images
from utad.errors import ImageReadError
from utad.export.dependencies import require
from utad.interpret.figures import to_8_bit
from utad.types import Sample

MOST_IMAGES = 300
"""Normal images that the ranges of activations are taken from, at the most, evenly spread."""

QUANTISED = ("network.backbone.", "network.two_stage.ie_net.")
_CONVOLUTIONS = ("Convolution", "GroupConvolution")


def quantise(model: Any, samples: Sequence[Sample], *, max_pixels: int) -> Any:
    """Quantises an OpenVINO model.

    Pre-processing, Expert-Net, whitening, distances and post-processing keep their precision: what they compute are
    differences of nearly equal values.

    Args:
        model: of the whole detector.
        samples: normal images.
        max_pixels: as for `read_image`.

    Raises:
        MissingDependencyError: if nncf is not installed.
        ImageReadError: naming a file that cannot be read.
    """
    nncf = require("nncf", "openvino")
    logging.getLogger("nncf").setLevel(logging.ERROR)
    kept = [node.get_friendly_name() for node in model.get_ops() if not _is_quantised(node)]
    step = -(-len(samples) // MOST_IMAGES)
    images = _Images(samples[::step], max_pixels)
    with redirect_stdout(StringIO()):  # its progress bars
        return nncf.quantize(
            model,
            nncf.Dataset(images),
            subset_size=len(images.samples),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(names=kept, validate=False),
        )


class _Images:
    """The images one by one as the graph takes them, `(1, H, W, 3)`, as often as wanted."""

    def __init__(self, samples: Sequence[Sample], max_pixels: int) -> None:
        self.samples = samples
        self._max_pixels = max_pixels

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for _, image in iterate_images(self.samples, max_pixels=self._max_pixels):
            if isinstance(image, ImageReadError):
                raise image
            yield to_8_bit(image)[None]


def _is_quantised(node: Any) -> bool:
    if node.get_type_name() not in _CONVOLUTIONS:
        return False
    return bool(_weight_name(node.input_value(1).get_node()).startswith(QUANTISED))


def _weight_name(node: Any) -> str:
    # A grouped convolution reshapes its weight, a compressed one converts it: the constant lies behind.
    while node.get_type_name() != "Constant" and node.get_input_size():
        node = node.input_value(0).get_node()
    return str(node.get_friendly_name())
