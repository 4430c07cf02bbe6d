from __future__ import annotations

import pytest

from utad.config import Config, ImageConfig, ScoringConfig, load_config, parse_config
from utad.config.tiles import TileConfig
from utad.errors import ConfigError


def tile_of(*settings: str):
    return load_config(overrides=settings).image.tile


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("image.tile=256", (256, None)),
        ("image.tile=[256, 64]", (256, 64)),
        ("image.tile={side: 300, overlap: 20}", (300, 20)),
        ("image.tile.side=300", (300, None)),
    ],
)
def test_every_form_of_a_tile(setting, expected):
    tile = tile_of(setting)
    assert (tile.side, tile.overlap) == expected


def test_a_config_without_tiles_is_written_as_before_there_were_any():
    config = load_config()
    assert config.image.tile is None
    assert set(config.model_dump(mode="json")["image"]) == {"size", "channels", "max_pixels"}
    assert "tile" not in config.to_yaml()
    assert "smallest" not in config.to_yaml()


def test_a_config_with_tiles_is_read_back():
    for settings in (["image.tile=[256,32]"], ["image.tile=auto", "image.smallest_defect=12"]):
        config = load_config(overrides=settings)
        assert parse_config(config.model_dump(mode="json")) == config


def test_tiles_are_scored_for_small_defects_unless_something_else_is_named():
    scoring = load_config(overrides=["image.tile=256"]).scoring
    assert scoring.components == ("restored", "deep", "input-detail", "input-finest")
    assert "input-finest" in scoring.map_components
    assert scoring.top_fractions == (0.0005,)
    assert not scoring.normalise_illumination
    assert load_config(
        overrides=["image.tile=256", "scoring.normalise_illumination=true"]
    ).scoring.normalise_illumination
    named = load_config(overrides=["image.tile=256", "scoring.components=[input]"]).scoring
    assert (named.components, named.map_components, named.top_fractions) == (("input",), (), (0.0005,))
    whole = load_config().scoring
    assert (
        load_config(overrides=["image.tile=256", "scoring.method=paper"]).scoring.top_fractions == whole.top_fractions
    )
    assert "input-finest" not in (*whole.components, *whole.map_components)
    assert whole.normalise_illumination


def test_a_config_made_in_python_scores_tiles_likewise():
    expected = load_config(overrides=["image.tile=256"]).scoring
    made = Config(image=ImageConfig(tile=TileConfig(side=256))).scoring
    assert (made.components, made.top_fractions) == (expected.components, expected.top_fractions)
    chosen = ScoringConfig(components=("input",))
    assert Config(image=ImageConfig(tile=TileConfig(side=256)), scoring=chosen).scoring == chosen


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["image.tile=12"], "a side of 12 pixels, expected 16 to 4096, or auto"),
        (["image.tile=9000"], "a side of 9000 pixels, expected 16 to 4096, or auto"),
        (["image.tile=big"], r"image\.tile: got 'big', expected a side in pixels"),
        (["image.tile=[1,2,3]"], "expected a side in pixels"),
        (["image.tile=true"], "expected a side in pixels"),
        (["image.tile=[256,200]"], "an overlap of 200 pixels, expected at most half of the side of 256"),
        (["image.tile={side: 256, step: 3}"], "unknown key image.tile.step"),
        (["image.tile=auto"], r"image\.tile=auto needs the smallest defect .*image\.smallest_defect"),
        (["image.smallest_defect=12"], r"set image\.tile=auto, or leave it out"),
        (["image.tile=256", "image.smallest_defect=12"], r"set image\.tile=auto, or leave it out"),
    ],
)
def test_what_does_not_go_is_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        load_config(overrides=settings)
