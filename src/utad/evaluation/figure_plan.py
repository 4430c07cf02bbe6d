"""Which methods the paper's figures need, and how long their trainings take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import MappingProxyType

from utad.errors import ConfigError
from utad.evaluation.benchmark import Benchmark
from utad.evaluation.benchmark_cell import Cell
from utad.evaluation.methods import variants_of, with_settings
from utad.evaluation.studies import study_named
from utad.evaluation.suites import Suite
from utad.evaluation.variant import Variant
from utad.interpret.paper_figures import OURS, WITHOUT_DETAIL

NUMBERS = (5, 6, 7, 8, 9, 10)
"""The paper's figures that there are."""

OF_ONE_MODEL = (7, 8)
"""Those that need no other training."""

ONE_STAGE = ("ae-ssim", "skip-ganomaly")
"""The methods that restore in one stage, of the kinds that the paper's Fig. 6 shows: references 12 and 3."""

METHODS = (OURS, "padim", "patchcore", *ONE_STAGE)
"""The methods of Fig. 5 unless told otherwise."""

_ABLATIONS = ("without L_info", "without Expert-Net", WITHOUT_DETAIL)
"""Of the study ablation-components, those that Fig. 9 shows."""

_SECONDS: Mapping[str, float] = MappingProxyType(
    {
        OURS: 120,
        "padim": 3,
        "patchcore": 5,
        "ae-l2": 185,
        "ae-ssim": 185,
        "skip-ganomaly": 185,
        "efficientad-s": 100,
    }
)
"""Of a fit at 128 pixels on two cores, with the default steps: those of benchmarks/results/textures.json; ae-ssim and
skip-ganomaly, which it does not have, are taken for as slow as ae-l2."""

_OTHER_SECONDS = 200.0
SHARED = 0.2
"""Part of the time of a fit that remains where the training is there."""


@dataclass(frozen=True)
class FigurePlan:
    """What is to be drawn, and what of.

    Attributes:
        benchmark: the methods, the reference first, and the data.
        shown: the names of the methods by number of the figure.
        images: with defects that are shown of a category, at least 1.
    """

    benchmark: Benchmark
    shown: Mapping[int, tuple[str, ...]]
    images: int

    def by_category(self) -> Iterator[tuple[Cell, ...]]:
        """The cells of one category after the other, that of the reference first.

        Raises:
            ConfigError: as `Benchmark.cells`.
            DatasetError: if data is missing.
        """
        for _, cells in groupby(self.benchmark.cells(), key=lambda cell: (cell.dataset, cell.category)):
            yield tuple(cells)


def plan_figures(
    suite: Suite,
    *,
    numbers: Sequence[int] = NUMBERS,
    methods: Sequence[str] = METHODS,
    categories: Sequence[str] | None = None,
    root: Path | None = None,
    seed: int = 0,
    preset: str = "fast",
    settings: Sequence[str] = (),
    limit: int | None = None,
    images: int = 4,
) -> FigurePlan:
    """What the figures of a suite need, each method once.

    Args:
        suite: the data.
        numbers: of the figures, some of `NUMBERS`.
        methods: of Fig. 5.
        categories: of the suite; all if None.
        root: of downloaded data.
        seed: of splits, methods and t-SNE.
        preset: of UTAD; the others see images of its size.
        settings: `section.key=value` of UTAD, `METHOD.argument=value` of another method.
        limit: training and test images per category at most; for trials.
        images: with defects that are shown of a category.

    Raises:
        ConfigError: if a figure or method does not exist, or a setting is of a method that no figure needs.
    """
    check_numbers(numbers)
    if images < 1:
        raise ConfigError(f"got {images} images to show, expected at least 1")
    variants: dict[str, Variant] = {OURS: Variant(OURS, OURS)}
    shown: dict[int, tuple[str, ...]] = {}
    for number in sorted(set(numbers)):
        needed = _variants_of(number, methods, preset)
        shown[number] = tuple(variant.name for variant in needed)
        variants |= {variant.name: variant for variant in needed}
    benchmark = Benchmark(
        suite,
        with_settings(list(variants.values()), settings),
        [seed],
        root=root,
        categories=categories,
        preset=preset,
        limit=limit,
        share_training=True,
    )
    return FigurePlan(benchmark, shown, images)


def check_numbers(numbers: Sequence[int], possible: Sequence[int] = NUMBERS) -> None:
    """Refuses figures that are not possible.

    Raises:
        ConfigError: naming them.
    """
    wrong = [str(number) for number in numbers if number not in possible]
    if wrong or not numbers:
        names = ", ".join(map(str, possible))
        comparing = " figures that compare trainings need a suite," if possible == OF_ONE_MODEL else ""
        raise ConfigError(f"got figure {', '.join(wrong) or 'none'}:{comparing} expected some of {names}")


def seconds_of(cells: Sequence[Cell]) -> list[float]:
    """How long each cell takes on two cores with the preset fast, roughly; elsewhere the proportions count."""
    trained: set[str] = set()
    found = []
    for cell in cells:
        seconds = _SECONDS.get(cell.base, _OTHER_SECONDS)
        training = cell.training_name
        found.append(SHARED * seconds if training in trained else seconds)
        if training is not None:
            trained.add(training)
    return found


def _variants_of(number: int, methods: Sequence[str], preset: str) -> tuple[Variant, ...]:
    if number == 5:
        return variants_of(list(dict.fromkeys(methods)))
    if number == 6:
        return variants_of([*ONE_STAGE, OURS])
    if number in OF_ONE_MODEL:
        return variants_of([OURS])
    components = {variant.name: variant for variant in study_named("ablation-components").variants(preset)}
    if number == 10:
        return (components[WITHOUT_DETAIL], *variants_of([OURS]))
    measurements = [
        variant
        for variant in study_named("ablation-measurement").variants(preset)
        if variant.name == "abs(x - x_hat)" or variant.name.startswith("stage ")
    ]
    printed = components["full"]
    return (
        *measurements,
        *(components[name] for name in _ABLATIONS),
        Variant("PM", printed.base, printed.overrides),
        *variants_of([OURS]),
    )
