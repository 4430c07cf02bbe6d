"""The studies: which variants each compares, on which columns, and what the paper's own tables say.

The paper's numbers are of MVTec AD, MNIST, Fashion-MNIST and CIFAR-10 with its own networks; ours beside them are of
whatever data the study runs on. They show whether the same things help, not who is better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from utad.config import load_config
from utad.errors import ConfigError
from utad.evaluation.paper_tables import (
    CAPACITY,
    COMPONENTS,
    MEASUREMENTS,
    METHODS_DEFECTS,
    METHODS_ONE_CLASS,
    PaperTable,
)
from utad.evaluation.tables import COLUMNS, Row, markdown_line, mean_and_spread, with_departures
from utad.evaluation.variant import Variant


@dataclass(frozen=True)
class Study:
    """Variants that show what a part of the method is worth; most are one of the paper's tables, measured again.

    Attributes:
        name: as the command names it.
        suite: the data it runs on unless told otherwise.
        variants: of a preset.
        columns: keys of `COLUMNS`, and `parameters`.
        paper: the table of the paper that it measures again; None for a study of our own. Variants that are not there
            stand in no row of the paper.
        note: what else a reader must know.
    """

    name: str
    suite: str
    variants: Callable[[str], tuple[Variant, ...]]
    columns: tuple[str, ...]
    paper: PaperTable | None
    note: str

    def table(self, rows: Sequence[Row]) -> str:
        """Markdown: our columns, then the paper's, one row per variant; of several categories the mean.

        Below it, what the compared methods leave out of their sources.
        """
        heading, *lines = self.cells(rows)
        table = [heading, ["---", *["---:"] * (len(heading) - 1)], *lines]
        return with_departures("\n".join([*map(markdown_line, table), "", self.words(rows)]), self._shown(rows))

    def cells(self, rows: Sequence[Row]) -> list[list[str]]:
        """The texts of the table, the headings first."""
        paper = self.paper or PaperTable(0, (), {})
        headings = [*map(_heading, self.columns), *(f"paper, {heading}" for heading in paper.columns)]
        absent = ("–",) * len(paper.columns)
        return [
            ["variant", *headings],
            *(
                [row.shown, *(_own(row, column) for column in self.columns), *paper.rows.get(row.method, absent)]
                for row in self._shown(rows)
            ),
        ]

    def words(self, rows: Sequence[Row]) -> str:
        """What the numbers are of, and what else a reader must know."""
        where = ", ".join(dict.fromkeys(row.category for row in rows if row.category != "mean"))
        source = "" if self.paper is None else _source(self.paper)
        return f"Ours: {where}. {source}{self.note}"

    def _shown(self, rows: Sequence[Row]) -> list[Row]:
        categories = [row.category for row in rows]
        return [row for row in rows if row.category == ("mean" if "mean" in categories else categories[0])]


UNTRAINED = tuple(
    f"{stage}.{setting}"
    for stage in ("ie_training", "expert_training", "feature_training")
    for setting in ("epochs=null", "steps=0")
)
"""Settings that leave the networks as they were initialised."""


OF_X: Mapping[str, str] = MappingProxyType(
    {"restored": "input", "restored-near": "input-near", "restored-whole": "whole"}
)
"""What the components of restored features are on the features themselves."""


def _heading(column: str) -> str:
    return "parameters, M" if column == "parameters" else COLUMNS[column]


def _own(row: Row, column: str) -> str:
    values = row.values.get(column, ())
    if not values:
        return "–"
    return f"{values[0] / 1e6:.2f}" if column == "parameters" else mean_and_spread(values)


def _source(table: PaperTable) -> str:
    return (
        f"The columns headed 'paper' are the paper's own, Table {table.number}, of the data that their headings name, "
        "with its own networks and training. "
    )


def _compared(table: PaperTable) -> Callable[[str], tuple[Variant, ...]]:
    """The methods of a table of the paper, each with its own settings."""
    return lambda _: tuple(Variant(name, name) for name in table.rows)


def _components(preset: str) -> tuple[Variant, ...]:
    del preset
    eq_8 = "scoring.method=paper"
    no_information = ("ie_training.weights.local_information=0", "ie_training.weights.global_information=0")
    impression = "scoring.pairs=[x - m]"
    one_way = "scoring.pairs=[x - x_hat, x - m]"
    random_detail = "expert_net.guidance=false"
    return (
        Variant("baseline", "utad", (eq_8, impression, *no_information)),
        Variant("without Expert-Net", "utad", (eq_8, impression)),
        Variant("without L_info, guidance, m_hat", "utad", (eq_8, one_way, random_detail, *no_information)),
        Variant("without guidance, m_hat", "utad", (eq_8, one_way, random_detail)),
        Variant("without L_info, m_hat", "utad", (eq_8, one_way, *no_information)),
        Variant("without m_hat", "utad", (eq_8, one_way)),
        Variant("full", "utad", (eq_8,)),
        Variant("without L_info", "utad", (eq_8, *no_information)),
        Variant("without guidance", "utad", (eq_8, random_detail)),
        Variant("full, calibrated measurement", "utad"),
    )


def _measurements(preset: str) -> tuple[Variant, ...]:
    config = load_config(preset)
    stages = len(config.backbone.stages)
    pixels = ("scoring.method=paper", "scoring.space=pixels")
    default, calibrated = config.scoring, ("scoring.method=calibrated",)
    alone = [["1" if other == stage else "0" for other in range(stages)] for stage in range(stages)]
    return (
        *(
            Variant(f"abs({pair})", "utad", (*pixels, f"scoring.pairs=[{pair}]"))
            for pair in ("x - x_hat", "x - m_hat", "m - m_hat")
        ),
        *(
            Variant(f"stage {stage} alone", "utad", ("scoring.method=paper", f"scoring.stage_weights=[{','.join(w)}]"))
            for stage, w in enumerate(alone)
        ),
        Variant("PM", "utad", ("scoring.method=paper",)),
        *(
            Variant(f"component {name} alone", "utad", (*calibrated, f"scoring.components=[{name}]"))
            for name in default.components
        ),
        *_restorations(preset)[1:],
        Variant("calibrated, raw illumination", "utad", (*calibrated, "scoring.normalise_illumination=false")),
        Variant("calibrated, unweighted features", "utad", (*calibrated, "calibration.synthetic_anomalies=0")),
        Variant("calibrated", "utad", calibrated),
    )


def _of_components(scored: Sequence[str], mapped: Sequence[str]) -> tuple[str, str]:
    return f"scoring.components=[{','.join(scored)}]", f"scoring.map_components=[{','.join(mapped)}]"


def _restorations(preset: str) -> tuple[Variant, ...]:
    calibrated = "scoring.method=calibrated"
    scoring = load_config(preset).scoring
    restored, mapped = (
        [name for name in names if name in OF_X] for names in (scoring.components, scoring.map_components)
    )
    scored_of_x = list(dict.fromkeys(OF_X.get(name, name) for name in scoring.components))
    mapped_of_x = [name for name in scoring.map_components if name not in mapped]
    return (
        Variant("default", "utad", (calibrated,)),
        Variant("features of x alone", "utad", (calibrated, *_of_components(scored_of_x, mapped_of_x))),
        Variant("restoration alone", "utad", (calibrated, *_of_components(restored, mapped))),
        Variant("networks never trained", "utad", (calibrated, *UNTRAINED)),
    )


def _capacities(preset: str) -> tuple[Variant, ...]:
    del preset
    return (
        *(
            Variant(f"AE-{width}", "ae-l2", (f"width={width}", f"latent_dim={width}", "code_side=4"))
            for width in (64, 128, 256)
        ),
        Variant("UnSt", "unst"),
        Variant("UTAD", "utad"),
    )


_STUDIES = (
    Study(
        name="methods-defects",
        suite="mvtec",
        variants=_compared(METHODS_DEFECTS),
        columns=("pixel.iou", "pixel.iou_oracle", "pixel.auroc", "image.auroc"),
        paper=METHODS_DEFECTS,
        note="IoU is at each method's own limit, which normal images set, and at the best one in hindsight; the paper "
        "does not say how it set that of the compared methods.",
    ),
    Study(
        name="methods-one-class",
        suite="mnist-5k",
        variants=_compared(METHODS_ONE_CLASS),
        columns=("image.auroc",),
        paper=METHODS_ONE_CLASS,
        note="",
    ),
    Study(
        name="ablation-components",
        suite="mnist-5k",
        variants=_components,
        columns=("image.auroc",),
        paper=COMPONENTS,
        note="The measurement is Eq. 8 but in the last row. 'baseline' is IE-Net without L_info, scored by x - m.",
    ),
    Study(
        name="ablation-measurement",
        suite="textures",
        variants=_measurements,
        columns=("pixel.iou", "pixel.iou_oracle", "pixel.auroc", "pixel.aupro", "image.auroc"),
        paper=MEASUREMENTS,
        note="Beside stages 0, 1 and 2 stand the paper's conv1_2, conv2_2 and conv3_4 of VGG-19. All variants but "
        "'networks never trained' measure the same trained networks.",
    ),
    Study(
        name="ablation-restoration",
        suite="elpv",
        variants=_restorations,
        columns=("image.auroc", "pixel.auroc", "pixel.aupr", "pixel.aupro"),
        paper=None,
        note="What the two stages add to the features of x, and what training adds to the two stages.",
    ),
    Study(
        name="ablation-capacity",
        suite="textures",
        variants=_capacities,
        columns=("parameters", "pixel.iou", "pixel.iou_oracle", "pixel.auroc"),
        paper=CAPACITY,
        note="AE-k is the auto-encoder of Bergmann et al. (2018) with k channels in its first layer, the others in "
        "proportion, and a code of k numbers; the paper's parameters are those at 256 pixels.",
    ),
)

STUDIES: Mapping[str, Study] = MappingProxyType({study.name: study for study in _STUDIES})
"""Every study by name."""


def study_named(name: str) -> Study:
    """The study of that name.

    Raises:
        ConfigError: if there is none.
    """
    if name not in STUDIES:
        raise ConfigError(f"unknown study {name!r}: choose one of {', '.join(STUDIES)}")
    return STUDIES[name]
