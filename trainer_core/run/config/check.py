"""Every rule a configuration must keep, all of them tried at once; no disk, no hardware."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from trainer_core.accelerators.sizes import parse_label, parse_size
from trainer_core.errors import ConfigError
from trainer_core.plan.types import ModelShape
from trainer_core.run.config.cadence import FRESH_WARMUP_LEAST, is_fresh
from trainer_core.run.config.field_types import fields, wrong
from trainer_core.run.config.fields import value_of
from trainer_core.run.config.run_config import RunConfig

TOKENS_PER_STEP_MAX = 2**30
"""A step of a billion tokens is a slip of the hand on any hardware."""

_TEXT_LIMIT = 4096
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RUN_ID = re.compile(r"\d{8}-\d{6}(-\w{6})?")
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2})", re.ASCII)
_DURATION = re.compile(
    r"(?:(\d{1,4})\s*d)?\s*(?:(\d{1,6})\s*h)?\s*(?:(\d{1,7})\s*m(?:in)?)?\s*(?:(\d{1,9})\s*s)?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Range:
    """What a number may be; a bound of `above` is itself not allowed."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def fix(self, value: float) -> str | None:
        """Say what to use instead; None when the value is allowed."""
        if self.least is not None and value < self.least:
            return f"use {_plain(self.least)} or more"
        if self.above is not None and value <= self.above:
            return f"use a number above {_plain(self.above)}"
        if self.most is not None and value > self.most:
            return f"use {_plain(self.most)} or less"
        if self.below is not None and value >= self.below:
            return f"use a number below {_plain(self.below)}"
        return None


_RANGES: dict[str, _Range] = {
    "sequence_length": _Range(least=8, most=2**20),
    "global_batch_size": _Range(least=1, most=2**16),
    "micro_batch_size": _Range(least=1, most=2**12),
    "learning_rate": _Range(above=0, most=1),
    "steps": _Range(least=1, most=10**8),
    "epochs": _Range(above=0, most=10**4),
    # torch and numpy both take 32 bits.
    "seed": _Range(least=0, most=2**32 - 1),
    "data.eval_fraction": _Range(least=0, most=0.5),
    "data.eval_rows_max": _Range(least=1, most=10**6),
    "optimizer.weight_decay": _Range(least=0, most=1),
    "optimizer.beta1": _Range(least=0, below=1),
    "optimizer.beta2": _Range(least=0, below=1),
    "optimizer.epsilon": _Range(above=0, most=1),
    "optimizer.max_grad_norm": _Range(least=0, most=10**6),
    "optimizer.warmup_steps": _Range(least=0, most=10**8),
    "optimizer.minimum_learning_rate_fraction": _Range(least=0, most=1),
    "lora.rank": _Range(least=1, most=2**12),
    "lora.alpha": _Range(least=1, most=2**16),
    "lora.dropout": _Range(least=0, below=1),
    "checkpoint.every_steps": _Range(least=0, most=10**8),
    "checkpoint.keep": _Range(least=1, most=10**4),
    "log.every_steps": _Range(least=1, most=10**6),
    "eval.every_steps": _Range(least=0, most=10**8),
    "sample.count": _Range(least=0, most=64),
    "sample.new_tokens": _Range(least=1, most=4096),
    "worker.threads": _Range(least=1, most=4096),
}


def check(config: RunConfig) -> list[ConfigError]:
    """Return every wrong field of a configuration, in reading order; empty when all is well."""
    errors = [*_ranges(config), *_texts(config)]
    seen = {error.field for error in errors}
    for rule in _RULES:
        # A combination is judged only where each of its parts is a value at all.
        errors += [error for error in rule(config) if error.field not in seen]
    order = {name: place for place, name in enumerate(fields())}
    return sorted(errors, key=lambda error: order[error.field])


def check_shape(config: RunConfig, shape: ModelShape) -> list[ConfigError]:
    """Return what does not go with the model: a length beyond its context."""
    length = config.sequence_length
    if length is not None and length > shape.context:
        problem = f"{length} is longer than the model's context"
        return [ConfigError("sequence_length", length, f"use {shape.context} or less", problem)]
    return []


def check_devices(config: RunConfig, devices: int) -> list[ConfigError]:
    """Return what does not go with the number of devices a run is given.

    Args:
        config: Its global batch may still be unset.
        devices: How many devices the size has, at least 1.
    """
    errors: list[ConfigError] = []
    parallel = config.parallel
    split = (parallel.tensor or 1) * (parallel.pipeline or 1) * (parallel.context or 1)
    if parallel.strategy == "single" and devices > split:
        problem = f"'single' uses one device, the size has {devices}"
        errors.append(
            ConfigError("parallel.strategy", "single", "write auto, or size: Small", problem)
        )
    readers = max(1, devices // split)
    per_round = readers * (config.micro_batch_size or 1)
    batch = config.global_batch_size
    if batch is not None and batch % per_round:
        parts = f"{readers} device{'s' if readers > 1 else ''}"
        if config.micro_batch_size:
            parts += f" with micro-batches of {config.micro_batch_size}"
        errors.append(
            ConfigError(
                "global_batch_size",
                batch,
                f"use {_nearest_multiples(batch, per_round)}",
                f"{batch} cannot be shared by {parts}",
            )
        )
    return errors


def parse_time_limit(text: str) -> float:
    """Read a wall time: `1h50m`, `90m`, `2d`, `1:50:00` (hours:minutes:seconds).

    Returns:
        Seconds, above 0.

    Raises:
        ConfigError: Another form, or no time at all.
    """
    stripped = text.strip()
    clock = _CLOCK.fullmatch(stripped)
    duration = _DURATION.fullmatch(stripped)
    seconds = 0.0
    if clock:
        seconds = int(clock[1] or 0) * 3600.0 + int(clock[2]) * 60 + int(clock[3])
    elif duration:
        days, hours, minutes, rest = (int(part or 0) for part in duration.groups())
        seconds = days * 86400.0 + hours * 3600 + minutes * 60 + rest
    if not seconds:
        raise wrong("time_limit", text, "write a time with units, e.g. 1h50m, 45m or 30s")
    return seconds


def _ranges(config: RunConfig) -> list[ConfigError]:
    errors = []
    for name, allowed in _RANGES.items():
        value = value_of(config, name)
        if isinstance(value, (int, float)) and (fix := allowed.fix(value)):
            errors.append(wrong(name, value, fix))
    return errors


def _texts(config: RunConfig) -> list[ConfigError]:
    errors = []
    for name, field in fields().items():
        value = value_of(config, name)
        texts = (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
        for text in texts:
            fix = _text_fix(text, many_lines=name == "sample.prompts")
            if fix and field.kind in ("text", "list"):
                errors.append(wrong(name, text, fix))
                break
    return errors


def _text_fix(text: str, *, many_lines: bool) -> str | None:
    if not text.strip():
        return "write a text, or leave it out"
    if len(text) > _TEXT_LIMIT and not many_lines:
        return f"use at most {_TEXT_LIMIT} characters"
    allowed = "\n\t" if many_lines else ""
    if any(not letter.isprintable() and letter not in allowed for letter in text):
        return "leave out control characters"
    return None


def _name(config: RunConfig) -> list[ConfigError]:
    name = config.name
    if name is None:
        return []
    if not _NAME.fullmatch(name):
        fix = "use up to 64 letters, digits, '.', '_' and '-', a letter or digit first"
        return [wrong("name", name, fix)]
    if _RUN_ID.fullmatch(name):
        return [wrong("name", name, "use a name that is not a run id")]
    return []


def _time_limit(config: RunConfig) -> list[ConfigError]:
    if config.time_limit is None:
        return []
    try:
        parse_time_limit(config.time_limit)
    except ConfigError as error:
        return [error]
    return []


def _size(config: RunConfig) -> list[ConfigError]:
    if config.size is None:
        return []
    try:
        label = parse_label(config.size)
        size = parse_size(config.size, label.device_memory_gb if label else 1)
    except ConfigError as error:
        return [error]
    errors = []
    if config.devices and len(config.devices) != size.devices:
        problem = f"{len(config.devices)} named, but size {size.name} has {size.devices}"
        fix = f"name {size.devices}, or leave one of the two out"
        errors.append(ConfigError("devices", config.devices, fix, problem))
    if config.parallel.strategy == "single" and size.devices > 1:
        errors += check_devices(_without_batch(config), size.devices)
    return errors


def _devices(config: RunConfig) -> list[ConfigError]:
    twice = sorted({name for name in config.devices if config.devices.count(name) > 1})
    if twice:
        return [wrong("devices", config.devices, "name it once", f"{twice[0]} is named twice")]
    return []


def _batch(config: RunConfig) -> list[ConfigError]:
    batch, micro = config.global_batch_size, config.micro_batch_size
    errors: list[ConfigError] = []
    if batch is not None and micro and batch % micro:  # a micro-batch of 0 is a wrong field itself
        fix = f"use {_nearest_multiples(batch, micro)}, or another micro_batch_size"
        problem = f"{batch} is no multiple of micro_batch_size {micro}"
        errors.append(ConfigError("global_batch_size", batch, fix, problem))
    length = config.sequence_length
    if batch is not None and length is not None and batch * length > TOKENS_PER_STEP_MAX:
        fix = f"use {max(1, TOKENS_PER_STEP_MAX // length)} or less at this sequence_length"
        problem = f"{batch} × {length} tokens in one step"
        errors.append(ConfigError("global_batch_size", batch, fix, problem))
    return errors[:1]


def _warmup(config: RunConfig) -> list[ConfigError]:
    warmup = config.optimizer.warmup_steps
    # Fresh weights rise over that many steps however short the run: then never to the full rate.
    most = max(config.steps or 0, FRESH_WARMUP_LEAST if is_fresh(config) else 0)
    if config.steps is not None and warmup is not None and warmup > most:
        problem = f"{warmup} warm-up steps in a run of {config.steps}"
        fix = f"use {config.steps} or less"
        return [ConfigError("optimizer.warmup_steps", warmup, fix, problem)]
    return []


def _formats(config: RunConfig) -> list[ConfigError]:
    data = config.data
    wraps = ("instruct", "alpaca", "alpaca-short", "chat")
    if data.format == "text" and data.prompt_format in wraps:
        problem = f"{data.prompt_format!r} needs prompts, data.format 'text' has none"
        fix = "write auto or text, or another data.format"
        return [ConfigError("data.prompt_format", data.prompt_format, fix, problem)]
    if data.format == "instruction" and data.prompt_format == "text":
        fix = "write instruct, alpaca or auto"
        problem = "'text' has no place for an instruction"
        return [ConfigError("data.prompt_format", data.prompt_format, fix, problem)]
    return []


def _columns(config: RunConfig) -> list[ConfigError]:
    data = config.data
    used = {
        "instruction": ("instruction_column", "input_column", "output_column"),
        "prompt-completion": ("instruction_column", "output_column"),
        "chat": ("messages_column",),
        "text": ("text_column",),
    }.get(data.format)
    errors = []
    for name, column in msgspec.structs.asdict(data).items():
        if not name.endswith("_column"):
            continue
        if used is not None and column is not None and name not in used:
            problem = f"data.format {data.format!r} has no such column"
            fix = f"leave it out, or write {' and '.join(f'data.{other}' for other in used)}"
            errors.append(ConfigError(f"data.{name}", column, fix, problem))
    return errors


def _dataset(config: RunConfig) -> list[ConfigError]:
    errors = []
    for name in ("dataset", "eval_dataset"):
        value = value_of(config, name)
        if isinstance(value, str) and value.startswith("python:") and not value[7:].strip():
            errors.append(wrong(name, value, "write the folder after it, e.g. python:src"))
    return errors


_RULES: tuple[Callable[[RunConfig], list[ConfigError]], ...] = (
    _name,
    _time_limit,
    _size,
    _devices,
    _batch,
    _warmup,
    _formats,
    _columns,
    _dataset,
)


def _without_batch(config: RunConfig) -> RunConfig:
    return msgspec.structs.replace(config, global_batch_size=None)


def _nearest_multiples(value: int, step: int) -> str:
    below = value // step * step
    return f"{below} or {below + step}" if below else str(step)


def _plain(number: float) -> str:
    return f"{number:g}" if abs(number) < 10**6 else str(int(number))
