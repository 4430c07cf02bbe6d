"""What the experiments have in common: SUITE/CATEGORY on the command line, and results that runs are added to."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from utad.config import Config, load_config
from utad.evaluation.provenance import commit, machine, versions
from utad.evaluation.suites import suite_named
from utad.types import Category

ROUNDED = 4
"""Decimal places of what goes into results."""


def experiment_parser(description: str | None, output: str) -> argparse.ArgumentParser:
    """The arguments of an experiment that goes through categories; results go to `output` by default."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("categories", nargs="+", metavar="SUITE/CATEGORY")
    parser.add_argument("--real-root", type=Path, metavar="DIR", help="of the suite `real`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--label", default="default", help="what the settings are called in the results")
    parser.add_argument("--output", type=Path, default=Path(output))
    return parser


def opened(given: str, arguments: argparse.Namespace, *, settings: tuple[str, ...] = ()) -> tuple[Category, Config]:
    """A category named SUITE/CATEGORY, and the config that `arguments` make of the default and `settings`."""
    suite = suite_named(given.split("/")[0])
    root = arguments.real_root if suite.needs_root else None
    dataset, name = next(pair for pair in suite.categories(root) if pair[1] == given.split("/")[1])
    sized = [f"image.size={suite.size}"] if suite.size is not None else []
    config = load_config(overrides=[*sized, *settings, *arguments.settings], seed=arguments.seed)
    return suite.open(dataset, name, root=root, seed=arguments.seed), config


def ranking(anomalous: NDArray[np.bool_], scores: NDArray[Any]) -> dict[str, float]:
    """How well scores tell anomalous images from normal ones: image AUROC, and the recall above all normal images.

    Args:
        anomalous: `(N,)`, some of them and not all.
        scores: `(N,)`, higher is more anomalous.
    """
    recall = (scores[anomalous] > scores[~anomalous].max()).mean()
    return {
        "image_auroc": round(float(roc_auc_score(anomalous, scores)), ROUNDED),
        "recall_above_all_normal": round(float(recall), ROUNDED),
    }


def add_run(given: str, arguments: argparse.Namespace, found: Mapping[str, Any]) -> None:
    """Adds what was found for a category to the results, with the commit, the settings and the machine."""
    path: Path = arguments.output
    document = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    document |= {"machine": machine(), "versions": versions()}
    runs = document.setdefault("runs", {}).setdefault(arguments.label, {})
    runs[f"{given}/{arguments.seed}"] = {"commit": commit(), "settings": arguments.settings, **found}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
