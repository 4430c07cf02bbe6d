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
        paper_table: its number there; None for a study of our own.
        paper_columns: headings of the paper's numbers, which say on which data they are.
        paper_rows: the paper's numbers by name of the variant; those not there stand in no row of the paper.
        note: what else a reader must know.
    """

    name: str
    suite: str
    variants: Callable[[str], tuple[Variant, ...]]
    columns: tuple[str, ...]
    paper_table: int | None
    paper_columns: tuple[str, ...]
    paper_rows: Mapping[str, tuple[str, ...]]
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
        paper = [f"paper, {heading}" for heading in self.paper_columns]
        return [
            ["variant", *(_heading(column) for column in self.columns), *paper],
            *(
                [
                    row.shown,
                    *(_own(row, column) for column in self.columns),
                    *self.paper_rows.get(row.method, ("–",) * len(paper)),
                ]
                for row in self._shown(rows)
            ),
        ]

    def words(self, rows: Sequence[Row]) -> str:
        """What the numbers are of, and what else a reader must know."""
        where = ", ".join(dict.fromkeys(row.category for row in rows if row.category != "mean"))
        source = f"The columns headed 'paper' are the paper's own, Table {self.paper_table}, on other data. "
        return f"Ours: {where}. {source if self.paper_table else ''}{self.note}"

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


def _components(preset: str) -> tuple[Variant, ...]:
    del preset
    eq_8 = "scoring.method=paper"
    no_information = ("ie_training.weights.local_information=0", "ie_training.weights.global_information=0")
    return (
        Variant("without L_info", "utad", (eq_8, *no_information)),
        Variant("without Expert-Net", "utad", (eq_8, "scoring.pairs=[x - m]")),
        Variant("without guidance", "utad", (eq_8, "expert_net.guidance=false")),
        Variant("without m_hat", "utad", (eq_8, "scoring.pairs=[x - x_hat, x - m]")),
        Variant("full", "utad", (eq_8,)),
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
        name="ablation-components",
        suite="mnist-5k",
        variants=_components,
        columns=("image.auroc",),
        paper_table=2,
        paper_columns=("MNIST", "Fashion-MNIST", "CIFAR-10"),
        paper_rows={
            "without L_info": ("0.993", "0.891", "0.876"),
            "without Expert-Net": ("0.981", "0.751", "0.803"),
            "without guidance": ("0.988", "0.890", "0.872"),
            "without m_hat": ("0.992", "0.894", "0.881"),
            "full": ("0.994", "0.899", "0.884"),
        },
        note="The measurement is Eq. 8 but in the last row. The paper's rows without L_info and without guidance lack "
        "m_hat too.",
    ),
    Study(
        name="ablation-measurement",
        suite="textures",
        variants=_measurements,
        columns=("pixel.iou", "pixel.iou_oracle", "pixel.auroc", "pixel.aupro", "image.auroc"),
        paper_table=3,
        paper_columns=("Bottle, IoU", "Cable, IoU", "Capsule, IoU", "Hazelnut, IoU"),
        paper_rows={
            "abs(x - x_hat)": ("0.23", "0.17", "0.33", "0.39"),
            "abs(x - m_hat)": ("0.29", "0.20", "0.21", "0.47"),
            "abs(m - m_hat)": ("0.15", "0.06", "0.15", "0.41"),
            "stage 0 alone": ("0.30", "0.11", "0.33", "0.39"),
            "stage 1 alone": ("0.33", "0.31", "0.35", "0.54"),
            "stage 2 alone": ("0.24", "0.20", "0.31", "0.49"),
            "PM": ("0.37", "0.38", "0.41", "0.65"),
        },
        note="Beside stages 0, 1 and 2 stand the paper's conv1_2, conv2_2 and conv3_4 of VGG-19. All variants but "
        "'networks never trained' measure the same trained networks.",
    ),
    Study(
        name="ablation-restoration",
        suite="elpv",
        variants=_restorations,
        columns=("image.auroc", "pixel.auroc", "pixel.aupr", "pixel.aupro"),
        paper_table=None,
        paper_columns=(),
        paper_rows={},
        note="What the two stages add to the features of x, and what training adds to the two stages.",
    ),
    Study(
        name="ablation-capacity",
        suite="textures",
        variants=_capacities,
        columns=("parameters", "pixel.iou", "pixel.iou_oracle", "pixel.auroc"),
        paper_table=4,
        paper_columns=("parameters, M", "Hazelnut, IoU", "Hazelnut, AUROC"),
        paper_rows={
            "AE-64": ("2.98", "0.301", "0.896"),
            "AE-128": ("11.89", "0.188", "0.954"),
            "AE-256": ("47.47", "0.197", "0.945"),
            "UnSt": ("14.28", "0.363", "0.937"),
            "UTAD": ("16.77", "0.649", "0.976"),
        },
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
