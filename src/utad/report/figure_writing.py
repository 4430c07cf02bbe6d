"""Draws figures and writes them: PNG, SVG, the latent map as a page, and an index of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image

from utad.baselines.baseline import MAX_PIXELS
from utad.data.reading import load_image
from utad.errors import DataError, UTADError
from utad.evaluation.benchmark_cell import as_file_name
from utad.evaluation.figure_runner import CategoryFindings
from utad.interpret.latent_map import latent_figure, latent_map
from utad.interpret.paper_figures import FIGURES, paper_figure
from utad.output_folder import OutputFolder
from utad.report.data_uris import thumbnail_uri
from utad.report.explanation_page import Link, href
from utad.report.figure_files import FIGURES as KINDS
from utad.report.figure_files import figure_writer
from utad.report.latent_page import latent_page, thumbnail_of
from utad.report.rendering import render, text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INDEX = "index.html"

LATENT = 8
"""The number of the latent map."""

_LATENT_TITLE = "Latent space"
_LATENT_CAPTION = (
    "Test images, normal and anomalous, placed by t-SNE: left by mu of IE-Net, as in the paper, right by pooled "
    "features of the backbone, which find the images that look more alike. Only neighbourhoods mean something."
)
_PREVIEW, _PREVIEW_BYTES = 1400, 250_000
"""Longest side in pixels, and bytes of the file, of a figure in the index."""


@dataclass
class FigureSummary:
    """What drawing came to.

    Attributes:
        figures: of each its number, category, caption, the names of its images, and the files written.
        left_out: what was not asked of these data, a line for each reason.
        failed: what went wrong, a line each.
        opens: the file to open first.
    """

    figures: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    opens: str = INDEX

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


class FigureWriting:
    """Draws and writes the figures of each category when it comes, and the index in the end.

    Args:
        folder: to write to.
        subject: what the figures are of, in words.
    """

    def __init__(self, folder: OutputFolder, subject: str) -> None:
        self._folder, self._subject = folder, subject
        self._summary = FigureSummary()
        self._groups: dict[str, list[dict[str, Any]]] = {}
        self._error: UTADError | None = None

    def refuse_others(self, numbers: Iterable[int], categories: Iterable[str]) -> None:
        """Refuses to begin where files stand that are not ours."""
        stems = [_stem(number, category) for number in numbers for category in categories]
        planned = [f"{stem}.{kind}" for stem in stems for kind in (*KINDS, "html")]
        self._folder.refuse_others([INDEX, *planned])

    def add(self, found: CategoryFindings, shown: Mapping[int, tuple[str, ...]], *, seed: int) -> None:
        """Writes the figures of one category, those that it has too few images for aside."""
        name = found.category.name
        for number, methods in shown.items():
            if number == LATENT:
                try:
                    self._add_latent(found, seed)
                except DataError as error:
                    self.fail(f"{name}, figure {LATENT}: {error}", error)
                continue
            kind = FIGURES[number]
            present = {method: found.findings[method] for method in methods if method in found.findings}
            if not present:
                self.fail(f"{name}, figure {number}: none of its methods could be trained")
                continue
            figure = paper_figure(kind, found.subjects, present)
            self._write(figure, number, name, title=kind.title, caption=kind.caption, found=found)

    def fail(self, line: str, error: UTADError | None = None) -> None:
        """Takes in what went wrong."""
        self._summary.failed.append(line)
        self._error = self._error or error

    def leave_out(self, line: str) -> None:
        """Takes in what is not drawn of these data."""
        self._summary.left_out.append(line)

    def finish(self) -> FigureSummary:
        """Writes the index.

        Raises:
            UTADError: what went wrong first, if nothing was drawn.
        """
        if not self._summary.figures and self._error is not None:
            raise self._error
        page = render(
            "figures.html",
            title="Figures",
            subject=text(self._subject),
            groups=[(text(category), figures) for category, figures in self._groups.items()],
            notes=[text(line) for line in (*self._summary.left_out, *self._summary.failed)],
        )
        self._folder.write_text(INDEX, page)
        return self._summary

    def _add_latent(self, found: CategoryFindings, seed: int) -> None:
        placed = latent_map(found.reference.coded, seed=seed)
        name = found.category.name
        samples = {sample.name: sample for sample in found.category.test}
        thumbnails = [
            thumbnail_of(load_image(samples[one.name], max_pixels=MAX_PIXELS)) for one in found.reference.coded
        ]
        title = f"{_LATENT_TITLE}: {name}"
        page = latent_page(placed, thumbnails, title=title, seed=seed, index=Link(INDEX, "All figures"))
        file = f"{_stem(LATENT, name)}.html"
        self._folder.write_text(file, page)
        caption = f"{_LATENT_CAPTION} {len(placed.images)} images."
        figure = latent_figure(placed, title)
        self._write(figure, LATENT, name, title=_LATENT_TITLE, caption=caption, page=file)

    def _write(
        self,
        figure: Figure,
        number: int,
        category: str,
        *,
        title: str,
        caption: str,
        found: CategoryFindings | None = None,
        page: str | None = None,
    ) -> None:
        """Writes a figure, and tells of it in the index.

        Args:
            figure: to be written.
            number: of the paper's figure.
            category: that it is of.
            title: of the figure.
            caption: how to read it.
            found: whose subjects it shows; None where it shows no single images.
            page: the file of its page.
        """
        stem = _stem(number, category)
        files = {kind: f"{stem}.{kind}" for kind in KINDS} | ({"page": page} if page is not None else {})
        for kind in KINDS:
            self._folder.write(files[kind], figure_writer(figure, kind))
        names = [subject.name for subject in found.subjects] if found is not None else []
        rule = found.reference.choice.rule if found is not None else ""
        told = {"number": number, "category": category, "caption": caption, "images": names, "rule": rule}
        self._summary.figures.append({**told, **files})
        with PIL.Image.open(self._folder.directory / files["png"]) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        listed = f"{caption} {rule} Images: {', '.join(names)}." if names else caption
        shown = {
            "id": stem,
            "number": number,
            "title": title,
            "caption": text(listed),
            "uri": thumbnail_uri(pixels, _PREVIEW, _PREVIEW_BYTES),
            "page": None,
        }
        links = {kind: href(file) for kind, file in files.items()}
        self._groups.setdefault(category, []).append({**shown, **links})


def _stem(number: int, category: str) -> str:
    """The name of a figure's files without their endings."""
    return as_file_name(f"figure-{number}", category)
