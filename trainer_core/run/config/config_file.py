"""A RunConfig from YAML, presets and flags, and back to YAML.

Relative paths in a config mean the folder the command is typed in, not the config's own: the
same value then means the same file in a config, a flag and the form.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from trainer_core.errors import ConfigError, ConfigErrors, UserError
from trainer_core.run.config.field_types import FROM_FLAG, convert, fields, sections, shown
from trainer_core.run.config.fields import FieldValue, value_of, with_value
from trainer_core.run.config.foreign_keys import advice_for
from trainer_core.run.config.run_config import RunConfig
from trainer_core.yaml_text import read_yaml_file, yaml_of_text

PRESETS = Path(__file__).parents[2] / "presets"
"""Folder of the shipped presets."""

_COMMENTS = {
    "": "A run of moai-tui. `moai-tui train FILE` repeats it; null means: chosen by the core.",
    "data": "How rows become trained tokens.",
    "optimizer": "AdamW and its learning-rate schedule.",
    "lora": "Adapters; used by method lora and qlora.",
    "checkpoint": "When the run saves itself.",
    "log": "What is written to the event log.",
    "eval": "When the held-out rows are measured.",
    "sample": "Text generated before training and at its end.",
    "parallel": "How several devices share the work.",
    "worker": "The process that trains.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPreset:
    """A shipped run configuration."""

    id: str
    title: str
    """First comment line of its file."""
    path: Path


def run_presets() -> tuple[RunPreset, ...]:
    """Return the shipped run presets, by id."""
    return tuple(
        RunPreset(
            id=path.stem,
            title=path.read_text(encoding="utf-8").splitlines()[0].lstrip("# "),
            path=path,
        )
        for path in sorted((PRESETS / "runs").glob("*.yaml"))
    )


def load_config(path_or_preset: str | Path) -> RunConfig:
    """Read a config file, a run folder's `config.yaml`, or a preset by id.

    What exists on disk wins over a preset of the same name.

    Raises:
        UserError: There is no such file or preset, or it is no YAML.
        ConfigErrors: Every wrong field of it.
    """
    path = Path(path_or_preset).expanduser()
    try:
        if path.is_dir() and (path / "config.yaml").is_file():
            path = path / "config.yaml"
        there = path.exists()
    except (OSError, ValueError):
        there = False
    if not there:
        presets = {preset.id: preset.path for preset in run_presets()}
        name = str(path_or_preset)
        if name not in presets:
            raise UserError(_unknown_config(name, tuple(presets)))
        path = presets[name]
    return parse_config(read_yaml_file(path), origin=str(path))


def parse_config(mapping: object, origin: str = "") -> RunConfig:
    """Build a config from what YAML gave; missing keys keep their defaults.

    Args:
        mapping: Sections nested, or dotted keys (`checkpoint.keep: 2`), or both.
        origin: Name of the file, for the sentence when it holds no settings at all.

    Raises:
        UserError: It is no mapping.
        ConfigErrors: Every wrong key and value at once.
    """
    if mapping is None:
        mapping = {}
    if not isinstance(mapping, Mapping):
        what = "a list" if isinstance(mapping, list) else "one value"
        raise UserError(
            f"{origin or 'the config'}: holds {what}; write settings as `key: value` lines"
        )
    errors: list[ConfigError] = []
    flat = _flatten(mapping, errors)
    config = _build(RunConfig(), flat, errors)
    if errors:
        raise ConfigErrors(errors)
    return config


def override(config: RunConfig, changes: Mapping[str, str]) -> RunConfig:
    """Return the config with fields replaced by the text of flags.

    `steps` given without `epochs` clears `epochs`, and the other way round.

    Raises:
        ConfigErrors: Every wrong name and value at once.
    """
    errors: list[ConfigError] = []
    flat: dict[str, object] = {
        name: None if text.strip().lower() in FROM_FLAG and name in fields() else text
        for name, text in changes.items()
    }
    if "steps" in flat and "epochs" not in flat:
        flat["epochs"] = None
    elif "epochs" in flat and "steps" not in flat:
        flat["steps"] = None
    changed = _build(config, flat, errors)
    if errors:
        raise ConfigErrors(errors)
    return changed


def dump_config(config: RunConfig) -> str:
    """Write every field as YAML, in reading order with a comment over each section."""
    lines = [f"# {_COMMENTS['']}"]
    section = ""
    for name, field in fields().items():
        if field.section != section:
            section = field.section
            lines += ["", f"# {_COMMENTS[section]}", f"{section}:"]
        key = name.rpartition(".")[2]
        indent = "  " if section else ""
        lines.append(f"{indent}{key}: {_scalar(value_of(config, name))}")
    return "\n".join(lines) + "\n"


def _flatten(mapping: Mapping[Any, Any], errors: list[ConfigError]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in mapping.items():
        name = key if isinstance(key, str) else shown(key)
        if name not in sections():
            _put(flat, name, value, errors)
        elif isinstance(value, Mapping):
            for inner, inner_value in value.items():
                text = inner if isinstance(inner, str) else shown(inner)
                _put(flat, f"{name}.{text}", inner_value, errors)
        elif value is not None:
            problem = f"{shown(value)} stands where a section is wanted"
            fix = f"indent its settings under it: {', '.join(_settings_of(name)[:4])} …"
            errors.append(ConfigError(name, value, fix, problem))
    return flat


def _settings_of(section: str) -> list[str]:
    return [name.rpartition(".")[2] for name in fields() if name.startswith(f"{section}.")]


def _section_fault(name: str, value: object) -> ConfigError:
    names = ", ".join(f"{name}.{setting}" for setting in _settings_of(name)[:3])
    return ConfigError(name, value, f"name one of its settings: {names} …", "is a section")


def _put(flat: dict[str, object], name: str, value: object, errors: list[ConfigError]) -> None:
    if name in flat:
        errors.append(ConfigError(name, value, "keep one", "stands twice, dotted and in a section"))
    flat[name] = value


def _build(config: RunConfig, flat: Mapping[str, object], errors: list[ConfigError]) -> RunConfig:
    known = fields()
    for name, value in flat.items():
        if name in sections():
            errors.append(_section_fault(name, value))
            continue
        if name not in known:
            errors.append(
                ConfigError(_shortened(name), value, advice_for(name, tuple(known)), "unknown key")
            )
            continue
        try:
            config = with_value(config, name, cast("FieldValue", convert(known[name], value)))
        except ConfigError as error:
            errors.append(error)
    return config


def _scalar(value: object) -> str:
    if isinstance(value, float):
        # YAML 1.1 readers take 1e-05 for text; a dot makes it a number everywhere.
        text = repr(value)
        mantissa, letter, exponent = text.partition("e")
        return f"{mantissa}.0e{exponent}" if letter and "." not in mantissa else text
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value) if isinstance(value, int) else yaml_of_text(value)


def _shortened(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"


def _unknown_config(name: str, presets: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, presets, n=1, cutoff=0.5)
    known = near[0] if near else ", ".join(presets)
    return f"{_shortened(name)}: no such file or run preset; presets: {known}"
