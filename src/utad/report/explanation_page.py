"""An explanation as one HTML page that asks no server for anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from utad.interpret.component_maps import component_maps, is_standardised, middle_of_components
from utad.interpret.contours import outlines
from utad.interpret.explanation import Explanation
from utad.interpret.figures import coloured, strength, thinned, to_8_bit
from utad.report.colour_scale import colour_scale
from utad.report.data_uris import layer_uri, picture_uri
from utad.report.region_rows import region_rows
from utad.report.rendering import render, text
from utad.report.score_chart import score_chart
from utad.types import Mask

LARGE, MEDIUM, SMALL = 1024, 384, 224
"""Longer sides of pictures in the page, in pixels."""

VERDICTS = {
    "pass": "Normal: the score is at or below the threshold.",
    "review": "Anomalous, to be reviewed: the score is above the threshold, and not above that of failing.",
    "fail": "Anomalous: the score is above the threshold, and above that of failing.",
}


@dataclass(frozen=True)
class Link:
    """A link to another page.

    Attributes:
        href: relative to this page.
        label: shown.
    """

    href: str
    label: str


def explanation_page(
    explanation: Explanation, *, index: Link | None = None, before: Link | None = None, after: Link | None = None
) -> str:
    """The page.

    Args:
        explanation: what it shows.
        index: of all explanations.
        before: the one before this.
        after: the one after it.
    """
    prediction = explanation.prediction
    image = to_8_bit(explanation.image)
    height, width = image.shape[:2]
    inside = thinned(prediction.inside, MEDIUM) if prediction.inside is not None else None
    level = strength(thinned(prediction.anomaly_map, MEDIUM), inside)
    return render(
        "explanation.html",
        title=text(explanation.name),
        explanation=explanation,
        prediction=prediction,
        verdict=VERDICTS[prediction.band],
        width=width,
        height=height,
        pictures=_pictures(explanation, image),
        large=picture_uri(image, LARGE),
        layer=layer_uri(level),
        whole_map=picture_uri(coloured(level), MEDIUM),
        contour=svg_path(prediction.pred_mask),
        region=svg_path(prediction.inside) if prediction.inside is not None else "",
        scale=colour_scale(),
        components=_components(explanation),
        standardised=is_standardised(prediction),
        middle=middle_of_components(prediction),
        chart=score_chart(explanation),
        regions=region_rows(explanation),
        neighbours=[
            {
                "name": text(one.name),
                "distance": one.distance,
                "uri": picture_uri(one.thumbnail, SMALL),
            }
            for one in explanation.neighbours
        ],
        index=index,
        before=before,
        after=after,
    )


def href(path: str) -> str:
    """A relative path of a file as a link."""
    return quote(path.encode("utf-8", "surrogateescape"))


def svg_path(mask: Mask) -> str:
    """The outlines of a mask as the path of an SVG whose unit is a pixel; empty where there is nothing in it."""
    lines = outlines(mask)
    return "".join("M" + "L".join(f"{x + 0.5:g} {y + 0.5:g}" for x, y in line[:-1].tolist()) + "Z" for line in lines)


def _pictures(explanation: Explanation, image: np.ndarray[Any, np.dtype[np.uint8]]) -> list[dict[str, str]]:
    prediction = explanation.prediction
    shown = (
        ("input", "Input x", "The image as it is.", image),
        ("impression", "Impression m", "What the part should look like, drawn by IE-Net.", prediction.impression),
        (
            "naive",
            "Naive impression m̂",
            "The way back, from the image to its impression, without the knowledge of what is normal.",
            prediction.naive_impression,
        ),
        (
            "reconstruction",
            "Reconstruction x̂",
            "The impression with its details put back by Expert-Net.",
            prediction.reconstruction,
        ),
    )
    return [
        {"key": key, "title": title, "caption": caption, "uri": picture_uri(pixels, MEDIUM)}
        for key, title, caption, pixels in shown
    ]


def _components(explanation: Explanation) -> list[dict[str, Any]]:
    found = component_maps(explanation.prediction, SMALL)
    largest = max((abs(component.share or 0.0) for component in found), default=0.0) or 1.0
    return [
        {
            "name": component.name,
            "compares": component.compares,
            "share": component.share,
            "bar": 50.0 * abs(component.share or 0.0) / largest,
            "uri": picture_uri(coloured(component.level), SMALL),
        }
        for component in found
    ]
