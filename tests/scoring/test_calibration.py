from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from tests.conftest import TINY
from tests.scoring.calibrated import calibrated, images
from utad.config import Config, load_config
from utad.data.subsets import evenly, spread_over
from utad.models.feature_impression import FeatureImpression
from utad.models.two_stage import Images
from utad.scoring.calibration import MAPS, Witness, calibrate
from utad.scoring.gaussian import GaussianDistance
from utad.scoring.measurement import Measured, Measurement
from utad.scoring.network import DetectorNetwork, build_network
from utad.scoring.normalisation import fit_normalisation


class Brightness(Measurement):
    """The mean of an image is its score, and the image its map: nothing is fitted, and all can be foreseen."""

    compared = ("image",)
    component_names = ()

    def forward(self, features: Sequence[Images], size: int, places=None) -> Measured:
        (stage,) = features
        return Measured(stage["image"].mean(dim=(1, 2, 3)), stage["image"][:, 0], {})

    def collect(self, features: Sequence[Images], size: int) -> dict[str, torch.Tensor]:
        measured = self(features, size)
        return {"score": measured.score, "anomaly_map": measured.anomaly_map}

    def fit(self, collected, size, anomalous, fold_of=None, places=None) -> Measured:
        assert anomalous is None
        return Measured(collected["score"], collected["anomaly_map"], {})


def by_brightness(*overrides: str) -> tuple[DetectorNetwork, Config]:
    config = load_config(overrides=[*TINY, "scoring.method=paper", "scoring.space=pixels", *overrides])
    network = build_network(config, 1)
    network.measurement = Brightness()
    return network, config


def whitening(network: DetectorNetwork, name: str) -> torch.Tensor:
    distance = network.measurement.get_submodule(f"components.{name}.distance")
    assert isinstance(distance, GaussianDistance)
    return distance.whitening


@pytest.mark.parametrize("name", ["input-near", "whole"])
def test_synthetic_anomalies_take_directions_out(name):
    knowing, plain = (whitening(calibrated(f"calibration.synthetic_anomalies={n}"), name) for n in (60, 0))
    # A direction counts at most as it did without them.
    assert float(knowing.square().sum()) < float(plain.square().sum())


def test_synthetic_anomalies_depend_on_the_seed_alone():
    one, same, other = (calibrated(f"seed={seed}") for seed in (0, 0, 1))
    assert torch.equal(whitening(one, "input-near"), whitening(same, "input-near"))
    assert not torch.equal(whitening(one, "input-near"), whitening(other, "input-near"))


@pytest.mark.parametrize("anomalies", [1, 7, 50])
def test_any_number_of_synthetic_anomalies_gives_a_threshold_and_finite_scores(anomalies):
    network = calibrated(f"calibration.synthetic_anomalies={anomalies}", count=12)
    detection = network(images(3, seed=1))
    assert torch.isfinite(detection.score).all()
    assert torch.isfinite(detection.anomaly_map).all()


def test_the_threshold_keeps_its_rate_on_normals_that_were_not_seen():
    network = calibrated("calibration.synthetic_anomalies=100", "calibration.image_fpr=0.05", count=80)
    alarms = (network(images(200, seed=5)).score > 0.5).float().mean()
    assert 0.0 < float(alarms) < 0.15


def test_each_rate_sets_the_limit_of_its_own():
    network, config = by_brightness("calibration.image_fpr=0.3", "calibration.pixel_fpr=0.05")
    normals = images(20)
    calibrate(network, normals, torch.ones(20, dtype=torch.bool), config)
    scores = normals.mean(dim=(1, 2, 3))
    assert network.normalisation.of_image() == fit_normalisation(scores, 0.3)
    assert network.normalisation.of_pixel() == fit_normalisation(normals.flatten(), 0.05)
    detection = network(normals)
    # The conformal rank of 20 scores at 30 % is ceil(21 * 0.7) = 15: five lie above.
    assert int((detection.score > 0.5 + 1e-6).sum()) == 5
    assert float((detection.anomaly_map > 0.5).float().mean()) == pytest.approx(0.05, abs=1e-3)


@pytest.mark.parametrize(
    ("held_out", "gap"),
    [([0.7, 0.65, 0.75], 0.2), ([0.5, 0.45, 0.55], 0.0), ([0.2, 0.3, 0.4], 0.0)],
    ids=["worse than trained", "alike", "better than trained"],
)
def test_the_gap_to_held_out_images_is_added_where_those_score_higher(held_out, gap):
    network, config = by_brightness()
    trained = [0.5, 0.4, 0.6, 0.45, 0.55]
    scores = torch.tensor([*trained[:2], *held_out, *trained[2:]])
    trained_on = torch.tensor([True] * 2 + [False] * 3 + [True] * 3)
    calibrate(network, scores.view(8, 1, 1, 1).expand(-1, -1, 64, 64), trained_on, config)
    expected = fit_normalisation(torch.tensor([*(score + gap for score in trained), *held_out]), 0.01)
    found = network.normalisation.of_image()
    assert found.location == pytest.approx(expected.location, abs=1e-5)
    assert found.limit == pytest.approx(expected.limit, abs=1e-5)
    # Only scores are moved, not maps.
    pixels = fit_normalisation(scores.repeat_interleave(64 * 64), 0.01)
    assert network.normalisation.of_pixel() == pixels


@pytest.mark.parametrize("amount", [0.0, 3.0])
def test_scores_are_changed_as_those_of_images_that_the_witness_was_not_trained_on_differ(amount):
    config, normals = load_config(overrides=[*TINY, "scoring.components=[restored-whole]"]), images(24)
    held_out = torch.zeros(24, dtype=torch.bool)
    held_out[8:14] = True
    networks = [build_network(config, 1) for _ in range(2)]
    with torch.no_grad():
        strange = networks[0].joined_features(networks[0].features({"image": normals[held_out]}))

    class Recognises(FeatureImpression):
        """Restores what the network's own restores, but worse for the images that are held out."""

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            held = torch.stack([(features - one).abs().amax(dim=(1, 2, 3)) < 1e-3 for one in strange]).any(dim=0)
            return super().forward(features) + torch.where(held, amount, 0.0)[:, None, None, None]

    impression = Recognises(192, 128, 64, 2).eval()
    impression.load_state_dict(networks[0].feature_impression.state_dict())
    nobody, everybody = torch.zeros(24, dtype=torch.bool), torch.ones(24, dtype=torch.bool)
    calibrate(networks[0], normals, everybody, config)
    calibrate(networks[1], normals, everybody, config, witness=Witness(impression, ~held_out, held_out))
    plain, witnessed = (network.normalisation.of_image() for network in networks)
    assert (witnessed.location > plain.location + 1) == (amount > 0)
    of_pixels = [network.normalisation.of_pixel().location for network in networks]
    assert (of_pixels[1] > of_pixels[0] + 1) == (amount > 0)
    # A witness that is asked about nothing changes nothing.
    calibrate(networks[1], normals, everybody, config, witness=Witness(impression, ~held_out, nobody))
    assert networks[1].normalisation.of_image() == plain


@pytest.mark.parametrize("trained", [True, False])
def test_without_images_of_both_kinds_there_is_no_gap(trained):
    network, config = by_brightness()
    normals = images(12)
    calibrate(network, normals, torch.full((12,), trained), config)
    assert network.normalisation.of_image() == fit_normalisation(normals.mean(dim=(1, 2, 3)), 0.01)


def test_at_most_so_many_images_are_taken_evenly():
    network, config = by_brightness("calibration.max_images=5")
    normals = images(23)
    trained_on = torch.ones(23, dtype=torch.bool)
    # None of the images between those that are taken counts, whatever it is like.
    chosen = torch.zeros(23, dtype=torch.bool)
    chosen[evenly(23, 5)] = True
    normals[~chosen] = 1.0
    trained_on[~chosen] = False
    calibrate(network, normals, trained_on, config)
    assert network.normalisation.of_image() == fit_normalisation(normals[chosen].mean(dim=(1, 2, 3)), 0.01)


def test_the_highest_scores_come_with_their_maps():
    network, config = by_brightness("calibration.max_images=30")
    normals = images(40) * 0.5
    normals[8] += 0.4
    normals[8, :, 10:20, 30:40] = 1.0
    found = calibrate(network, normals, torch.ones(40, dtype=torch.bool), config)
    measured = torch.isfinite(found.scores)
    assert int(measured.sum()) == 30
    order = found.scores.nan_to_num(-1e9).argsort(descending=True, stable=True)
    assert found.highest.tolist() == order[:MAPS].tolist()
    assert found.maps.shape == (MAPS, 64, 64)
    assert found.highest[0] == 8
    # Raw maps are the images themselves; the limit of pixels is 0.5.
    expected = network.normalisation.of_pixel().apply(normals[found.highest][:, 0])
    torch.testing.assert_close(found.maps, expected)
    assert found.maps[0, 10:20, 30:40].min() > 0.5


def test_of_too_few_images_all_take_turns():
    assert spread_over(3, 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert spread_over(10, 5).tolist() == evenly(10, 5).tolist()


def test_evenly_spaced_indices():
    assert evenly(5, 10).tolist() == evenly(5, 5).tolist() == [0, 1, 2, 3, 4]
    assert evenly(10, 5).tolist() == [0, 2, 4, 6, 8]
    assert evenly(7, 3).tolist() == [0, 2, 4]
    steps = evenly(1234, 100).diff()
    assert set(steps.tolist()) == {12, 13}


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_the_batch_size_does_not_matter(batch_size):
    network, config = by_brightness()
    normals = images(12)
    calibrate(network, normals, torch.arange(12) > 3, config, batch_size=batch_size)
    other, _ = by_brightness()
    calibrate(other, normals, torch.arange(12) > 3, config)
    assert network.normalisation.of_image() == other.normalisation.of_image()
    assert network.normalisation.of_pixel() == other.normalisation.of_pixel()


def test_calibration_leaves_the_networks_as_they_were():
    config = load_config(overrides=[*TINY, "scoring.components=[input,residual,naive-fine]"])
    network = build_network(config, 1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    calibrate(network, images(12), torch.ones(12, dtype=torch.bool), config)
    after = network.state_dict()
    assert after.keys() == before.keys()
    unchanged = [name for name in before if name.startswith(("two_stage.", "backbone."))]
    assert all(torch.equal(after[name], before[name]) for name in unchanged)
