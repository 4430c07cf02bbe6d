from __future__ import annotations

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call

from tests.scoring.calibrated import calibrated
from utad.models.two_stage import ALL_IMAGES
from utad.scoring.measurement import Measured
from utad.scoring.network import DetectorNetwork

COMPONENTS = ("input-near", "restored", "residual", "naive-fine", "whole", "neighbours")


class Measuring(nn.Module):
    """From images to raw values: what the network computes before it looks at any value."""

    def __init__(self, network: DetectorNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> Measured:
        network = self.network
        restored = network.two_stage(images, network.measurement.compared)
        return network.measurement(network.features(restored), network.size)


@pytest.fixture(scope="module")
def measuring() -> Measuring:
    components = f"scoring.components=[{','.join(COMPONENTS)}]"
    network = calibrated(components, "calibration.synthetic_anomalies=4", count=8)
    assert set(network.measurement.compared) == set(ALL_IMAGES)
    return Measuring(network)


def measure(measuring: Measuring, *, images_on: str = "cuda", left_on_cpu: str = "nothing") -> Measured:
    """Raw values with tensors that have a shape and a device and no values, so that no GPU is needed.

    Args:
        measuring: its parameters and buffers are put on a GPU, but for
        left_on_cpu: those with this in their names.
        images_on: the device of the images.
    """
    tensors = {**dict(measuring.named_parameters()), **dict(measuring.named_buffers())}
    with FakeTensorMode() as mode, torch.no_grad():
        moved = {
            name: mode.from_tensor(tensor).to("cpu" if left_on_cpu in name else "cuda")
            for name, tensor in tensors.items()
        }
        return functional_call(measuring, moved, (torch.rand(3, 1, 64, 64, device=images_on),))


def test_everything_is_computed_on_the_device_of_network_and_images(measuring):
    measured = measure(measuring)
    assert tuple(measured.component_maps) == COMPONENTS
    assert tuple(measured.anomaly_map.shape) == (3, 64, 64)
    for values in (measured.score, measured.anomaly_map, *measured.component_maps.values()):
        assert values.device.type == "cuda"


@pytest.mark.parametrize(
    "left_on_cpu",
    ["ie_net", "expert_net", "backbone.std", "distance.mean", "whitening", "bank", "standardisation.mean", "of_images"],
)
def test_a_part_on_another_device_would_be_noticed(measuring, left_on_cpu):
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        measure(measuring, left_on_cpu=left_on_cpu)


def test_images_on_another_device_would_be_noticed(measuring):
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        measure(measuring, images_on="cpu")
