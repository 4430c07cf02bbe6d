"""Post-training quantisation to 8 bits: the convolutions of the backbone and of IE-Net, everything else stays float."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from utad.data.geometry import Geometry
from utad.data.streaming import iterate_images
from utad.dependencies import require
from utad.errors import checked
from utad.export.graph_io import INPUT, PLACE
from utad.interpret.figures import to_8_bit
from utad.types import Image, Sample

MOST_IMAGES = 300
"""Normal images that the ranges of activations are taken from at most, evenly spread."""

QUANTISED = ("network.backbone.", "network.two_stage.ie_net.")
_CONVOLUTIONS = ("Convolution", "GroupConvolution")


def quantise(
    model: Any,
    samples: Sequence[Sample],
    *,
    max_pixels: int,
    geometry: Geometry,
) -> Any:
    """Quantises an OpenVINO model.

    Pre-processing, Expert-Net, whitening, distances and post-processing keep their precision: what they compute are
    differences of nearly equal values.

    Args:
        model: of the whole detector.
        samples: normal images.
        max_pixels: as for `read_image`.
        geometry: how they are framed, or cut into the tiles that the graph takes.

    Raises:
        MissingDependencyError: if nncf is not installed.
        ImageReadError: naming a file that cannot be read.
    """
    nncf = require("nncf")
    logging.getLogger("nncf").setLevel(logging.ERROR)
    kept = [node.get_friendly_name() for node in model.get_ops() if not _is_quantised(node)]
    step = -(-len(samples) // MOST_IMAGES)
    images = _Images(samples[::step], max_pixels, geometry)
    with redirect_stdout(StringIO()):  # its progress bars
        return nncf.quantize(
            model,
            nncf.Dataset(images),
            subset_size=len(images.samples),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(names=kept, validate=False),
        )


class _Images:
    """The inputs of the graph by name, the images one by one as it takes them, `(1, H, W, 3)`, as often as wanted.

    Of images that are cut into tiles it is one tile each, of another place each time.
    """

    def __init__(self, samples: Sequence[Sample], max_pixels: int, geometry: Geometry) -> None:
        self.samples = samples
        self._max_pixels = max_pixels
        self._geometry = geometry

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        for index, (_, read) in enumerate(iterate_images(self.samples, max_pixels=self._max_pixels)):
            image = cast("Image", checked(read))
            letterbox, tiling = self._geometry.letterbox, self._geometry.tiling
            taken: dict[str, NDArray[Any]] = {}
            if letterbox is not None:
                image = letterbox.framed(image)
            if tiling is not None:
                grid = tiling.grid((image.shape[0], image.shape[1]), self._geometry.region)
                # 7 steps further each time: in a few images all rows and columns have had their turn.
                tiles = [grid.tiles[7 * index % len(grid)]]
                (image,) = grid.cut(image, tiles)
                if tiling.layout is not None:
                    taken = {PLACE: np.array(tiling.places(grid, tiles))}
            yield {INPUT: to_8_bit(image)[None], **taken}


def _is_quantised(node: Any) -> bool:
    # OpenVINO names a node after the module that it comes from. The backbone's first convolution stays float, as is
    # usual; behind its padding OpenVINO does not accept quantised weights.
    name = str(node.get_friendly_name()).removeprefix("__module.")
    return node.get_type_name() in _CONVOLUTIONS and name.startswith(QUANTISED) and "conv_stem" not in name
