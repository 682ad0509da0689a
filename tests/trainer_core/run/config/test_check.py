from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainer_core.errors import ConfigError
from trainer_core.plan.types import ModelShape
from trainer_core.run.config.check import check, check_devices, check_shape, parse_time_limit
from trainer_core.run.config.config_file import override
from trainer_core.run.config.field_types import fields
from trainer_core.run.config.fields import with_value
from trainer_core.run.config.run_config import RunConfig


def _said(**changes: str) -> list[str]:
    flags = {name.replace("__", "."): text for name, text in changes.items()}
    return [str(error) for error in check(override(RunConfig(), flags))]


def test_the_defaults_are_valid() -> None:
    assert check(RunConfig()) == []


def test_every_wrong_field_is_found_at_once_in_reading_order() -> None:
    assert _said(
        global_batch_size="1e9",
        learning_rate="-1",
        size="Smal",
        time_limit="90",
        name="a b",
        steps="5",
        optimizer__warmup_steps="90",
    ) == [
        "size: 'Smal' cannot be used; use one of Small, Medium, Large, xLarge, 1.5xLarge, "
        "2xLarge, 3xLarge, 4xLarge, 6xLarge, 8xLarge, 12xLarge, 24xLarge, 48xLarge",
        "global_batch_size: 1000000000 cannot be used; use 65536 or less",
        "learning_rate: -1.0 cannot be used; use a number above 0",
        "name: 'a b' cannot be used; use up to 64 letters, digits, '.', '_' and '-', "
        "a letter or digit first",
        "time_limit: '90' cannot be used; write a time with units, e.g. 1h50m, 45m or 30s",
        "optimizer.warmup_steps: 90 warm-up steps in a run of 5; use 5 or less",
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": "0"}, "steps: 0 cannot be used; use 1 or more"),
        ({"epochs": "0"}, "epochs: 0.0 cannot be used; use a number above 0"),
        ({"seed": "-1"}, "seed: -1 cannot be used; use 0 or more"),
        ({"lora__dropout": "1"}, "lora.dropout: 1.0 cannot be used; use a number below 1"),
        ({"checkpoint__keep": "0"}, "checkpoint.keep: 0 cannot be used; use 1 or more"),
        (
            {"global_batch_size": "16", "micro_batch_size": "3"},
            "global_batch_size: 16 is no multiple of micro_batch_size 3; use 15 or 18, "
            "or another micro_batch_size",
        ),
        (
            {"global_batch_size": "65536", "sequence_length": "100000"},
            "global_batch_size: 65536 × 100000 tokens in one step; use 10737 or less at this "
            "sequence_length",
        ),
        (
            {"devices": "0,1,0"},
            "devices: 0 is named twice; name it once",
        ),
        (
            {"size": "Medium", "devices": "0"},
            "devices: 1 named, but size Medium has 2; name 2, or leave one of the two out",
        ),
        (
            {"size": "xLarge.640GB", "parallel__strategy": "single"},
            "parallel.strategy: 'single' uses one device, the size has 8; write auto, "
            "or size: Small",
        ),
        (
            {"data__format": "text", "data__prompt_format": "chat"},
            "data.prompt_format: 'chat' needs prompts, data.format 'text' has none; "
            "write auto or text, or another data.format",
        ),
        (
            {"data__format": "chat", "data__text_column": "body"},
            "data.text_column: data.format 'chat' has no such column; leave it out, "
            "or write data.messages_column",
        ),
        ({"dataset": "python:"}, None),
        ({"name": "20261124-120000-abcdef"}, None),
    ],
)
def test_a_wrong_field_is_one_sentence(changes: dict[str, str], sentence: str | None) -> None:
    said = _said(**changes)
    assert len(said) == 1
    if sentence is not None:
        assert said == [sentence]


@pytest.mark.parametrize("text", ["", "  ", "a\x1b[2J", "a\nb", "x" * 5000, "\udcff"])
def test_texts_a_terminal_must_not_see_are_refused(text: str) -> None:
    (error,) = check(RunConfig(model=text))
    assert error.field == "model"
    assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h50m", 6600), ("90m", 5400), ("30s", 30), ("2d", 172800), ("1:50:00", 6600), ("5:30", 330)],
)
def test_a_time_limit_is_read(text: str, seconds: float) -> None:
    assert parse_time_limit(text) == seconds


@pytest.mark.parametrize("text", ["", "0m", "90", "soon", "1h50", "-5m", "٣h", "1" * 40 + "h"])
def test_other_time_limits_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_time_limit(text)


def _shape() -> ModelShape:
    return ModelShape(
        parameters=1,
        matmul_parameters=1,
        layers=1,
        width=8,
        heads=1,
        key_value_heads=1,
        feed_forward_width=8,
        vocabulary=8,
        context=2048,
    )


def test_a_length_beyond_the_models_context_is_refused() -> None:
    (error,) = check_shape(RunConfig(sequence_length=4096), _shape())
    assert str(error) == (
        "sequence_length: 4096 is longer than the model's context; use 2048 or less"
    )
    assert check_shape(RunConfig(sequence_length=2048), _shape()) == []
    assert check_shape(RunConfig(), _shape()) == []


def test_a_batch_is_shared_by_the_devices_or_refused() -> None:
    assert check_devices(RunConfig(global_batch_size=16), 8) == []
    (error,) = check_devices(RunConfig(global_batch_size=16), 12)
    assert str(error) == "global_batch_size: 16 cannot be shared by 12 devices; use 12 or 24"
    (error,) = check_devices(RunConfig(global_batch_size=16, micro_batch_size=4), 8)
    assert str(error) == (
        "global_batch_size: 16 cannot be shared by 8 devices with micro-batches of 4; use 32"
    )


def test_a_micro_batch_of_nothing_is_a_wrong_field_alone() -> None:
    (error,) = check(RunConfig(global_batch_size=16, micro_batch_size=0))
    assert error.field == "micro_batch_size"


numbers = st.integers() | st.floats(allow_nan=False) | st.sampled_from([0, -1, 10**9, 2**63])


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy host is no fault here
@given(st.dictionaries(st.sampled_from(tuple(fields())), numbers | st.text(), max_size=8))
def test_random_fields_give_only_our_errors(changes: dict[str, object]) -> None:
    config = RunConfig()
    for name, value in changes.items():
        kind = fields()[name].kind
        if kind in ("integer", "number") and isinstance(value, (int, float)):
            whole = int(value) if math.isfinite(value) else 0
            config = with_value(config, name, whole if kind == "integer" else float(value))
        elif kind == "text" and isinstance(value, str):
            config = with_value(config, name, value)
        elif kind == "list" and isinstance(value, str):
            config = with_value(config, name, (value,))
    for error in check(config):
        assert isinstance(error, ConfigError)
        assert error.field in fields()
        assert len(str(error).splitlines()) == 1
