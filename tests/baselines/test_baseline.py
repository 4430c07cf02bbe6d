from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from utad.baselines.baseline import Baseline, Scores
from utad.baselines.fitting import TrainedBaseline
from utad.config import load_config
from utad.data.subsets import fold_indices
from utad.errors import DatasetError, ImageReadError, NotFittedError
from utad.evaluation.methods import BASELINES, predictor_of
from utad.predictor import Predictor
from utad.scoring.normalisation import without_gap
from utad.types import Category, Prediction, Sample


class Brightness(Baseline):
    """Scores how far pixels are from the mean normal image, blurred by a little noise that the seed decides."""

    name = "brightness"

    def learn(self, images: Tensor) -> None:
        self.learnt_ = images
        self.mean_ = images.mean(dim=0, keepdim=True) + 1e-4 * torch.randn(())

    def score(self, images: Tensor) -> Scores:
        maps = (images - self.mean_).abs().mean(dim=1)
        return Scores(maps.mean(dim=(1, 2)), maps)


class TrainedBrightness(Brightness, TrainedBaseline):
    """The same as if it had been trained."""

    name = "trained-brightness"


def levels_learnt(method: Brightness) -> list[int]:
    return (255 * method.learnt_[:, 0, 0, 0]).round().int().tolist()


def noise_of(method: Brightness, levels: Tensor) -> float:
    return float(method.mean_.mean() - levels.mean() / 255)


class Raises(Sequence[Sample]):
    """Test samples that nobody may look at."""

    def __len__(self) -> int:
        raise AssertionError("the test images were counted")

    def __getitem__(self, index):
        raise AssertionError("a test image was touched")

    def __iter__(self) -> Iterator[Sample]:
        raise AssertionError("the test images were touched")


def sample(name: str, level: float, *, noise: float = 0.0, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    pixels = np.clip(level + noise * rng.standard_normal((32, 32, 1)), 0, 255).astype(np.uint8)
    return Sample(name, np.repeat(pixels, 3, axis=2), anomalous=False)


def normals(count: int, *, first: int = 0) -> tuple[Sample, ...]:
    levels = np.random.default_rng(first).normal(120, 12, count)
    return tuple(sample(f"{i}.png", levels[i], noise=8, seed=first + i) for i in range(count))


def state(method: Brightness) -> tuple:
    return method.mean_.tolist(), method.image_normalisation_, method.pixel_normalisation_, method.channels_


@pytest.mark.parametrize(
    "test",
    [
        Raises(),
        (Sample("gone.png", Path("/nowhere/gone.png"), anomalous=True),),
        normals(5, first=900),
    ],
)
def test_test_images_do_not_reach_the_fit(test):
    train = normals(20)
    clean = Brightness(size=32).fit(Category("parts", train))
    poisoned = Brightness(size=32).fit(Category("parts", train, test))
    assert state(poisoned) == state(clean)


def test_statistics_are_of_all_normal_images_and_the_threshold_is_cross_fitted():
    levels = torch.arange(20.0)
    train = tuple(sample(f"{int(level)}.png", float(level)) for level in levels)
    method = Brightness(size=32, folds=4).fit(Category("parts", train))
    assert levels_learnt(method) == [*range(20)]
    fold_of = fold_indices(20, 4)
    means = torch.stack([levels[fold_of != fold].mean() for fold in range(4)])
    # Each image by the mean of the other folds; the noise of the seed is the same in all of them.
    expected = (levels / 255 - means[fold_of] / 255 - noise_of(method, levels)).abs().median()
    assert method.image_normalisation_.location == pytest.approx(float(expected), rel=1e-3)


def test_networks_are_trained_without_the_held_out_block_and_all_images_set_the_threshold():
    levels = torch.arange(20.0)
    train = tuple(sample(f"{int(level)}.png", float(level)) for level in levels)
    method = TrainedBrightness(size=32, held_out=0.2).fit(Category("parts", train))
    learnt = [*range(8), *range(12, 20)]
    assert levels_learnt(method) == learnt
    trained_on = torch.zeros(20, dtype=torch.bool)
    trained_on[learnt] = True
    scores = (levels / 255 - levels[trained_on].mean() / 255 - noise_of(method, levels[trained_on])).abs()
    expected = without_gap(scores, trained_on).median()
    assert method.image_normalisation_.location == pytest.approx(float(expected), rel=1e-3)


def on_tiles(kind: type[Brightness], count: int) -> tuple[Brightness, Category]:
    """A method fitted to images of 64 x 96 pixels with 6 tiles each, every one of the level of its number."""
    image = load_config(overrides=["image.size=32", "image.tile=[32, 0]"]).image
    train = [Sample(f"{i}.png", np.full((64, 96, 3), 4 * i, np.uint8), anomalous=False) for i in range(count)]
    category = Category("parts", train)
    return kind(size=32, folds=4, held_out=0.2, image=image).fit(category), category


def test_tiles_are_left_out_by_image_and_the_threshold_is_one_of_whole_images():
    method, category = on_tiles(Brightness, 20)
    levels = 4 * torch.arange(20.0)
    assert levels_learnt(method) == [int(level) for level in levels for _ in range(6)]
    fold_of = fold_indices(20, 4)
    means = torch.stack([levels[fold_of != fold].mean() for fold in range(4)])
    expected = (levels / 255 - means[fold_of] / 255 - noise_of(method, levels)).abs().median()
    assert method.image_normalisation_.location == pytest.approx(float(expected), rel=1e-3)
    assert method.tiling_.growth == pytest.approx(0.0, abs=1e-6)
    prediction = predictor_of(method).predict(category.train[3])
    assert prediction.anomaly_map.shape == (64, 96)
    assert prediction.raw_score == pytest.approx(float((levels.mean() - levels[3]) / 255), abs=1e-3)


def test_all_tiles_of_the_held_out_block_train_nothing():
    method, _ = on_tiles(TrainedBrightness, 20)
    assert levels_learnt(method) == [4 * image for image in (*range(8), *range(12, 20)) for _ in range(6)]


def test_one_image_is_always_held_out():
    method = TrainedBrightness(size=32, held_out=0.01).fit(Category("parts", normals(5)))
    assert len(method.learnt_) == 4


@pytest.mark.parametrize(("rate", "low", "high"), [(0.01, 0, 0.03), (0.2, 0.1, 0.3)])
def test_the_rates_of_normal_images_and_pixels_above_the_threshold(rate, low, high):
    method = Brightness(size=32, image_fpr=rate, pixel_fpr=rate).fit(Category("parts", normals(400)))
    assert method.image_normalisation_ is not None
    predictions = [prediction for _, prediction in Predictor(method).predict_samples(normals(400, first=5000))]
    assert low <= np.mean([prediction.pred_label for prediction in predictions]) <= high
    assert low <= np.mean([(prediction.anomaly_map > 0.5).mean() for prediction in predictions]) <= high


def test_what_is_said_of_an_image():
    method = Brightness(size=32).fit(Category("parts", normals(40)))
    pixels = np.full((50, 70, 3), 120, np.uint8)
    pixels[10:30, 40:60] = 255
    ((given, prediction),) = Predictor(method, threshold=0.1).predict_samples([Sample("part.png", pixels)])
    assert given.name == "part.png"
    assert prediction.anomaly_map.shape == prediction.pred_mask.shape == (50, 70)
    assert prediction.anomaly_map.dtype == np.float32
    assert prediction.threshold == 0.1
    assert prediction.pred_label is (prediction.pred_score > 0.1) is True
    assert np.array_equal(prediction.pred_mask, prediction.anomaly_map > 0.5 * prediction.anomaly_map.max())
    assert prediction.pred_mask[20, 50]
    assert not prediction.pred_mask[45, 5]
    normalisation = method.image_normalisation_
    expected = 0.5 * (prediction.raw_score - normalisation.location) / (normalisation.limit - normalisation.location)
    assert prediction.pred_score == pytest.approx(expected, rel=1e-5)


def test_the_same_seed_twice_and_another():
    train = normals(20)
    one, same, other = (Brightness(size=32, seed=seed).fit(Category("parts", train)) for seed in (0, 0, 1))
    assert state(one) == state(same)
    assert state(one) != state(other)


def test_the_callers_random_numbers_are_neither_used_nor_moved():
    train = normals(20)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        first = Brightness(size=32).fit(Category("parts", train))
        drawn = torch.rand(1)
        torch.manual_seed(3)
        assert torch.equal(drawn, torch.rand(1))
        torch.manual_seed(4)
        assert state(Brightness(size=32).fit(Category("parts", train))) == state(first)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_an_unreadable_image_gives_its_error_at_its_position(tmp_path, batch_size):
    method = Brightness(size=32).fit(Category("parts", normals(20)))
    (tmp_path / "broken.png").write_text("no image")
    broken = Sample("broken.png", tmp_path / "broken.png")
    samples = [broken, sample("a", 100), sample("b", 180), broken, sample("c", 140)]
    results = list(Predictor(method).predict_samples(samples, batch_size=batch_size))
    assert [given for given, _ in results] == samples
    assert [isinstance(outcome, ImageReadError) for _, outcome in results] == [True, False, False, True, False]
    assert "broken.png" in str(results[0][1])
    scores = [outcome.raw_score for _, outcome in results if isinstance(outcome, Prediction)]
    # 120 is normal: 100 is 20 away from it, 180 is 60 and 140 is 20.
    assert scores[1] == max(scores)


def test_nothing_readable_and_nothing_at_all(tmp_path):
    method = Brightness(size=32).fit(Category("parts", normals(20)))
    gone = Sample("gone.png", tmp_path / "gone.png")
    assert [isinstance(outcome, ImageReadError) for _, outcome in Predictor(method).predict_samples([gone] * 3)] == [
        True
    ] * 3
    assert list(Predictor(method).predict_samples([])) == []


def test_damaged_training_images_are_named(tmp_path):
    train = (*normals(5), Sample("gone.png", tmp_path / "gone.png"), Sample("lost.png", tmp_path / "lost.png"))
    with pytest.raises(DatasetError, match=r"gone\.png(.|\n)*lost\.png"):
        Brightness(size=32).fit(Category("parts", train))


def test_colour_is_seen_where_a_training_image_has_it():
    coloured = Sample("red.png", np.full((32, 32, 3), (200, 100, 100), np.uint8))
    assert Brightness(size=32).fit(Category("parts", normals(6))).channels_ == 1
    assert Brightness(size=32).fit(Category("parts", (*normals(6), coloured))).channels_ == 3


def test_not_fitted():
    with pytest.raises(NotFittedError, match="brightness is not fitted: call fit"):
        list(Predictor(Brightness()).predict_samples([sample("a", 100)]))


KINDS = [getattr(import_module(module), kind) for module, kind in BASELINES.values()]
COMMON = {"size": 64, "seed": 5, "held_out": 0.3, "image_fpr": 0.02, "pixel_fpr": 0.03}


@pytest.mark.parametrize("kind", KINDS)
def test_scoring_before_fitting_is_refused(kind):
    with pytest.raises(NotFittedError, match=f"^{kind.name} is not fitted: call fit$"):
        kind().score(torch.rand(1, 3, 128, 128))


@pytest.mark.parametrize("kind", KINDS)
def test_settings_are_arguments_by_keyword_and_others_are_refused(kind):
    method = kind(**COMMON)
    assert {name: getattr(method, name) for name in COMMON} == COMMON
    assert method.count_parameters() == 0
    with pytest.raises(TypeError, match="depth"):
        kind(depth=3)
    with pytest.raises(TypeError, match="channels_"):
        kind(channels_=3)
    with pytest.raises(TypeError, match="positional"):
        kind(64)
