"""Settings: their schema, and how they are read."""

from utad.config.loading import PRESETS, chosen_config, load_config, parse_config, preset_text, with_present_names
from utad.config.networks import ExpertNetConfig, FeatureNetConfig, IENetConfig
from utad.config.schema import AugmentConfig, BackboneConfig, Config, ExplainConfig, ImageConfig
from utad.config.scoring import CalibrationConfig, MaskConfig, ScoringConfig
from utad.config.training import (
    ExpertTrainingConfig,
    ExpertWeights,
    FeatureTrainingConfig,
    IETrainingConfig,
    IEWeights,
    OptimizerConfig,
)

__all__ = [
    "PRESETS",
    "AugmentConfig",
    "BackboneConfig",
    "CalibrationConfig",
    "Config",
    "ExpertNetConfig",
    "ExpertTrainingConfig",
    "ExpertWeights",
    "ExplainConfig",
    "FeatureNetConfig",
    "FeatureTrainingConfig",
    "IENetConfig",
    "IETrainingConfig",
    "IEWeights",
    "ImageConfig",
    "MaskConfig",
    "OptimizerConfig",
    "ScoringConfig",
    "chosen_config",
    "load_config",
    "parse_config",
    "preset_text",
    "with_present_names",
]
