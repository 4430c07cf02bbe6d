from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests import fabricate
from tests.baselines import easy
from tests.conftest import SHORTEST
from utad.errors import ConfigError
from utad.evaluation.methods import (
    BASELINES,
    METHODS,
    Variant,
    build_method,
    departures_of,
    learnt_parameters,
    predictor_of,
    training_digest,
    variants_of,
    with_settings,
)
from utad.types import Category, Sample

SHORT: dict[str, tuple[str, ...]] = {
    "utad": SHORTEST,
    "padim": ("size=32",),
    "patchcore": ("size=32",),
    "unst": ("size=32", "steps=2", "width=4"),
    "efficientad-s": ("size=32", "steps=2", "teacher_steps=2", "width=4"),
    "anogan": ("size=32", "steps=2", "width=4", "iterations=2"),
    "f-anogan": ("size=32", "steps=2", "encoder_steps=2", "width=4"),
    "gamma-vae": ("size=32", "steps=2", "width=4", "iterations=2"),
    "capsnet": ("size=32", "steps=2", "width=16"),
    "cavga-u": ("size=32", "steps=2", "width=4"),
} | {
    name: ("size=32", "steps=2", "width=4")
    for name in ("ae-l2", "ae-ssim", "ad-vae", "skip-ganomaly", "avid", "ocgan", "lsa")
}


def method(name: str):
    return build_method(name, seed=3, size=None, preset="fast", overrides=SHORT[name])


def poisoned(sample: Sample) -> Sample:
    """The same sample as white noise, with the label turned round."""
    noise = np.random.default_rng(0).integers(0, 256, (easy.SIZE, easy.SIZE, 3), dtype=np.uint8)
    return Sample(sample.name, noise, anomalous=not sample.anomalous, defect="poison", mask=None)


@pytest.mark.parametrize("name", METHODS)
def test_poisoned_test_images_change_no_model(name):
    clean = easy.category()
    clean = replace(clean, train=clean.train[:12])
    poison = replace(clean, test=tuple(poisoned(sample) for sample in clean.test))
    scores = []
    for category in (clean, poison):
        fitted = method(name)
        fitted.fit(category)
        scores.append([outcome for _, outcome in predictor_of(fitted).predict_samples(clean.test[8:12])])
    for first, second in zip(*scores, strict=True):
        assert first.raw_score == second.raw_score
        assert first.pred_score == second.pred_score
        np.testing.assert_array_equal(first.anomaly_map, second.anomaly_map)
    assert len({outcome.raw_score for outcome in scores[0]}) > 1


def test_learnt_parameters_are_those_of_the_networks():
    images = replace(easy.category(), train=easy.category().train[:8])
    fitted = {name: method(name) for name in ("ae-l2", "padim", "utad")}
    for one in fitted.values():
        one.fit(images)
    assert learnt_parameters(fitted["ae-l2"]) == sum(p.numel() for p in fitted["ae-l2"].network_.parameters())
    assert learnt_parameters(fitted["padim"]) == 0
    assert learnt_parameters(fitted["utad"]) > 100_000


def test_departures_are_those_of_the_method_with_its_settings():
    assert departures_of(method("utad")) is None
    assert departures_of(method("ae-l2")).steps == "2 of 16 images"


def test_every_baseline_takes_the_size_and_the_rates_of_utad():
    overrides = ("calibration.image_fpr=0.05",)
    assert (
        build_method("utad", seed=0, size=64, preset="fast", overrides=overrides).config.calibration.image_fpr == 0.05
    )
    for name in BASELINES:
        made = build_method(name, seed=7, size=64, preset="fast")
        assert (made.name, made.size, made.seed, made.image_fpr) == (name, 64, 7, 0.01)


def test_what_is_wrong_with_a_method_is_named():
    with pytest.raises(ConfigError, match="unknown method gan"):
        variants_of(["gan"])
    with pytest.raises(ConfigError, match=r"ae-l2.*depth"):
        build_method("ae-l2", seed=0, size=64, preset="fast", overrides=("depth=3",))
    with pytest.raises(ConfigError, match="'width=wide'"):
        build_method("ae-l2", seed=0, size=64, preset="fast", overrides=("width=wide",))


def test_settings_are_of_utad_and_lie_under_its_own():
    variants = (Variant("a", "utad", ("scoring.method=paper",)), Variant("b", "padim"))
    assert with_settings(variants, ["seed=1"]) == (
        Variant("a", "utad", ("seed=1", "scoring.method=paper")),
        Variant("b", "padim"),
    )


def test_a_setting_of_utad_without_utad_is_refused():
    with pytest.raises(
        ConfigError, match=r"got the setting image.size=64, .* utad is not among the methods: padim, lsa;"
    ):
        with_settings([Variant("a", "padim"), Variant("b", "lsa")], ["image.size=64"])
    (padim,) = with_settings([Variant("a", "padim")], ["image.tile=auto"])
    assert padim.overrides == ("image.tile=auto",)


def test_every_method_gets_the_tiles():
    settings = ["seed=1", "image.tile=auto", "image.smallest_defect=12"]
    _, padim = with_settings([Variant("a", "utad"), Variant("b", "padim", ("size=64",))], settings)
    assert padim.overrides == ("image.tile=auto", "image.smallest_defect=12", "size=64")
    made = build_method("padim", seed=0, size=None, preset="fast", overrides=padim.overrides)
    assert (made.size, made.image.tile.side, made.image.smallest_defect) == (64, "auto", 12)
    assert build_method("padim", seed=0, size=None, preset="fast").image is None


def test_variants_that_measure_otherwise_train_alike():
    digests = [
        training_digest(Variant("x", "utad", overrides), "fast", 64, 0)
        for overrides in ((), ("scoring.method=paper",), ("expert_net.guidance=false",))
    ]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]
    assert training_digest(Variant("x", "padim"), "fast", 64, 0) is None


@pytest.mark.parametrize("name", BASELINES)
def test_a_method_makes_everything_on_its_device(name):
    """Where a device is named, torch makes tensors there, and refuses generators of another one."""
    method = build_method(name, seed=0, size=None, preset="fast", overrides=SHORT[name])
    pictures = [fabricate.picture(32, 32, seed=index) for index in range(8)]
    normal = Category("parts", [Sample(f"{index}", picture) for index, picture in enumerate(pictures)])
    scores = {}
    for device in ("cpu:0", "cpu"):
        method.device = device
        scores[device] = [result.pred_score for result in method.fit(normal).run(pictures[:2])]
    assert scores["cpu:0"] == pytest.approx(scores["cpu"], rel=1e-4)


def test_arguments_are_numbers_or_words_as_the_method_has_them():
    method = build_method("capsnet", seed=0, size=64, preset="fast", overrides=("scored_by=pp", "steps=3"))
    assert (method.scored_by, method.steps) == ("pp", 3)
    with pytest.raises(ConfigError, match="got scored_by 'p', expected one of re, pp"):
        build_method("capsnet", seed=0, size=64, preset="fast", overrides=("scored_by=p",))
    with pytest.raises(ConfigError, match="'scored_by=', expected argument=value"):
        build_method("capsnet", seed=0, size=64, preset="fast", overrides=("scored_by=",))


@pytest.mark.parametrize("name", ["anogan", "f-anogan", "skip-ganomaly"])
@pytest.mark.parametrize("size", [96, 16])
def test_a_size_that_no_dcgan_has_is_refused(name, size):
    method = build_method(name, seed=0, size=None, preset="fast", overrides=(f"size={size}",))
    with pytest.raises(ConfigError, match=f"^{name}: got images of {size} pixels, expected a power of two of at least"):
        method.fit(Category("parts", [Sample("a", fabricate.picture(32, 32))]))


def test_the_accelerator_reaches_every_method(monkeypatch):
    assert build_method("padim", seed=0, size=None, preset="fast", overrides=("accelerator=gpu",)).device == "cuda"
    assert build_method("padim", seed=0, size=None, preset="fast", overrides=("accelerator=cpu",)).device == "cpu"
    (padim,) = with_settings([Variant("a", "padim")], ["accelerator=cpu"])
    assert padim.overrides == ("accelerator=cpu",)
    for there, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr("torch.cuda.is_available", lambda there=there: there)
        assert build_method("padim", seed=0, size=None, preset="fast").device == device
