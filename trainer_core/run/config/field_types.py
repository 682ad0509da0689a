"""The fields of a RunConfig by dotted name, and how a value from YAML or a flag becomes one."""

from __future__ import annotations

import math
import re
import types
import typing
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from trainer_core.errors import ConfigError
from trainer_core.run.config.run_config import RunConfig

_TRUE = ("true", "yes", "on")
_FALSE = ("false", "no", "off")
_WHOLE = re.compile(r"[-+]?\d[\d_]{0,17}", re.ASCII)
_SHOWN = 80
"""Characters of a wrong value that a sentence repeats."""

FROM_FLAG = ("", "null")
"""Text of a flag that means None for any field."""

_NONE = ("", "none", "null", "auto", "~")
"""What "chosen by the core" may be called where a text would be no value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One setting: where it stands and what it takes."""

    name: str
    """Dotted: `optimizer.warmup_steps`."""
    kind: str
    """`text`, `integer`, `number`, `switch`, `choice` or `list`."""
    optional: bool
    """Whether None ("chosen by the core") is allowed."""
    choices: tuple[str, ...]
    default: object

    @property
    def section(self) -> str:
        """First part of a dotted name, empty at the top level."""
        return self.name.rpartition(".")[0]


@cache
def fields() -> dict[str, Field]:
    """Return every field by dotted name, in the order a person reads them."""
    found: dict[str, Field] = {}
    for top in msgspec.structs.fields(RunConfig):
        if isinstance(top.type, type) and issubclass(top.type, msgspec.Struct):
            for inner in msgspec.structs.fields(top.type):
                name = f"{top.name}.{inner.name}"
                found[name] = _field(name, inner.type, inner.default)
        else:
            found[top.name] = _field(top.name, top.type, top.default)
    return found


def sections() -> tuple[str, ...]:
    """Return the names of the sections."""
    return tuple(dict.fromkeys(field.section for field in fields().values() if field.section))


def convert(field: Field, value: object) -> object:
    """Turn a YAML value or a flag's text into the field's type.

    Raises:
        ConfigError: With what to write instead.
    """
    if isinstance(value, str) and field.kind != "text":
        value = value.strip()
        if field.optional and value.lower() in _NONE:
            value = None
    if value is None:
        if field.optional:
            return None
        if field.kind == "list":
            return ()
        raise wrong(field.name, value, f"leave it out for {shown(field.default)}", "has no value")
    return _CONVERTERS[field.kind](field, value)


def wrong(name: str, value: object, fix: str, problem: str | None = None) -> ConfigError:
    """Return the error for a field, its value shortened to what a line can hold."""
    return ConfigError(name, value, fix, problem or f"{shown(value)} cannot be used")


def shown(value: object) -> str:
    """Return a value as it would be written, shortened."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        text = type(value).__name__
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _field(name: str, annotation: Any, default: object) -> Field:
    optional = False
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        parts = [part for part in typing.get_args(annotation) if part is not type(None)]
        optional, annotation = True, parts[0]
    choices: tuple[str, ...] = ()
    if typing.get_origin(annotation) is typing.Literal:
        kind, choices = "choice", typing.get_args(annotation)
    elif typing.get_origin(annotation) is tuple:
        kind = "list"
    else:
        kind = {str: "text", int: "integer", float: "number", bool: "switch"}[annotation]
    return Field(name=name, kind=kind, optional=optional, choices=choices, default=default)


def _text(field: Field, value: object) -> str:
    if isinstance(value, bool):
        raise wrong(field.name, value, "put the word in quotes")
    if isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, str):
        raise wrong(field.name, value, "write one text")
    return value


def _number(field: Field, value: object) -> float:
    number: float | None = None
    if isinstance(value, str):
        try:
            number = float(value.replace("_", ""))
        except ValueError:
            number = None
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if number is None:
        raise wrong(field.name, value, "write a number, e.g. 0.0001 or 1e-4")
    if not math.isfinite(number):
        raise wrong(field.name, value, "write a finite number")
    return number


def _integer(field: Field, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value.replace("_", ""))
    if isinstance(value, (str, float)):
        number = _finite(value)
        if number is not None and number.is_integer() and abs(number) < 2**53:
            return int(number)
    raise wrong(field.name, value, "write a whole number, e.g. 100")


def _finite(value: str | float) -> float | None:
    """Return a number, None for what is none or has no end."""
    try:
        number = float(value.replace("_", "") if isinstance(value, str) else value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _switch(field: Field, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE + _FALSE:
        return value.lower() in _TRUE
    raise wrong(field.name, value, "write true or false")


def _choice(field: Field, value: object) -> str:
    word = value.lower() if isinstance(value, str) else value
    if value is False and "none" in field.choices:
        # YAML reads `off` and `no` as False.
        word = "none"
    if isinstance(word, str) and word in field.choices:
        return word
    *most, last = field.choices
    raise wrong(field.name, value, f"write {', '.join(most)} or {last}")


def _list(field: Field, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = _list_in_text(field, value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (str(value),)
    if isinstance(value, (list, tuple)):
        return tuple(_text(field, part) for part in value)
    raise wrong(field.name, value, "write a list, e.g. [a, b]")


def _list_in_text(field: Field, text: str) -> list[Any]:
    if text.startswith("["):
        try:
            decoded = msgspec.json.decode(text)
        except msgspec.DecodeError:
            decoded = None
        if isinstance(decoded, list):
            return decoded
    # Prompts are sentences, with commas of their own.
    parts = [text] if field.name == "sample.prompts" else text.strip("[]").split(",")
    return [part.strip() for part in parts if part.strip()]


_CONVERTERS: dict[str, Any] = {
    "text": _text,
    "number": _number,
    "integer": _integer,
    "switch": _switch,
    "choice": _choice,
    "list": _list,
}
