"""The paper's figures of images, Fig. 5 to 7, 9 and 10, from what methods make of the same images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from utad.interpret.picture_table import Panel, TableRow, difference_panel, map_panel, mask_panel, picture_table
from utad.interpret.shown_image import Finding, Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS = "utad"
"""The name of the default method among the findings, which figures show last."""

WITHOUT_DETAIL = "without guidance"
"""The name of the method whose Expert-Net knows no detail of the image."""

DRAWN = ("drawn 1", "drawn 2")
"""Names of its reconstructions with details drawn from N(0, 1)."""

Findings = Mapping[str, Sequence[Finding]]
"""What methods make of the subjects, by the method's name, each in the order of the subjects."""

Column = tuple[str, Callable[[Subject, Mapping[str, Finding]], Panel]]
"""A title, and what stands below it for a subject and what the methods make of it."""


@dataclass(frozen=True)
class FigureKind:
    """One of the paper's figures.

    Attributes:
        number: of the paper.
        title: what it shows, in a few words.
        caption: how to read it.
        columns: of the findings that are there.
        maps: whether it has maps.
        differences: whether it has differences of images.
    """

    number: int
    title: str
    caption: str
    columns: Callable[[Sequence[str]], Sequence[Column]]
    maps: bool = False
    differences: bool = False


def paper_figure(kind: FigureKind, subjects: Sequence[Subject], findings: Findings) -> Figure:
    """A figure, a row for each subject.

    Args:
        kind: one of `FIGURES`.
        subjects: at least one.
        findings: of the methods that it shows; those that are not there are left out.
    """
    columns = kind.columns(list(findings))
    rows = [
        TableRow(subject.kind, [make(subject, _at(findings, index)) for _, make in columns])
        for index, subject in enumerate(subjects)
    ]
    titles = [title for title, _ in columns]
    return picture_table(titles, rows, maps=kind.maps, differences=kind.differences)


def _at(findings: Findings, index: int) -> dict[str, Finding]:
    return {name: own[index] for name, own in findings.items()}


def _image(subject: Subject, _: Mapping[str, Finding]) -> Panel:
    return Panel(subject.pixels)


def _image_with_truth(subject: Subject, _: Mapping[str, Finding]) -> Panel:
    return Panel(subject.pixels, truth=subject.gt_mask)


def _truth(subject: Subject, _: Mapping[str, Finding]) -> Panel:
    return mask_panel(subject.gt_mask, subject.pixels)


_GIVEN: tuple[Column, ...] = (("input x", _image), ("ground truth", _truth))


def _map_of(name: str) -> Column:
    def make(_: Subject, findings: Mapping[str, Finding]) -> Panel:
        found = findings[name]
        mask = found.pred_mask if found.pred_mask.any() else None
        return map_panel(found.anomaly_map, caption=found.caption, mask=mask, inside=found.inside)

    return _in_two_lines(name), make


def _picture(title: str, method: str, picture: str) -> Column:
    return title, lambda _, findings: Panel(findings[method].pictures[picture])


def _difference(title: str, method: str, first: str, second: str) -> Column:
    """Between two pictures of a method; `image` is the subject itself."""

    def make(subject: Subject, findings: Mapping[str, Finding]) -> Panel:
        pictures = {"image": subject.pixels, **findings[method].pictures}
        return difference_panel(pictures[first], pictures[second])

    return title, make


def _methods(names: Sequence[str]) -> list[Column]:
    ordered = [*(name for name in names if name != OURS), *(name for name in names if name == OURS)]
    return [*_GIVEN, *(_map_of(name) for name in ordered)]


def _stages(names: Sequence[str]) -> list[Column]:
    columns: list[Column] = [("input x,\nground truth", _image_with_truth)]
    for name in names:
        if name != OURS:
            columns.append(_picture(f"{name}\nx̂", name, "reconstruction"))
            columns.append(_difference(f"{name}\n|x - x̂|", name, "image", "reconstruction"))
    if OURS not in names:
        return columns
    return [
        *columns,
        _picture(f"{OURS}\nimpression m", OURS, "impression"),
        _picture(f"{OURS}\nx̂", OURS, "reconstruction"),
        _difference(f"{OURS}\n|x - x̂|", OURS, "image", "reconstruction"),
    ]


def _intermediate(_: Sequence[str]) -> list[Column]:
    return [
        *_GIVEN,
        _picture("impression m", OURS, "impression"),
        _picture("naive\nimpression m̂", OURS, "naive_impression"),
        _picture("reconstruction x̂", OURS, "reconstruction"),
        _difference("|x - x̂|", OURS, "image", "reconstruction"),
        _difference("|m - m̂|", OURS, "impression", "naive_impression"),
        _difference("|x - m|", OURS, "image", "impression"),
        ("anomaly map", _map_of(OURS)[1]),
        ("mask", lambda subject, findings: mask_panel(findings[OURS].pred_mask, subject.pixels)),
    ]


def _details(names: Sequence[str]) -> list[Column]:
    columns: list[Column] = [("input x,\nground truth", _image_with_truth)]
    if OURS in names:
        columns.append(_picture("impression m", OURS, "impression"))
    reconstructions: list[tuple[str, str, str]] = []
    if WITHOUT_DETAIL in names:
        reconstructions += [(f"without E_S,\n{one}", WITHOUT_DETAIL, one) for one in DRAWN]
    if OURS in names:
        reconstructions.append(("with E_S", OURS, "reconstruction"))
    columns += [_picture(f"x̂ {title}", method, picture) for title, method, picture in reconstructions]
    return columns + [
        _difference(f"|x - x̂| {title}", method, "image", picture) for title, method, picture in reconstructions
    ]


def _in_two_lines(name: str, longest: int = 16) -> str:
    """A name whose last words go to a second line where it is long."""
    if len(name) <= longest:
        return name
    head, _, tail = name.partition(" ")
    return f"{head}\n{tail}" if tail else name


_SCALE = (
    "All maps have one scale, in which the limit of normal pixels has the middle colour for every method; green lines "
    "are the mask of an image that the method calls anomalous. Below each map: the normalised score, and the verdict."
)

FIGURES: Mapping[int, FigureKind] = MappingProxyType(
    {
        kind.number: kind
        for kind in (
            FigureKind(5, "Methods on the same images", _SCALE, _methods, maps=True),
            FigureKind(
                6,
                "One stage and two",
                "Dashed lines: the ground truth. One network alone either restores coarsely, which leaves a difference "
                "everywhere, or restores the defect too; the impression m is to leave it out, and the reconstruction x̂ "
                "to be sharp nevertheless.",
                _stages,
                differences=True,
            ),
            FigureKind(
                7,
                "Intermediate results",
                "m: what the part should look like; m̂: the way back, from the image to its impression, which still has "
                f"the defect; x̂: the impression with its details. {_SCALE}",
                _intermediate,
                maps=True,
                differences=True,
            ),
            FigureKind(
                9,
                "Measurements and ablations",
                "Left: single differences and single stages of the backbone's features; then Eq. 8 with a part of the "
                f"method left out, Eq. 8 as printed (PM), and the default measurement (utad). {_SCALE}",
                _methods,
                maps=True,
            ),
            FigureKind(
                10,
                "With and without the detail extractor",
                "Without E_S, Expert-Net is trained and used with details drawn from N(0, 1); two draws are shown. "
                "Dashed lines: the ground truth.",
                _details,
                differences=True,
            ),
        )
    }
)
"""The figures that show images, by number. Fig. 8, the latent map, is `utad.interpret.latent_map`."""
