"""The report of an evaluation: `report.html`, made image by image, and explanations of the most telling images."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from utad.data.ground_truth import Truth
from utad.data.reading import DEFAULT_MAX_PIXELS, load_image
from utad.errors import checked
from utad.evaluation.evaluation import Evaluation
from utad.evaluation.picture_names import picture_names
from utad.predictor import Predictor
from utad.report.evaluation_page import Scored, evaluation_page
from utad.report.explanation_page import Link, explanation_page, href
from utad.report.gallery import Gallery, kind_of, wrongness
from utad.report.rendering import text
from utad.types import Prediction, Sample

REPORT, EXPLANATIONS = "report.html", "explanations"


class HtmlReport:
    """A `Companion` of `evaluate_to_folder`. It keeps a few kilobytes of each image.

    Args:
        samples: that will be evaluated, all of them.
        title: of the page.
        subject: what was evaluated on what, in words.
        max_pixels: of an image.
        explain: images to explain in pages of their own, at most: false alarms and misses in turn, the worst first,
            then images on the right side of the threshold, the closest first.
        explainer: explains them, with an engine that tells the shares of components.

    Attributes:
        files: what it is going to write.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        title: str,
        subject: str = "",
        max_pixels: int = DEFAULT_MAX_PIXELS,
        explain: int = 0,
        explainer: Predictor | None = None,
    ) -> None:
        self._title, self._subject, self._max_pixels = title, subject, max_pixels
        self._explain, self._explainer = explain if explainer is not None else 0, explainer
        self._gallery = Gallery(len(samples))
        self._scored = Scored()
        # By truth, the most telling ones of each: how wrong the score is, the index with a minus, and the image.
        self._telling: dict[bool, list[tuple[float, int, Sample]]] = {False: [], True: []}
        names = picture_names([sample.name for sample in samples]) if self._explain else {}
        self._pages = {name: f"{EXPLANATIONS}/{file.removesuffix('.png')}.html" for name, file in names.items()}
        self.files: Sequence[str] = (REPORT, *self._pages.values())

    def add(self, sample: Sample, prediction: Prediction, truth: Truth) -> None:
        """Takes in one image.

        Raises:
            ImageReadError: if it cannot be read any more.
        """
        index, anomalous = len(self._scored.scores), truth.anomalous
        self._scored.add(prediction, anomalous=anomalous, kind=kind_of(sample, anomalous=anomalous))
        self._gallery.add(index, sample, load_image(sample, max_pixels=self._max_pixels), prediction, truth)
        if self._explain:
            kept = self._telling[anomalous]
            push = heapq.heappush if len(kept) < self._explain else heapq.heappushpop
            push(kept, (wrongness(prediction, anomalous=anomalous), -index, sample))

    def finish(self, evaluation: Evaluation, write: Callable[[str, str], None]) -> None:
        """Writes the explanations and the page.

        Raises:
            OutputError: if that is not possible.
        """
        explained = self._write_explanations(write)
        page = evaluation_page(
            self._scored,
            self._gallery.cards(),
            evaluation,
            title=text(self._title),
            subject=text(self._subject),
            explanations=explained,
        )
        write(REPORT, page)

    def _write_explanations(self, write: Callable[[str, str], None]) -> dict[int, str]:
        """Writes the pages; returns links to them by the index of the image."""
        if self._explainer is None:
            return {}
        chosen = self._chosen()
        names = [sample.name for sample, _ in chosen]
        outcomes = self._explainer.explain_samples([sample for sample, _ in chosen])
        for position, (name, (_, outcome)) in enumerate(zip(names, outcomes, strict=True)):
            up = "../" * self._pages[name].count("/")
            before, after = (
                Link(up + href(self._pages[other]), text(other)) if other is not None else None
                for other in (names[position - 1] if position else None, next(iter(names[position + 1 :]), None))
            )
            page = explanation_page(checked(outcome), index=Link(up + REPORT, "Report"), before=before, after=after)
            write(self._pages[name], page)
        return {index: href(self._pages[sample.name]) for sample, index in chosen}

    def _chosen(self) -> list[tuple[Sample, int]]:
        """The images to explain, with their indices, in the order of their pages."""
        ranked = [
            (wrong <= 0, rank, -index, sample)
            for kept in self._telling.values()
            for rank, (wrong, index, sample) in enumerate(sorted(kept, reverse=True))
        ]
        return [(sample, index) for _, _, index, sample in sorted(ranked, key=lambda one: one[:3])[: self._explain]]
