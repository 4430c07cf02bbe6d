from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.conftest import TINY
from utad.config import load_config
from utad.data.synthesis import add_defect
from utad.scoring.gaussian import GaussianTerm
from utad.scoring.network import DetectorNetwork, build_network
from utad.scoring.normalisation import Normalisation


def images(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 1, 8, 8, generator=generator)
    return functional.interpolate(coarse, size=(64, 64), mode="bilinear", align_corners=False)


def calibrated(*overrides: str, count: int = 24) -> DetectorNetwork:
    network = build_network(load_config(overrides=[*TINY, "scoring.terms=[input-near,whole]", *overrides]), 1)
    network.calibrate(images(count), torch.ones(count, dtype=torch.bool))
    return network


def whitening(network: DetectorNetwork, name: str) -> torch.Tensor:
    term = network.measurement.get_submodule(f"terms.{name}")
    assert isinstance(term, GaussianTerm)
    return term.whitening


@pytest.mark.parametrize("name", ["input-near", "whole"])
def test_corrupted_copies_take_directions_out(name):
    knowing, plain = (whitening(calibrated(f"calibration.corrupted_images={n}"), name) for n in (60, 0))
    # A direction counts at most as it did without them.
    assert float(knowing.square().sum()) < float(plain.square().sum())


def test_corruptions_depend_on_the_seed_alone():
    one, same, other = (calibrated(f"seed={seed}") for seed in (0, 0, 1))
    assert torch.equal(whitening(one, "input-near"), whitening(same, "input-near"))
    assert not torch.equal(whitening(one, "input-near"), whitening(other, "input-near"))


@pytest.mark.parametrize("corrupted", [1, 7, 50])
def test_any_number_of_corrupted_copies_gives_a_threshold_and_finite_scores(corrupted):
    network = calibrated(f"calibration.corrupted_images={corrupted}", count=12)
    detection = network(images(3, seed=1))
    assert torch.isfinite(detection.score).all()
    assert torch.isfinite(detection.anomaly_map).all()


def test_a_square_that_does_not_belong_there_is_found_and_placed():
    network = calibrated("calibration.corrupted_images=60", count=40)
    probe = images(8, seed=1)
    damaged = probe.clone()
    damaged[:, :, 16:32, 32:48] = 1 - damaged[:, :, 16:32, 32:48]
    before, after = network(probe), network(damaged)
    assert float(after.score.median()) > float(before.score.max())
    rise = (after.anomaly_map - before.anomaly_map).mean(dim=0)
    assert float(rise[16:32, 32:48].mean()) > 3 * float(rise[:, :16].mean())


def test_the_threshold_keeps_its_rate_on_normals_that_were_not_seen():
    network = calibrated("calibration.corrupted_images=100", "calibration.image_fpr=0.05", count=80)
    alarms = (network(images(200, seed=5)).score > 0.5).float().mean()
    assert 0.0 < float(alarms) < 0.15


@pytest.mark.parametrize("kind", ["hole", "stain", "foreign_texture"])
def test_scores_rise_with_the_strength_of_a_defect(kind):
    network = calibrated("calibration.corrupted_images=60", count=40)
    normal = (images(1, seed=3)[0, 0].numpy() * 255).astype(np.uint8)[:, :, None].repeat(3, axis=2)
    defects = [
        add_defect(normal, kind, rng=np.random.default_rng(0), strength=strength).image
        for strength in (0.25, 0.5, 0.75, 1.0)
    ]
    batch = torch.stack([torch.from_numpy(image[None, :, :, 0].copy()) for image in (normal, *defects)]) / 255
    scores = network(batch).score.tolist()
    assert scores == sorted(scores)
    assert scores[-1] > scores[0] + 0.5


@pytest.mark.parametrize("form", [DetectorNetwork.for_scoring, DetectorNetwork.for_export])
def test_the_form_for_scoring_gives_the_same_and_follows_calibration(form):
    network = build_network(load_config(overrides=[*TINY, "scoring.terms=[input,residual,naive-fine]"]), 1)
    ie_net = network.two_stage.ie_net.train()
    for _ in range(20):  # so that batch norm is not the identity
        ie_net(images(24))
    network.eval().calibrate(images(24), torch.ones(24, dtype=torch.bool))
    prepared, probe = form(network), images(3, seed=1)
    assert set(network.measurement.needed) == {"image", "reconstruction", "impression", "naive_impression"}
    with torch.inference_mode():
        expected, found = network(probe), prepared(probe)
    torch.testing.assert_close(found.raw_score, expected.raw_score, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.anomaly_map, expected.anomaly_map, rtol=1e-3, atol=1e-3)
    network.calibration.set_image(Normalisation(0.0, 2.0))
    with torch.inference_mode():
        moved = prepared(probe)
    torch.testing.assert_close(moved.score, moved.raw_score / 4)


def test_the_form_for_scoring_leaves_the_trained_one_as_it_was():
    network = calibrated()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.for_scoring()(images(2))
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())
