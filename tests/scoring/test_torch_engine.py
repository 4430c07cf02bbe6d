from __future__ import annotations

import pickle
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import nn

from tests import fabricate
from tests.conftest import TINY
from tests.scoring.calibrated import calibrated, images
from utad.config import load_config
from utad.data.tensors import to_tensor, to_uint8
from utad.models.two_stage import ALL_IMAGES, RESTORED, ImageName
from utad.predictor import Predictor
from utad.scoring import torch_engine
from utad.scoring.calibration import calibrate
from utad.scoring.network import Detection, DetectorNetwork, build_network
from utad.scoring.perceptual import upsample
from utad.scoring.torch_engine import TorchEngine
from utad.types import EngineResult

SIZES = ((40, 48), (64, 64), (30, 90))


def batch_of(sizes=SIZES):
    return [fabricate.picture(*size, seed=seed) for seed, size in enumerate(sizes)]


def all_compared() -> DetectorNetwork:
    """A network whose components look at all four images, and whose batch norm is not the identity."""
    config = load_config(overrides=[*TINY, "scoring.components=[input,residual,naive-fine]"])
    network = build_network(config, 1)
    network.two_stage.ie_net.train()
    with torch.no_grad():
        for _ in range(20):
            network.two_stage.ie_net(images(24))
    calibrate(network.eval(), images(24), torch.ones(24, dtype=torch.bool), config)
    return network


@pytest.fixture(scope="module")
def shared() -> DetectorNetwork:
    """For tests that leave it as it is."""
    return all_compared()


@torch.inference_mode()
def test_results_are_those_of_the_network_at_the_size_of_each_image(shared):
    assert set(shared.measurement.compared) == set(ALL_IMAGES)
    batch = batch_of()
    results = TorchEngine(shared).run(batch)
    expected = shared(torch.stack([to_tensor(image, 64, 1) for image in batch]))
    assert len(results) == 3
    for index, (result, size) in enumerate(zip(results, SIZES, strict=True)):
        assert result.raw_score == float(expected.raw_score[index])
        assert result.pred_score == float(expected.score[index])
        assert (result.anomaly_map.shape, result.anomaly_map.dtype) == (size, np.float32)
        whole = upsample(expected.anomaly_map[index][None], size)[0].numpy()
        np.testing.assert_array_equal(result.anomaly_map, whole)
        assert tuple(result.pictures) == RESTORED
        assert list(result.component_maps) == ["input", "residual", "naive-fine"]
        for name in RESTORED:
            restored = to_uint8(expected.images[name][index], size)
            np.testing.assert_array_equal(result.pictures[name], restored)


def test_images_of_8_and_of_16_bits_share_a_batch(shared):
    image = fabricate.picture(64, 64)
    shallow, deep = TorchEngine(shared).run([image, image.astype(np.uint16) * 257])
    assert shallow.raw_score == pytest.approx(deep.raw_score, rel=1e-4, abs=1e-4)


def test_a_change_of_the_network_shows_in_the_next_score_and_so_does_calibration():
    network = all_compared()
    engine, image = TorchEngine(network), fabricate.picture(64, 64)
    (before,) = engine.run([image])
    network.normalisation.image = torch.tensor([0.0, 2.0], dtype=torch.float64)
    (recalibrated,) = engine.run([image])
    assert recalibrated.raw_score == before.raw_score
    assert recalibrated.pred_score == pytest.approx(recalibrated.raw_score / 4)
    assert recalibrated.pred_score != before.pred_score
    with torch.no_grad():
        network.two_stage.ie_net.decoder.to_image[0].bias += 1.0
    (changed,) = engine.run([image])
    assert changed.raw_score != before.raw_score
    assert not np.array_equal(changed.pictures["impression"], before.pictures["impression"])


def test_scoring_leaves_the_network_as_it_was(shared):
    before = {name: tensor.clone() for name, tensor in shared.state_dict().items()}
    TorchEngine(shared).run(batch_of())
    after = shared.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())


class Doubling(nn.Module):
    """Networks that say what they were asked for, and that cannot be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[ImageName] = []

    def restored(self, images, impressions, wanted):
        self.asked += wanted
        made = {"reconstruction": (images + impressions) / 2, "naive_impression": images * impressions}
        return {name: made[name] for name in wanted}

    def __reduce__(self):
        raise AssertionError("the networks are pickled")


class Given(nn.Module):
    """A detector that gives what it was given, whatever the images; it cannot be pickled either.

    Args:
        compared: the images that it restores by itself, two of each.
    """

    size, channels, region = 8, 1, None

    def __init__(self, *compared: ImageName) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.two_stage = Doubling()
        self.weight = nn.Parameter(torch.zeros(1))
        self.images = {name: torch.rand(2, 1, 8, 8, generator=generator) for name in compared or ALL_IMAGES}
        self.maps = {name: torch.rand(2, 8, 8, generator=generator) for name in ("input", "whole")}

    def forward(self, images: torch.Tensor, places: torch.Tensor | None = None) -> Detection:
        assert images.shape == (2, 1, 8, 8)
        return Detection(torch.zeros(2), torch.zeros(2), torch.zeros(2, 8, 8), self.maps, self.images)


def second_result(network: Given, size: tuple[int, int] = (8, 8)) -> EngineResult:
    """The result of the second image of a batch."""
    return TorchEngine(network).run([fabricate.picture(8, 8), fabricate.picture(*size)])[1]


def test_pictures_are_those_of_the_restored_images_at_the_size_of_the_image():
    network = Given()
    pictures = second_result(network, (12, 9)).pictures
    assert tuple(pictures) == RESTORED
    for name in RESTORED:
        np.testing.assert_array_equal(pictures[name], to_uint8(network.images[name][1], (12, 9)))
    assert network.two_stage.asked == []


def test_what_the_measurement_did_not_need_is_restored_once_when_it_is_asked_for():
    network = Given("image", "impression")
    pictures, asked = second_result(network).pictures, network.two_stage.asked
    assert asked == []
    x, m = network.images["image"][1], network.images["impression"][1]
    for _ in range(2):
        np.testing.assert_array_equal(pictures["reconstruction"], to_uint8((x + m) / 2, (8, 8)))
    assert asked == ["reconstruction"]
    np.testing.assert_array_equal(pictures["naive_impression"], to_uint8(x * m, (8, 8)))
    assert asked == ["reconstruction", "naive_impression"]


def test_the_impression_is_made_once_for_all_that_need_it_where_the_measurement_needed_none():
    network = calibrated("calibration.synthetic_anomalies=0", count=8)
    assert network.measurement.compared == ("image",)
    expected = network.two_stage(to_tensor(fabricate.picture(64, 64), 64, 1)[None])
    result = TorchEngine(network).run([fabricate.picture(64, 64)])[0]
    calls = []
    network.two_stage.ie_net.register_forward_hook(lambda *_: calls.append(1))
    assert calls == []
    for name in RESTORED[::-1]:
        difference = result.pictures[name].astype(int) - to_uint8(expected[name][0].detach(), (64, 64))
        assert abs(difference).max() <= 1
    assert len(calls) == 1


def test_pickled_pictures_and_maps_need_no_network():
    result = second_result(Given("image", "impression", "naive_impression"), (5, 6))
    arrived = pickle.loads(pickle.dumps(result))
    assert list(arrived.pictures) == list(RESTORED)
    assert list(arrived.component_maps) == ["input", "whole"]
    for one, other in ((result.pictures, arrived.pictures), (result.component_maps, arrived.component_maps)):
        for name in one:
            np.testing.assert_array_equal(other[name], one[name])


def test_component_maps_come_at_the_size_of_the_image_when_they_are_asked_for(monkeypatch):
    asked = []

    def counted(maps, size):
        asked.append(size)
        return upsample(maps, size)

    network = Given()
    monkeypatch.setattr(torch_engine, "upsample", counted)
    maps = second_result(network, (12, 9)).component_maps
    assert asked == [(8, 8), (12, 9)]  # the anomaly maps of both images
    assert isinstance(maps, Mapping)
    assert (list(maps), len(maps), len(asked)) == (["input", "whole"], 2, 2)
    for _ in range(2):
        found = maps["whole"]
        assert (found.shape, found.dtype) == ((12, 9), np.float32)
        np.testing.assert_array_equal(found, upsample(network.maps["whole"][1:], (12, 9))[0].numpy())
    assert asked[2:] == [(12, 9)]
    with pytest.raises(KeyError):
        maps["residual"]


def test_pictures_and_maps_outlive_the_batch():
    network = Given()
    result = second_result(network)
    pictures = {name: to_uint8(network.images[name][1], (8, 8)) for name in RESTORED}
    maps = {name: values[1].numpy().copy() for name, values in network.maps.items()}
    for batch in (*network.images.values(), *network.maps.values()):
        batch.zero_()
    for name in RESTORED:
        np.testing.assert_array_equal(result.pictures[name], pictures[name])
    for name, expected in maps.items():
        np.testing.assert_array_equal(result.component_maps[name], expected)


def test_a_pickled_prediction_takes_its_pictures_and_maps_along_and_no_network():
    # The measurement compares the image alone: what else is shown has to be restored for the pickle.
    network = calibrated("calibration.synthetic_anomalies=0", count=8)
    assert network.measurement.compared == ("image",)
    prediction = Predictor(TorchEngine(network)).predict(fabricate.picture(30, 20))
    packed = pickle.dumps(prediction)
    weights = sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
    assert len(packed) < weights / 10
    arrived = pickle.loads(packed)
    for name in RESTORED:
        np.testing.assert_array_equal(getattr(arrived, name), getattr(prediction, name))
    assert arrived.pred_score == prediction.pred_score
    assert list(arrived.component_maps) == ["input-near", "whole"]
    for name, values in prediction.component_maps.items():
        np.testing.assert_array_equal(arrived.component_maps[name], values)
