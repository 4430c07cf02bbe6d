"""The paper's tables on the data they are of, as far as it lies below one folder: what runs where, and what is missing.

Each part of a table is a benchmark in a folder of its own, which goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utad.data.layouts.mvtec import MVTEC_CATEGORIES
from utad.errors import ConfigError, DatasetError
from utad.evaluation.benchmark import PAGE as REPORT
from utad.evaluation.benchmark import Benchmark, run_benchmark, write_beside, write_study
from utad.evaluation.benchmark_runner import Progress
from utad.evaluation.methods import BASELINES, with_settings
from utad.evaluation.studies import Study, study_named
from utad.evaluation.suites import Suite, suite_named
from utad.output_folder import output_folder

PURPOSE = "reproduction"
PAGE = "reproduction.md"
TABLES = (1, 2, 3, 4)

CLASS_FOLDERS = ("cifar10-classes", "cifar10")
"""Below the root, where CIFAR-10 may lie as image files in folders of its classes."""


@dataclass(frozen=True)
class Part:
    """One study on one data set: a table of the paper, or what it says of that data.

    Attributes:
        table: its number in the paper.
        study: of `STUDIES`.
        suite: the data, of `SUITES`.
        preset: the paper's for that data.
        categories: that the table has; None for all of the data.
    """

    table: int
    study: str
    suite: str
    preset: str
    categories: tuple[str, ...] | None = None

    @property
    def folder(self) -> str:
        """Below the output."""
        return f"table-{self.table}/{self.study}-{self.suite}"


_ONE_CLASS = ("mnist", "fashion-mnist", "cifar10")

PARTS: tuple[Part, ...] = (
    Part(1, "methods-defects", "mvtec", "paper", MVTEC_CATEGORIES),
    *(
        Part(2, study, suite, "paper-small")
        for study in ("methods-one-class", "ablation-components")
        for suite in _ONE_CLASS
    ),
    Part(3, "ablation-measurement", "mvtec", "paper", ("bottle", "cable", "capsule", "hazelnut")),
    Part(4, "ablation-capacity", "mvtec", "paper", ("hazelnut",)),
)


@dataclass(frozen=True)
class Planned:
    """A part whose data is there.

    Attributes:
        part: of the paper.
        benchmark: what is run.
        missing: categories of the table that are not there.
    """

    part: Part
    benchmark: Benchmark
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reproduction:
    """What can be run.

    Attributes:
        planned: in the order of the paper.
        left_out: a line for each part whose data is not there, with its reason.
    """

    planned: tuple[Planned, ...]
    left_out: tuple[str, ...]


def plan_reproduction(
    root: Path,
    *,
    tables: Sequence[int] = TABLES,
    seeds: Sequence[int] = (0,),
    preset: str | None = None,
    settings: Sequence[str] = (),
    limit: int | None = None,
) -> Reproduction:
    """Which parts of the paper's tables can be run on the data below a folder.

    Args:
        root: holds MVTec AD, unpacked, and torchvision's folders of MNIST, Fashion-MNIST and CIFAR-10, each itself or
            in a folder of its name; CIFAR-10 may be image files in class folders.
        tables: numbers of the paper's tables.
        seeds: of splits and methods.
        preset: of UTAD; None for the paper's, which is meant for a GPU.
        settings: `section.key=value` of UTAD, `METHOD.argument=value` of the others; those of methods that a part
            does not have are left out there.
        limit: training and test images per category at most; for trials.

    Raises:
        ConfigError: if a table does not exist, or a setting is of a method that none of the tables has.
        DatasetError: if none of the data is there.
    """
    wrong = [str(number) for number in tables if number not in TABLES]
    if wrong or not tables:
        raise ConfigError(f"got table {', '.join(wrong) or 'none'}, expected some of {', '.join(map(str, TABLES))}")
    strange = [setting for setting in settings if not any(_concerns(setting, bases) for bases in _methods_of(tables))]
    if strange:
        raise ConfigError(f"got the setting {strange[0]}, whose method is in none of these tables of the paper")
    planned, left_out = [], []
    for part in (part for part in PARTS if part.table in tables):
        try:
            suite, where, categories = _located(part, root)
        except DatasetError as error:
            left_out.append(f"table {part.table}, {part.study} on {part.suite}: {error}")
            continue
        variants = study_named(part.study).variants(preset or part.preset)
        bases = {variant.base for variant in variants}
        benchmark = Benchmark(
            suite,
            with_settings(variants, [setting for setting in settings if _concerns(setting, bases)]),
            seeds,
            root=where,
            categories=categories,
            preset=preset or part.preset,
            limit=limit,
            share_training=True,
        )
        planned.append(
            Planned(part, benchmark, tuple(name for name in part.categories or () if name not in categories))
        )
    if not planned:
        raise DatasetError(f"{root}: none of the paper's data is there: {'; '.join(left_out)}")
    return Reproduction(tuple(planned), tuple(left_out))


def run_reproduction(
    plan: Reproduction,
    output: Path,
    *,
    jobs: int = 1,
    report: Callable[[Progress], None] | None = None,
    page_of: Callable[[Mapping[str, Any], Study], str] | None = None,
) -> tuple[str, list[str]]:
    """Runs every part, and writes all tables to one page.

    Args:
        plan: of `plan_reproduction`.
        output: the folder; finished cells in it are not run again.
        jobs: processes at a time; 0 runs all in this one.
        report: called after every cell.
        page_of: makes the page of a part from its document, such as `utad.report.benchmark_page.benchmark_page`.

    Returns:
        The page, Markdown, and the cells that failed with their reasons.

    Raises:
        OutputError: as `run_benchmark`.
    """
    sections: list[str] = []
    failures: list[str] = []
    roots = {planned.benchmark.root for planned in plan.planned} - {None}
    with output_folder(output, PURPOSE, apart_from=[root for root in roots if root is not None]) as folder:
        folder.refuse_others([PAGE])
        folder.own(sorted({planned.part.folder.split("/")[0] for planned in plan.planned}))
        for planned in plan.planned:
            study, where = study_named(planned.part.study), output / planned.part.folder
            result = run_benchmark(planned.benchmark, where, jobs=jobs, report=report)
            table = write_study(study, result, where)
            if page_of is not None:
                write_beside(where, REPORT, page_of(result.document, study))
            failures += [f"{failure['cell']}: {failure['error']}" for failure in result.document["failures"]]
            sections.append(_section(planned, table))
            folder.write_text(PAGE, _page(sections, plan))
    return _page(sections, plan), failures


def _page(sections: Sequence[str], plan: Reproduction) -> str:
    return "\n\n".join(["# The paper's tables", *sections, *_left_out(plan)]) + "\n"


def _section(planned: Planned, table: str) -> str:
    part, benchmark = planned.part, planned.benchmark
    heading = f"## Table {part.table}: {part.study} on {benchmark.suite.name}"
    lines = [heading, f"Preset {benchmark.preset}, seeds {', '.join(map(str, benchmark.seeds))}.", table]
    if planned.missing:
        lines.append(f"Not there, and so not in the mean: {', '.join(planned.missing)}.")
    return "\n\n".join([*lines, f"All values: [{part.folder}]({part.folder}/table.md)."])


def _left_out(plan: Reproduction) -> list[str]:
    return ["## Left out", "\n".join(f"- {line}" for line in plan.left_out)] if plan.left_out else []


def _located(part: Part, root: Path) -> tuple[Suite, Path, tuple[str, ...]]:
    """The suite of a part, its root, and the categories that are there."""
    suite = suite_named(part.suite)
    reasons = []
    places = [(suite, root), (suite, root / part.suite)]
    if part.suite == "cifar10":
        places += [(suite_named("class-folders"), root / name) for name in CLASS_FOLDERS]
    for found, where in places:
        if not where.is_dir():
            continue
        try:
            there = [category for _, category in found.categories(where)]
            categories = tuple(name for name in there if part.categories is None or name in part.categories)
            if categories:
                found.open(part.suite if found.datasets else str(where), categories[0], root=where, seed=0)
                return found, where, categories
            reasons.append(f"{where} has none of its categories")
        except DatasetError as error:
            reasons.append(str(error))
    raise DatasetError(reasons[0] if reasons else f"{root} is not a folder")


def _methods_of(tables: Sequence[int]) -> list[set[str]]:
    """Of each part of the tables its methods."""
    parts = [part for part in PARTS if part.table in tables]
    return [{variant.base for variant in study_named(part.study).variants(part.preset)} for part in parts]


def _concerns(setting: str, bases: set[str]) -> bool:
    method = setting.partition(".")[0]
    return method not in BASELINES or method in bases
