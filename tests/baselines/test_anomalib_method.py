"""On small images, with the weights that are installed."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import fabricate
from tests.baselines import easy
from utad.errors import ConfigError, NotFittedError, TrainingError
from utad.evaluation.benchmark import Benchmark, run_benchmark
from utad.evaluation.evaluate import evaluate_method
from utad.evaluation.methods import (
    build_method,
    departures_of,
    learns_from,
    learnt_parameters,
    predictor_of,
    with_settings,
)
from utad.evaluation.suites import suite_named
from utad.evaluation.variant import Variant
from utad.types import Sample

pytest.importorskip("anomalib.models")

# anomalib's and Lightning's own: names that timm has moved, workers of loaders, and so on.
pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::ResourceWarning"
)

SMALL = ("size=64", "batch_size=8")
EASY = replace(easy.category(), train=easy.category().train[:12])


def made(model: str, *overrides: str, seed: int = 3):
    return build_method(f"anomalib:{model}", seed=seed, size=None, preset="fast", overrides=(*SMALL, *overrides))


@pytest.fixture(scope="module")
def padim():
    return made("Padim", "folds=2").fit(EASY)


@pytest.fixture(scope="module")
def stfpm():
    return made("Stfpm", "epochs=2").fit(EASY)


def test_defects_are_found_and_where_they_are(padim):
    found = evaluate_method(predictor_of(padim), EASY)
    assert found.image.auroc > 0.95
    assert found.pixel.auroc > 0.95


def test_scores_are_the_models_own_and_not_clipped(padim):
    """The model's map is the Mahalanobis distance at each position; its score the highest of them."""
    images = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        scores = padim.score(images)
        model = padim.module_.model
        features = model.generate_embedding(model.feature_extractor((images.expand(-1, 3, -1, -1) - 0.5) / 0.5))
    offset = features.flatten(2) - model.gaussian.mean  # (N, C, P)
    squares = torch.einsum("ncp,pcd,ndp->np", offset, model.gaussian.inv_covariance, offset)
    assert torch.allclose(scores.image, scores.maps.flatten(1).amax(dim=1))
    assert scores.maps.shape == (2, 64, 64)
    # Upsampled and blurred: between the least and the greatest distance, and far above 1.
    assert float(scores.maps.max()) <= float(squares.max().sqrt()) * 1.001
    assert float(scores.image.min()) > 1.0


def test_the_threshold_is_cross_fitted_where_no_network_is_trained(monkeypatch):
    from utad.baselines.anomalib_training import train_model

    learnt_from = []

    def spied(module, images, **settings):
        learnt_from.append(len(images))
        return train_model(module, images, **settings)

    monkeypatch.setattr("utad.baselines.anomalib_method.train_model", spied)
    assert "cross-fitted" in learns_from(made("Padim", "folds=3").fit(EASY))
    assert learnt_from == [8, 8, 8, 12]
    learnt_from.clear()
    trained = made("Stfpm", "epochs=1").fit(EASY)
    assert learnt_from == [10]  # without the held-out 15 %, and once
    assert "without the held-out share" in learns_from(trained)


def test_test_images_change_nothing(padim):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    poisoned = tuple(Sample(sample.name, noise, anomalous=not sample.anomalous) for sample in EASY.test)
    again = made("Padim", "folds=2").fit(replace(EASY, test=poisoned))
    pictures = [easy.picture(seed) for seed in range(50, 53)]
    assert [one.pred_score for one in again.run(pictures)] == [one.pred_score for one in padim.run(pictures)]
    other = made("Padim", "folds=2", seed=4).fit(EASY)
    assert [one.raw_score for one in other.run(pictures)] != [one.raw_score for one in padim.run(pictures)]


def test_a_training_is_the_same_again_and_leaves_the_generators_alone(stfpm):
    random.seed(1)
    np.random.seed(1)
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    again = made("Stfpm", "epochs=2").fit(EASY)
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before
    pictures = [easy.picture(50)]
    assert again.run(pictures)[0].raw_score == stfpm.run(pictures)[0].raw_score


def test_a_named_device_changes_nothing(stfpm):
    again = made("Stfpm", "epochs=2")
    again.device = "cpu:0"  # where it is named, torch refuses generators of another device
    pictures = [easy.picture(50)]
    assert again.fit(EASY).run(pictures)[0].raw_score == stfpm.run(pictures)[0].raw_score


def test_it_takes_the_tiles_of_all_methods():
    tiled = made("Padim", "folds=2", "image.tile=32").fit(replace(EASY, train=EASY.train[:6]))
    assert tiled.tiling_.side == 32
    shown = [EASY.test[0], easy.defective(200)]
    good, bad = (outcome.raw_score for _, outcome in predictor_of(tiled).predict_samples(shown))
    assert bad > good


def test_what_a_training_came_to(stfpm, padim):
    student = stfpm.module_.model.student_model
    assert learnt_parameters(stfpm) == sum(one.numel() for one in student.parameters())
    assert learnt_parameters(padim) == 0
    # 10 of 12 images, in batches of 8: two of them, twice.
    assert departures_of(stfpm).steps == "4 of 8 images"
    assert not stfpm.module_.training


def test_a_table_says_which_weights_and_images_a_model_has(stfpm, padim):
    marked = departures_of(padim)
    assert marked.marked("anomalib:Padim") == "anomalib:Padim (EfficientNet-Lite0)"
    assert marked.sentence().startswith("anomalib.models.Padim of anomalib 2.")
    assert "features of EfficientNet-Lite0, as UTAD's, instead of ResNet-18" in marked.sentence()
    assert "whole images of 64 pixels instead of 256" in marked.sentence()
    assert "Steps of the source: not stated." in departures_of(stfpm).sentence()
    assert "Steps" not in marked.sentence()


@pytest.mark.parametrize(
    ("model", "overrides", "label", "words"),
    [
        ("Padim", ("weights=random",), "random weights", "random weights of its backbone, ResNet-18, instead of pretr"),
        ("Padim", ("weights=own",), "", "here whole images of 256 pixels, as it ships."),
        ("Fastflow", (), "random weights", "256 pixels, as it ships"),
        ("Dinomaly", (), "random weights", "whole images of 392 pixels instead of the middle 392 of 448"),
        ("Draem", (), "", "synthetic anomalies of noise alone, without the textures"),
    ],
)
def test_every_kind_of_weights_is_said(model, overrides, label, words):
    built = build_method(f"anomalib:{model}", seed=0, size=64, preset="fast", overrides=overrides)
    assert built.departures().label == label
    assert words in built.departures().sentence()


@pytest.mark.parametrize(
    ("model", "setting", "words"),
    [
        ("Padim", "epochs=3", "anomalib:Padim learns in one pass, not in epochs: leave anomalib:Padim.epochs out"),
        ("Stfpm", "weights=some", "got weights 'some', expected one of at-hand, random, own"),
        ("Stfpm", "batch_size=0", "got batch_size 0, expected at least 1"),
        ("Stfpm", "depth=3", "depth"),
    ],
)
def test_a_setting_that_does_nothing_is_refused(model, setting, words):
    with pytest.raises(ConfigError, match=words):
        build_method(f"anomalib:{model}", seed=0, size=None, preset="fast", overrides=(setting,))


def test_scoring_before_fitting_is_refused():
    with pytest.raises(NotFittedError, match="anomalib:Padim is not fitted: call fit"):
        made("Padim").score(torch.rand(1, 3, 64, 64))
    assert learnt_parameters(made("Stfpm")) == 0


def test_what_anomalib_cannot_train_is_an_error_of_this_package(monkeypatch):
    def failing(self, batch, *arguments, **settings):
        raise ValueError("the batch is too small")

    monkeypatch.setattr("anomalib.models.Stfpm.training_step", failing)
    with pytest.raises(TrainingError, match="anomalib could not train Stfpm: the batch is too small"):
        made("Stfpm", "epochs=1").fit(EASY)


def test_a_benchmark_has_it_beside_the_others(tmp_path):
    root = tmp_path / "data"
    fabricate.normal_abnormal(root, n_normal=8, n_abnormal=3)
    variants = with_settings(
        [Variant("anomalib:Padim", "anomalib:Padim"), Variant("padim", "padim")],
        ["anomalib:Padim.size=64", "anomalib:Padim.folds=2", "padim.size=64"],
    )
    report = run_benchmark(Benchmark(suite_named("folder"), variants, root=root), tmp_path / "out", jobs=0)
    assert report.document["failures"] == []
    assert "| anomalib:Padim (EfficientNet-Lite0) |" in report.table
    assert "- anomalib:Padim (EfficientNet-Lite0): anomalib.models.Padim of anomalib 2." in report.table
    cells = {cell["cell"]["method"]: cell for cell in report.document["cells"]}
    ours, theirs = cells["padim"], cells["anomalib:Padim"]
    assert theirs["n_train"] == ours["n_train"]
    assert theirs["evaluation"]["n_normal"] == ours["evaluation"]["n_normal"]
    assert theirs["learns_from"] == ours["learns_from"]
