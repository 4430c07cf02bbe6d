from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments import feature_impression, illumination, labels, masks, small_defects, tile_places
from measuring import camera, experiments
from utad.data.tiling import Layout

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "benchmarks" / "experiments").glob("*.py"))

SHORT = (
    *("image.size=32", "feature_training.steps=2", "feature_training.examples=16"),
    *("calibration.synthetic_anomalies=20", "calibration.max_images=20"),
)


def results(experiment, category: str, folder) -> dict:
    """What the experiment writes for a category, with training that is over in seconds."""
    settings = [argument for setting in SHORT for argument in ("--set", setting)]
    experiment.main([category, *settings, "--label", "short", "--output", str(folder / "results.json")])
    document = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    (run,) = document["runs"]["short"].values()
    assert run["settings"] == list(SHORT)
    return run


def test_every_set_of_components_is_measured(tmp_path):
    run = results(feature_impression, "mnist-5k/2", tmp_path)
    assert set(run["sets"]) == set(feature_impression.SETS)
    for values in run["sets"].values():
        assert 0.5 < values["image_auroc"] <= 1.0
        assert all(0.0 <= value <= 1.0 for value in values.values())


@pytest.mark.parametrize("experiment", [masks, illumination])
def test_what_is_measured_on_pictures_with_masks(experiment, tmp_path):
    run = results(experiment, "textures/brick", tmp_path)
    if experiment is masks:
        assert {"fixed 0.5", "relative 0.5"} < set(run["rules"])
        assert all(0.0 <= rule["iou"] <= 1.0 for rule in run["rules"].values())
        # A part of the peak is a mask of images called anomalous alone, whatever the part.
        assert len({run["rules"][f"relative {alpha:g}"]["masked_normals"] for alpha in masks.ALPHAS}) == 1
    else:
        assert set(run["false_alarms"]) == set(illumination.CHANGES)
        assert run["quality"]["aupro"] > 0.0


def test_thresholds_are_compared(tmp_path):
    found = results(labels, "mnist-5k/2", tmp_path)["labels"]
    assert found["share_of_half"] == pytest.approx(found["share"] / 2, abs=0.01)
    # The more is added to what normal images score, the fewer images lie above.
    for rate in ("false_alarms", "recall"):
        assert found[f"{rate}_without"] >= found[f"{rate}_by_share"] >= found[f"{rate}_whole"]


def test_components_are_put_on_one_scale():
    anomalous = np.array([False] * 5 + [True])
    peaks = {"input": np.array([0.0, 1, 2, 3, 4, 10]), "deep": np.array([0.0, 100, 200, 300, 400, 400])}
    found = small_defects.fused(anomalous, peaks)
    assert set(found) == {"mean of input, deep", "maximum of input, deep"}
    # The median of the normal images becomes 0; both have the same spread, so that only the last image differs.
    assert found["mean of input, deep"][2] == found["maximum of input, deep"][2] == 0.0
    np.testing.assert_allclose(found["mean of input, deep"][:5], found["maximum of input, deep"][:5])
    spread = np.quantile([0, 1, 2, 3, 4], 0.84) - 2
    assert found["maximum of input, deep"][5] == pytest.approx(8 / spread)
    assert found["mean of input, deep"][5] == pytest.approx((8 / spread + 2 / spread) / 2)


def test_a_ranking_counts_what_lies_above_all_normal_images():
    scores = np.array([0.0, 2.0, 1.0, 2.0, 3.0])
    found = experiments.ranking(np.array([False, False, True, True, True]), scores)
    assert found == {"image_auroc": pytest.approx(4.5 / 6), "recall_above_all_normal": pytest.approx(1 / 3, abs=1e-4)}


def test_fabricated_images_differ_in_surface_and_in_one_defect():
    category = small_defects.fabricated((64, 80))
    assert (len(category.train), len(category.test)) == (small_defects.TRAINING, small_defects.TESTED)
    changed = [np.any(one.image != other.image) for one, other in pairwise(category.train)]
    assert all(changed)
    normal = camera.image(64, 80, 5_001)
    assert 0 < (category.test[1].image[..., 0] != normal).sum() < 2 * small_defects.DEFECT**2


def test_what_is_normal_at_one_place_stands_out_at_another_by_statistics_of_places_alone():
    generator = torch.Generator().manual_seed(0)

    def tiles(count: int) -> torch.Tensor:
        """Of two places in turn, whose vectors lie around 0 and 5."""
        vectors = torch.randn(2 * count, 3, 2, 2, generator=generator)
        vectors[1::2] += 5.0
        return vectors

    learnt, tested = tiles(60), tiles(20)
    exchanged = tested.view(20, 2, 3, 2, 2).flip(1).reshape(tested.shape)
    for statistics, differ in (("all tiles", False), ("each place", True)):
        normal, wrong = (
            tile_places.maps_of(learnt, values, Layout(1, 2), statistics) for values in (tested, exchanged)
        )
        assert bool(wrong.min() > normal.max()) is differ


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_by_which_command_it_runs(name):
    text = (ROOT / "benchmarks" / "experiments" / name).read_text(encoding="utf-8")
    said = text.split('"""')[1]
    assert f"python benchmarks/experiments/{name}" in said
    assert "benchmarks python" in said or "export PYTHONPATH=benchmarks\n" in said


def test_the_command_runs(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "benchmarks")}
    command = [sys.executable, str(ROOT / "benchmarks" / "experiments" / "labels.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert "SUITE/CATEGORY" in done.stdout
