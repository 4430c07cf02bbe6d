"""From files and folders to a folder of explanations, one image at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from utad.errors import DatasetError, ImageReadError, InputError, noted
from utad.evaluation.picture_names import picture_names
from utad.inputs import collect_images
from utad.interpret.explanation import NEIGHBOURS, Explanation
from utad.interpret.explanation_figure import explanation_figure
from utad.interpret.figures import heat_overlay, thinned, to_8_bit
from utad.output_folder import OutputFolder, output_folder
from utad.predictor import Predictor
from utad.progress import Progress
from utad.report.data_uris import picture_uri
from utad.report.explanation_page import SMALL, Link, explanation_page, href
from utad.report.figure_files import FIGURES, figure_writer
from utad.report.rendering import render, text
from utad.types import Sample

PURPOSE, INDEX = "explanations", "index.html"
SAVABLE: dict[str, str] = {"page": "pages/{}.html", "png": "figures/{}.png", "svg": "figures/{}.svg"}
"""What is written of each image, and where; `{}` is its name without its ending."""


@dataclass
class ExplanationSummary:
    """What explaining came to.

    Attributes:
        n_images: explained.
        n_anomalous: of these, called anomalous.
        images: of each its name, score, label, band and shares, and the files written.
        opens: the file to open first.
        failed: what could not be read, each with its reason.
        left_out: what lies in the folders and was not tried, a line for each reason, with its count.
    """

    n_images: int = 0
    n_anomalous: int = 0
    images: list[dict[str, Any]] = field(default_factory=list)
    opens: str = INDEX
    failed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def explain_to_folder(
    detector: Predictor,
    inputs: Iterable[Path],
    output: Path,
    *,
    save: Sequence[str] = tuple(SAVABLE),
    neighbours: int = NEIGHBOURS,
    progress: bool = False,
) -> ExplanationSummary:
    """Explains files and folders of files; one that cannot be read is reported and the rest goes on.

    Args:
        detector: fitted.
        inputs: images, and folders of images.
        output: the folder to write to; what an earlier call wrote there is replaced.
        save: some of `SAVABLE`. With pages of several images, `index.html` leads to them.
        neighbours: normal images to show, at most.
        progress: show a bar on the terminal.

    Raises:
        DatasetError: if a path does not exist, a folder holds no image, or none of the images can be read.
        InputError: for anything else in `save`, or if the engine does not tell the shares of components.
        OutputError: if something cannot be written, or `output` overlaps an input or holds files that are not ours.
    """
    unknown = sorted(set(save).difference(SAVABLE))
    if unknown:
        raise InputError(f"got {', '.join(unknown)} to save, expected some of {', '.join(SAVABLE)}")
    given = list(inputs)
    collected = collect_images(given)
    summary = ExplanationSummary(left_out=list(collected.left_out))
    with noted(lambda: _kept(summary, output)), output_folder(output, PURPOSE, apart_from=given) as folder:
        pages = _Pages(folder, collected.samples, save)
        pages.refuse_others()
        outcomes = detector.explain_samples(collected.samples, neighbours=neighbours)
        with Progress("explaining", len(collected.samples), unit="image", bar=progress) as shown:
            for _, outcome in outcomes:
                if isinstance(outcome, ImageReadError):
                    summary.failed.append(str(outcome))
                else:
                    pages.add(outcome, summary)
                shown.advance(1)
        if not summary.n_images:
            raise DatasetError(f"none of the images can be read: {'; '.join(summary.failed)}")
        pages.finish(summary)
    return summary


def _kept(summary: ExplanationSummary, output: Path) -> str:
    if not summary.n_images:
        return "nothing was written; run the same command again"
    return f"{summary.n_images} images are explained, in {output}; the same command begins anew"


class _Pages:
    """Writes the files of each image when it comes, and the index in the end.

    Args:
        folder: to write to.
        samples: all images to come.
        save: some of `SAVABLE`.
    """

    def __init__(self, folder: OutputFolder, samples: Sequence[Sample], save: Sequence[str]) -> None:
        self._folder, self._save = folder, tuple(save)
        self._stems = {
            name: picture.removesuffix(".png")
            for name, picture in picture_names([sample.name for sample in samples]).items()
        }
        self._with_index = "page" in save and len(samples) > 1
        self._order = list(self._stems)
        self._positions = {name: position for position, name in enumerate(self._order)}
        self._rows: list[dict[str, Any]] = []

    def refuse_others(self) -> None:
        """Refuses to begin where files stand that are not ours."""
        planned = [SAVABLE[kind].format(stem) for stem in self._stems.values() for kind in self._save]
        self._folder.refuse_others()
        self._folder.refuse_others([*planned, *([INDEX] if self._with_index else [])])

    def add(self, explanation: Explanation, summary: ExplanationSummary) -> None:
        """Writes the files of one image."""
        if not summary.n_images:
            # What an earlier run left stays until there is something to put in its place.
            self._folder.clear()
        prediction, stem = explanation.prediction, self._stems[explanation.name]
        files = {kind: SAVABLE[kind].format(stem) for kind in self._save}
        if "page" in files:
            page = self._page(explanation, files["page"])
            self._folder.write_text(files["page"], page)
        if "png" in files or "svg" in files:
            figure = explanation_figure(explanation)
            for kind in FIGURES:
                if kind in files:
                    self._folder.write(files[kind], figure_writer(figure, kind))
        summary.n_images += 1
        summary.n_anomalous += prediction.pred_label
        summary.images.append(
            {
                "path": explanation.name,
                "pred_score": prediction.pred_score,
                "pred_label": prediction.pred_label,
                "band": prediction.band,
                "shares": explanation.shares,
                **files,
            }
        )
        if self._with_index:
            image, heat = thinned(to_8_bit(explanation.image), SMALL), thinned(prediction.anomaly_map, SMALL)
            inside = thinned(prediction.inside, SMALL) if prediction.inside is not None else None
            overlay = heat_overlay(image, heat, thinned(prediction.pred_mask, SMALL), inside)
            self._rows.append(
                {
                    "name": text(explanation.name),
                    "href": href(files["page"]),
                    "score": prediction.pred_score,
                    "band": prediction.band,
                    "uri": picture_uri(overlay, SMALL),
                }
            )

    def finish(self, summary: ExplanationSummary) -> None:
        """Writes the index, where there is one."""
        if not self._with_index:
            first = summary.images[0]
            summary.opens = next(first[kind] for kind in SAVABLE if kind in first)
            return
        rows = sorted(self._rows, key=lambda row: -row["score"])
        page = render(
            "explanations.html",
            title="Explanations",
            rows=rows,
            n_anomalous=summary.n_anomalous,
            failed=[text(line) for line in summary.failed],
        )
        self._folder.write_text(INDEX, page)

    def _page(self, explanation: Explanation, own: str) -> str:
        """The page of one image, with links to those beside it."""
        if not self._with_index:
            return explanation_page(explanation)
        position, up = self._positions[explanation.name], "../" * own.count("/")
        links: list[Link | None] = []
        for other in (position - 1, position + 1):
            name = self._order[other] if 0 <= other < len(self._order) else None
            path = None if name is None else up + SAVABLE["page"].format(self._stems[name])
            links.append(Link(href(path), text(name)) if path is not None and name is not None else None)
        return explanation_page(explanation, index=Link(up + INDEX, "All images"), before=links[0], after=links[1])
