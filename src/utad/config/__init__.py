"""Settings: their schema, and how they are read."""

from utad.config.loading import PRESETS, load_config, parse_config, preset_text, with_present_names
from utad.config.schema import (
    AugmentConfig,
    BackboneConfig,
    CalibrationConfig,
    Config,
    ExpertNetConfig,
    ExpertTrainingConfig,
    ExpertWeights,
    FeatureNetConfig,
    FeatureTrainingConfig,
    IENetConfig,
    IETrainingConfig,
    IEWeights,
    ImageConfig,
    OptimizerConfig,
    ScoringConfig,
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
    "FeatureNetConfig",
    "FeatureTrainingConfig",
    "IENetConfig",
    "IETrainingConfig",
    "IEWeights",
    "ImageConfig",
    "OptimizerConfig",
    "ScoringConfig",
    "load_config",
    "parse_config",
    "preset_text",
    "with_present_names",
]
