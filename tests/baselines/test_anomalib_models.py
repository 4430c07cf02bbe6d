from __future__ import annotations

import inspect

import pytest
import timm
import torch

from utad.baselines.anomalib_models import AT_HAND, MODELS, OWN, RANDOM, build_model
from utad.errors import WeightsError
from utad.models.weights import load_bundled

models = pytest.importorskip("anomalib.models")
transforms = pytest.importorskip("torchvision.transforms.v2")

# Its own: what it imports from a place that timm has moved, and so on.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")

STEM = load_bundled("efficientnet_lite0")["conv_stem.weight"]


def stem_of(module) -> torch.Tensor:
    return module.model.feature_extractor.feature_extractor.conv_stem.weight


@pytest.mark.parametrize("name", MODELS)
def test_what_is_said_of_a_model_is_so(name):
    known, kind = MODELS[name], getattr(models, name)
    steps = kind.configure_pre_processor().transform.transforms
    resized = next(step.size[0] for step in steps if isinstance(step, transforms.Resize))
    cropped = [step.size[0] for step in steps if isinstance(step, transforms.CenterCrop)]
    assert (known.size, known.cropped_from) == ((cropped[0], resized) if cropped else (resized, 0))
    assert known.trained != issubclass(kind, models.components.MemoryBankMixin)
    if known.takes_any:
        assert {"backbone", "layers"} <= set(inspect.signature(kind).parameters) or name == "Dfm"


@pytest.mark.parametrize("name", [name for name, known in MODELS.items() if known.takes_any])
def test_the_installed_weights_are_those_of_the_backbone(name):
    module = build_model(name, size=64, weights=AT_HAND)
    tensors = [value for key, value in module.model.state_dict().items() if key.endswith("conv_stem.weight")]
    assert any(torch.equal(tensor, STEM) for tensor in tensors)
    assert tuple(module.input_size) == (64, 64)
    assert (module.post_processor, module.evaluator, module.visualizer) == (None, None, None)


def test_images_are_normalised_as_the_weights_were_trained():
    def middle(module):
        return float(module.pre_processor(torch.full((1, 3, 64, 64), 0.5))[0, 0, 0, 0])

    assert middle(build_model("Padim", size=64, weights=AT_HAND)) == pytest.approx(0.0)  # mean 0.5, as Lite0's
    assert middle(build_model("Padim", size=64, weights=RANDOM)) == pytest.approx((0.5 - 0.485) / 0.229, rel=1e-4)


def test_random_weights_are_drawn_and_timm_is_left_as_it_was():
    create = timm.create_model
    first, second = (build_model("Padim", size=64, weights=RANDOM) for _ in range(2))
    assert first.model.backbone == "resnet18"
    weights = [one.model.feature_extractor.feature_extractor.conv1.weight for one in (first, second)]
    assert not torch.equal(*weights)
    assert timm.create_model is create


def test_its_own_weights_that_cannot_be_had_are_named(monkeypatch):
    def offline(*arguments, **settings):
        if settings.get("pretrained"):
            raise OSError("no route to host")
        return timm.models.resnet18(features_only=True, out_indices=(1, 2, 3))

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(WeightsError, match=r"anomalib:Padim could not be built with its own weights \(OSError: no rou"):
        build_model("Padim", size=64, weights=OWN)
