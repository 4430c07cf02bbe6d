from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from utad.config import PRESETS, Config, ExpertTrainingConfig, IENetConfig, load_config, parse_config, preset_text
from utad.errors import ConfigError


def written(tmp_path, text: str | bytes) -> Path:
    path = tmp_path / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def message(**arguments) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(**arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_loads_under_its_own_name(name):
    assert load_config(name).preset == name
    assert preset_text(name).startswith("#")


def test_the_default_is_the_fast_preset():
    assert load_config() == load_config("fast")
    assert (load_config().image.size, load_config().expert_net.layout) == (128, "fast")
    assert load_config().backbone.name == "efficientnet_lite0"


def test_the_paper_preset_holds_the_settings_of_the_paper():
    config = load_config("paper")
    first, second = config.ie_training, config.expert_training
    assert (config.image.size, config.backbone.name, config.scoring.method) == (256, "vgg19", "paper")
    assert config.backbone.stages == (0, 1, 2)
    assert (first.optimizer.name, first.optimizer.learning_rate, first.optimizer.momentum) == ("sgd", 1e-3, 0.9)
    assert (first.epochs, first.batch_size) == (200, 4)
    assert (second.optimizer.name, second.optimizer.learning_rate, second.optimizer.betas) == (
        "adam",
        1e-3,
        (0.5, 0.999),
    )
    assert list(first.weights.model_dump().values()) == [100.0, 0.0, 1.5, 0.5, 0.1]
    assert list(second.weights.model_dump().values()) == [10.0, 10.0, 1.0]
    assert load_config("paper-small").image.size == 64
    assert len(load_config("paper-small").ie_net.filters) == 3


@pytest.mark.parametrize("name", ["paper", "paper-small"])
def test_the_presets_of_the_paper_have_nothing_that_its_text_has_not(name):
    config = load_config(name)
    assert config.augment.model_dump() == {
        "horizontal_flip": False,
        "vertical_flip": False,
        "rotation": 0.0,
        "crop_scale": 1.0,
    }
    assert config.ie_net.branch_pooling == "max"
    assert config.expert_training.anomalous == config.ie_training.anomalous == 0.0


def test_a_config_that_averages_in_inception_blocks_is_written_as_before_there_was_a_choice():
    assert "branch_pooling" not in load_config("fast").model_dump(mode="json")["ie_net"]
    assert load_config("paper").model_dump(mode="json")["ie_net"]["branch_pooling"] == "max"


def test_an_unknown_preset_is_refused_with_the_known_ones():
    assert (
        message(preset="quick") == "unknown preset 'quick': choose one of fast, balanced, accurate, paper, paper-small"
    )


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("sizes=3", "sizes"),
        ("image.sizes=64", "image.sizes"),
        ("ie_training.optimizer.lr=1", "ie_training.optimizer.lr"),
        ("expert_training.weights.prior=1", "expert_training.weights.prior"),
    ],
)
def test_an_unknown_key_is_named(override, key):
    assert f"unknown key {key}" in message(overrides=[override])


def test_every_wrong_key_is_named_in_one_message():
    text = message(overrides=["imagee.size=3", "seed=-1", "ie_net.latent_dim=0", "precision=fp8"])
    for part in ("unknown key imagee", "seed=-1", "ie_net.latent_dim=0", "precision='fp8'"):
        assert part in text


@pytest.mark.parametrize(
    ("override", "get", "value"),
    [
        ("image.size=64", lambda c: c.image.size, 64),
        ("image.channels=1", lambda c: c.image.channels, 1),
        ("seed=0", lambda c: c.seed, 0),
        ("ie_training.optimizer.learning_rate=1e-4", lambda c: c.ie_training.optimizer.learning_rate, 1e-4),
        ("augment.horizontal_flip=true", lambda c: c.augment.horizontal_flip, True),
        ("backbone.stages=[1, 3]", lambda c: c.backbone.stages, (1, 3)),
        ("backbone.weights=/a=b/c d.pth", lambda c: c.backbone.weights, Path("/a=b/c d.pth")),
        ("scoring.stage_weights=null", lambda c: c.scoring.stage_weights, None),
        ("expert_net={width: 8}", lambda c: (c.expert_net.width, c.expert_net.residual_blocks), (8, 2)),
        (" image.size = 64 ", lambda c: c.image.size, 64),
    ],
)
def test_an_override_is_read_as_yaml(override, get, value):
    assert get(load_config(overrides=[override])) == value


def test_later_overrides_win_and_neighbours_stay():
    config = load_config(overrides=["ie_training.batch_size=4", "ie_training.batch_size=2"])
    assert config.ie_training.batch_size == 2
    assert config.ie_training.optimizer == load_config().ie_training.optimizer


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("image.size", "expected section.key=value, got 'image.size'"),
        ("=3", "expected section.key=value, got '=3'"),
        ("image.size.x=3", "size is a value, not a section"),
        ("image.size=[", "image.size=[ is not valid YAML"),
        ("image.size=", "image.size=None"),
        ("image.size=large", "image.size='large'"),
        ("image=3", "image=3"),
    ],
)
def test_a_malformed_override_is_refused(override, words):
    assert words in message(overrides=[override])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["image.size=100"], "image.size 100 does not divide by 32, the reduction of the networks: take 96 or 128"),
        (["ie_net.pools=[4, 2, 2]"], "ie_net.filters has 4 entries and ie_net.pools 3"),
        (["ie_net.upsamples=[2, 2, 2, 1]"], "undo the pooling by 32"),
        (["ie_net.upsamples=[2, 4, 4]"], "must have 4 entries"),
        (["ie_net.shuffle=1"], "times ie_net.shuffle 1, undo the pooling by 32"),
        (["ie_training.epochs=2"], "either in steps or in epochs, and not both"),
        (["ie_training.steps=null"], "either in steps or in epochs, and not both"),
        (["backbone.stages=[2, 1]"], "backbone.stages must ascend without repetition, got [2, 1]"),
        (["backbone.stages=[1, 1]"], "got [1, 1]"),
        (["scoring.stage_weights=[1, 2]"], "scoring.stage_weights has 2 entries for 5 backbone.stages"),
        (["scoring.components=[input, whole, input]"], "scoring.components names one twice, got input, whole, input"),
        (["scoring.map_components=[input, input]"], "scoring.map_components names one twice"),
        (["calibration.image_fpr=0"], "calibration.image_fpr=0"),
        (["augment.crop_scale=1.5"], "augment.crop_scale=1.5"),
        (["ie_training.optimizer.learning_rate=.inf"], "ie_training.optimizer.learning_rate=inf"),
    ],
)
def test_settings_that_do_not_fit_are_explained(overrides, words):
    assert words in message(overrides=overrides)


def test_a_size_below_the_reduction_has_one_remedy():
    assert message(overrides=["image.size=20"]).endswith("the reduction of the networks: take 32")


@pytest.mark.parametrize(("size", "pools"), [(16, [3]), (18, [6])])
def test_the_size_must_divide_by_the_reductions_of_both_networks(size, pools):
    # IE-Net reduces by the product of its pools, Expert-Net by 4: here 12 is the smallest common multiple.
    overrides = [f"image.size={size}", f"ie_net.pools={pools}", f"ie_net.upsamples={pools}", "ie_net.filters=[2]"]
    overrides += ["ie_net.decoder_filters=[2]", "ie_net.shuffle=1"]
    assert "does not divide by 12" in message(overrides=overrides)
    assert load_config(overrides=[*overrides, "image.size=24"]).image.size == 24


def test_a_batch_of_one_is_refused_where_pairs_are_needed():
    assert "ie_training.batch_size=1" in message(overrides=["ie_training.batch_size=1"])


def test_every_device_needs_two_images_of_a_batch():
    text = message(overrides=["devices=4", "ie_training.batch_size=4"])
    assert "devices" in text
    assert "ie_training.batch_size" in text
    assert load_config(overrides=["devices=4", "ie_training.batch_size=8"]).devices == 4


def test_a_file_goes_on_top_of_the_preset_and_overrides_on_top_of_both(tmp_path):
    file = written(tmp_path, "image: {size: 64}\nie_training:\n  batch_size: 2\nseed: 5\n")
    config = load_config("balanced", file=file, overrides=["ie_training.batch_size=3"])
    assert (config.preset, config.image.size, config.image.channels, config.seed) == ("balanced", 64, "auto", 5)
    assert (config.ie_training.batch_size, config.ie_training.steps) == (3, load_config("balanced").ie_training.steps)


def test_the_preset_that_a_file_names_is_the_base(tmp_path):
    file = written(tmp_path, "preset: paper-small\nseed: 3\n")
    assert load_config(file=file) == load_config("paper-small", file=file) == load_config("paper-small", seed=3)
    with pytest.raises(ConfigError, match="on top of preset paper-small: leave one of them out"):
        load_config("fast", file=file)


@pytest.mark.parametrize("name", ["paper", "nonsense"])
def test_an_override_cannot_rename_the_preset(name):
    # It would call the settings of `fast` by another name.
    assert "preset" in message(preset="fast", overrides=[f"preset={name}"])


def test_an_empty_file_changes_nothing(tmp_path):
    assert load_config(file=written(tmp_path, "# nothing yet\n")) == load_config()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- image\n", "must be a YAML mapping of sections, got list"),
        ("image: [\n", "is not valid YAML"),
        ("image:\n", "image=None"),
        ("1: 2\n", "Keys should be strings"),
        ("preset: nonsense\n", "unknown preset 'nonsense'"),
        ("image: !!python/object/apply:os.getcwd []\n", "is not valid YAML"),
        (b"\xff\xfe\x80", "config.yaml"),
    ],
)
def test_a_file_that_is_no_config_is_refused(tmp_path, text, words):
    assert words in message(file=written(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert "gone.yaml" in message(file=tmp_path / "gone.yaml")
    assert str(tmp_path) in message(file=tmp_path)


def test_other_components_have_maps_of_their_own_unless_something_else_is_said():
    default = load_config().scoring
    assert default.map_components == ("restored", "input-near", "input-detail")
    others = load_config(overrides=["scoring.components=[input,whole]"]).scoring
    assert (others.components, others.map_components) == (("input", "whole"), ())
    said = load_config(overrides=["scoring.components=[input]", "scoring.map_components=[input-near]"]).scoring
    assert said.map_components == ("input-near",)
    # A model of before there were map components.
    stored = load_config().model_dump(mode="json")
    del stored["scoring"]["map_components"]
    assert parse_config(stored).scoring.map_components == ()


@pytest.mark.parametrize("name", PRESETS)
def test_a_config_written_as_yaml_is_read_back_the_same(tmp_path, name):
    overrides = ["backbone.weights=weights/größe 1.pth", "seed=4294967295", "scoring.top_fractions=[0.1, 0.3]"]
    config = load_config(name, overrides=overrides)
    assert load_config(file=written(tmp_path, config.to_yaml())) == config
    assert parse_config(config.model_dump(mode="json")) == config


def test_seed_0_is_a_seed_like_any_other(tmp_path):
    file = written(tmp_path, "seed: 5\n")
    assert load_config(file=file).seed == 5
    assert load_config(file=file, seed=0).seed == 0
    assert load_config(file=written(tmp_path, "seed: 0\n")).seed == 0
    assert load_config(overrides=["seed=7"]).seed == 7
    with pytest.raises(ConfigError, match="seed 0 and an override seed=7"):
        load_config(overrides=["seed=7"], seed=0)


def test_a_config_cannot_be_changed():
    config = load_config()
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 1
    with pytest.raises(ValidationError, match="frozen"):
        config.image.size = 64


def test_presets_are_not_changed_by_what_is_loaded_on_top():
    before = load_config("fast")
    load_config("fast", overrides=["ie_training.optimizer.betas=[0.1, 0.2]", "image.size=32"])
    assert load_config("fast") == before
    assert isinstance(before, Config)


@pytest.mark.parametrize(
    ("length", "n_images", "steps"),
    [
        ({"steps": 7}, 100, 7),
        ({"epochs": 3}, 10, 6),  # two whole batches of 4 out of 10 images
        ({"epochs": 3}, 4, 3),
        ({"epochs": 3}, 2, 3),  # a batch of two
    ],
)
def test_the_length_of_a_stage_in_steps(length, n_images, steps):
    assert ExpertTrainingConfig(batch_size=4, **length).total_steps(n_images) == steps


def test_the_reduction_is_the_product_of_the_pools():
    assert IENetConfig().reduction == 4 * 2 * 2 * 2


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("ie_training.step=5", "unknown key ie_training.step; did you mean ie_training.steps?"),
        ("alpha=0.5", "unknown key alpha; did you mean mask.alpha?"),
        ("scoring.normalize_illumination=false", "did you mean scoring.normalise_illumination?"),
        ("explain.thumbnails=false", "unknown key explain.thumbnails; explain has max_megabytes, privacy"),
        ("scoring.terms=[input]", "unknown key scoring.terms, which is now scoring.components"),
    ],
)
def test_an_unknown_key_comes_with_what_may_have_been_meant(override, hint):
    assert message(overrides=[override]).endswith(hint)


@pytest.mark.parametrize(
    ("value", "shapes"),
    [
        ("[0.1, 0.2, 0.9, 1]", ((0.1, 0.2, 0.9, 1.0),)),
        ("[[0, 0, 640, 480], [[0, 0], [9, 0], [0, 9]]]", ((0, 0, 640, 480), ((0, 0), (9, 0), (0, 9)))),
        ("[[0, 0], [1, 0], [1, 1], [0, 1]]", (((0, 0), (1, 0), (1, 1), (0, 1)),)),
        ("camera 3/roi.png", (Path("camera 3/roi.png"),)),
        ("[mask.png, [0, 0, 1, 0.5]]", (Path("mask.png"), (0, 0, 1, 0.5))),
        ("[]", ()),
        ("null", ()),
    ],
)
def test_regions_are_boxes_polygons_and_files(tmp_path, value, shapes):
    config = load_config(overrides=[f"image.roi={value}"])
    assert config.image.roi == shapes
    assert config.image.has_shapes == bool(shapes)
    assert load_config(file=written(tmp_path, config.to_yaml())) == config


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("image.roi=3", "image.roi: got 3, expected a box [left, top, right, bottom], a polygon"),
        ("image.ignore=[1, 2, 3]", "image.ignore: got [1, 2, 3], expected a box"),
        ("image.roi=[[0.1, 0.1], [0.2, 0.2]]", "a polygon [[x, y], ...] of at least 3 points"),
        ("image.roi=[9, 0, 3, 5]", "got the box [9, 0, 3, 5], whose right and bottom must be above its left and top"),
        ("image.roi=[-1, 0, 3, 5]", "which must be finite and not below 0"),
        ("image.roi=[.nan, 0, 3, 5]", "which must be finite and not below 0"),
        ("image.roi=[0, 0, .inf, 5]", "which must be finite and not below 0"),
        ("image.roi=[0.1, 0.1, 640, 480]", "0.1 can only be a part of the image and 640 only pixels"),
        ("image.roi=''", "image.roi: got an empty path"),
    ],
)
def test_shapes_that_are_none_are_explained(override, words):
    assert words in message(overrides=[override])


def test_a_config_without_a_region_is_written_as_before_there_were_any():
    assert list(load_config().model_dump(mode="json")["image"]) == ["size", "channels", "max_pixels"]
