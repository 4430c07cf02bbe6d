"""From presets, YAML files and overrides to a `Config`, with errors that name the key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from utad.config.schema import Config
from utad.errors import ConfigError

PRESETS = ("fast", "balanced", "accurate", "paper", "paper-small")
DEFAULT_PRESET = "fast"


RENAMED = {
    "scoring.terms": "scoring.components",
    "scoring.even_light": "scoring.normalise_illumination",
    "calibration.corrupted_images": "calibration.synthetic_anomalies",
}
"""Settings whose names have changed, old and new; model files of before have the old ones."""


def preset_text(name: str) -> str:
    """The YAML text of a preset, comments included.

    Raises:
        ConfigError: if there is no such preset.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}")
    return resources.files("utad").joinpath("presets", f"{name}.yaml").read_text(encoding="utf-8")


def load_config(
    preset: str | None = None, *, file: Path | None = None, overrides: Sequence[str] = (), seed: int | None = None
) -> Config:
    """Resolves a preset, a file on top of it, and `section.key=value` overrides on top of both.

    Args:
        preset: one of `PRESETS`, the base; None takes the one that `file` names in its key `preset`, or else `fast`.
        file: YAML with any part of the config.
        overrides: `section.key=value`; the value is read as YAML.
        seed: replaces the config's seed, 0 included; None leaves the one of `file` or `overrides`.

    Raises:
        ConfigError: naming the key, what was got and what is allowed; or where one thing is asked for in two ways.
    """
    document = _read_yaml(_text_of(file), str(file)) if file is not None else {}
    of_file = document.get("preset")
    if preset is not None and of_file is not None and of_file != preset:
        raise ConfigError(f"got preset {preset}, and {file} is on top of preset {of_file}: leave one of them out")
    base = str(preset or of_file or DEFAULT_PRESET)
    values = _read_yaml(preset_text(base), f"preset {base}")
    _merge(values, document)
    for override in overrides:
        _apply_override(values, override)
    if seed is not None:
        if any(override.partition("=")[0].strip() == "seed" for override in overrides) and values["seed"] != seed:
            raise ConfigError(f"got seed {seed} and an override seed={values['seed']}: leave one of them out")
        values["seed"] = seed
    return parse_config(values)


def chosen_config(
    config: Config | None, preset: str | None, *, overrides: Sequence[str] = (), seed: int | None = None
) -> Config:
    """`config` itself where it is given, otherwise what `load_config` makes of the others.

    Raises:
        ConfigError: if a setting is wrong, or `config` comes with any of the others.
    """
    if config is None:
        return load_config(preset, overrides=overrides, seed=seed)
    given = {"preset": preset is not None, "overrides": bool(overrides), "seed": seed is not None}
    if any(given.values()):
        names = " and ".join(name for name, there in given.items() if there)
        raise ConfigError(f"got config together with {names}: a config is complete, give the one or the other")
    return config


def parse_config(values: Mapping[str, Any]) -> Config:
    """Validates a mapping; the error names each wrong key on one line."""
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        problems = "; ".join(_describe(problem) for problem in error.errors())
        raise ConfigError(f"the configuration is not valid: {problems}") from None


def with_present_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a stored model with the settings' present names."""
    renamed = {section: dict(keys) if isinstance(keys, dict) else keys for section, keys in values.items()}
    for old, new in RENAMED.items():
        (section, old_key), (_, new_key) = old.split("."), new.split(".")
        keys = renamed.get(section)
        if isinstance(keys, dict) and old_key in keys:
            keys[new_key] = keys.pop(old_key)
    return renamed


def _describe(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "config"
    if problem["type"] == "extra_forbidden":
        return f"unknown key {where}" + (f", which is now {RENAMED[where]}" if where in RENAMED else _meant(where))
    message = str(problem["msg"]).removeprefix("Value error, ")
    return message if problem["type"] == "value_error" else f"{where}={problem['input']!r}: {message}"


def _meant(where: str) -> str:
    """What a key that is not known may have meant, or what its section has."""
    known, (section, _, key) = tuple(_keys(Config)), where.rpartition(".")
    beside = {name.rpartition(".")[2]: name for name in known if name.rpartition(".")[0] == section}
    elsewhere = [name for name in known if name.rpartition(".")[2] == key]
    near = elsewhere or [beside[name] for name in get_close_matches(key, beside, n=1, cutoff=0.7)]
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f"; {section or 'the config'} has {', '.join(sorted(beside))}"


def _keys(section: type[BaseModel], above: str = "") -> Iterator[str]:
    """The dotted names of all settings, those of the sections in a section included."""
    for name, field in section.model_fields.items():
        yield above + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{above}{name}.")


def _read_yaml(text: str, source: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is not valid YAML: {str(error).splitlines()[0]}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError(f"{source} must be a YAML mapping of sections, got {type(document).__name__}")
    return document


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not a text file in UTF-8") from None


def _merge(base: dict[str, Any], top: Mapping[str, Any]) -> None:
    for key, value in top.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value


def _apply_override(values: dict[str, Any], override: str) -> None:
    path, separator, text = override.partition("=")
    if not separator or not path:
        raise ConfigError(f"expected section.key=value, got {override!r}")
    *sections, key = path.strip().split(".")
    if key == "preset" and not sections:
        raise ConfigError(f"{override!r} would only rename the preset: choose one with --preset, or in a file's key")
    node = values
    for section in sections:
        child = node.setdefault(section, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{override!r}: {section} is a value, not a section")
        node = child
    node[key] = _read_yaml(f"value: {text}", override)["value"]
