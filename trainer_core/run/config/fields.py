"""Fields of a `RunConfig` by dotted name: read one, change one, list the ones that differ."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from trainer_core.run.config.run_config import RunConfig

FieldValue = str | int | float | bool | tuple[str, ...] | None
"""What a single field may hold."""


@cache
def field_names() -> tuple[str, ...]:
    """Return every field's dotted name, in the order of the struct."""
    return _names_below(RunConfig(), "")


def value_of(config: RunConfig, field: str) -> FieldValue:
    """Return what stands in one field.

    Args:
        config: The configuration to read.
        field: Dotted name, e.g. `data.packing`.

    Raises:
        AttributeError: If there is no such field.
    """
    value: Any = config
    for part in field.split("."):
        value = getattr(value, part)
    return value  # type: ignore[no-any-return]


def with_value(config: RunConfig, field: str, value: object) -> RunConfig:
    """Return the same configuration with one field changed; nothing is checked here.

    Args:
        config: The configuration to start from.
        field: Dotted name, e.g. `data.packing`.
        value: What the field shall hold, of the field's own type.

    Raises:
        AttributeError: If there is no such field.
    """
    value_of(config, field)
    section, dot, name = field.partition(".")
    if not dot:
        return msgspec.structs.replace(config, **{section: value})
    part = msgspec.structs.replace(getattr(config, section), **{name: value})
    return msgspec.structs.replace(config, **{section: part})


def differing_fields(config: RunConfig, base: RunConfig) -> tuple[str, ...]:
    """Return the dotted names of the fields in which two configurations differ."""
    return tuple(name for name in field_names() if value_of(config, name) != value_of(base, name))


def _names_below(struct: msgspec.Struct, prefix: str) -> tuple[str, ...]:
    names: list[str] = []
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, msgspec.Struct):
            names.extend(_names_below(value, f"{prefix}{name}."))
        else:
            names.append(prefix + name)
    return tuple(names)
