from __future__ import annotations

import pytest

from trainer_core.errors import ConfigError
from trainer_core.run.config.field_types import convert, fields, sections, shown


def test_every_field_has_a_kind_and_a_place() -> None:
    assert fields()["learning_rate"].kind == "number"
    assert fields()["learning_rate"].optional
    assert fields()["optimizer.schedule"].choices == ("cosine", "linear", "constant")
    assert fields()["devices"].kind == "list"
    assert fields()["data.packing"].section == "data"
    assert "checkpoint" in sections()


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("learning_rate", "1e-4", 1e-4),
        ("learning_rate", 1, 1.0),
        ("learning_rate", "auto", None),
        ("steps", "1e3", 1000),
        ("steps", 100.0, 100),
        ("steps", "1_000", 1000),
        ("steps", "1__0", 10),
        ("seed", "7", 7),
        ("data.packing", "no", False),
        ("data.packing", "True", True),
        ("precision", "BF16", "bf16"),
        ("parallel.recomputation", False, "none"),
        ("devices", "0, 1,", ("0", "1")),
        ("devices", [0, "GPU-1"], ("0", "GPU-1")),
        ("devices", 2, ("2",)),
        ("lora.target_modules", '["q_proj","v_proj"]', ("q_proj", "v_proj")),
        ("lora.target_modules", "[q_proj, v_proj]", ("q_proj", "v_proj")),
        ("sample.prompts", "Count a, b and c", ("Count a, b and c",)),
        ("name", 2026, "2026"),
        ("model", "auto", "auto"),
    ],
)
def test_values_become_the_fields_type(name: str, value: object, wanted: object) -> None:
    assert convert(fields()[name], value) == wanted


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("steps", 1.5, "steps: 1.5 cannot be used; write a whole number, e.g. 100"),
        ("steps", True, "steps: True cannot be used; write a whole number, e.g. 100"),
        ("steps", "9" * 30, None),
        ("learning_rate", "fast", None),
        ("learning_rate", float("nan"), "learning_rate: nan cannot be used; write a finite number"),
        ("learning_rate", 10**400, None),
        ("data.packing", 1, "data.packing: 1 cannot be used; write true or false"),
        ("model", True, "model: True cannot be used; put the word in quotes"),
        ("model", ["a"], "model: ['a'] cannot be used; write one text"),
        ("method", "half", "method: 'half' cannot be used; write full, lora or qlora"),
        ("seed", None, "seed: has no value; leave it out for 0"),
        ("devices", {"a": 1}, None),
    ],
)
def test_other_values_say_what_to_write(name: str, value: object, sentence: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        convert(fields()[name], value)
    assert caught.value.field == name
    if sentence is not None:
        assert str(caught.value) == sentence


def test_a_long_value_is_shortened() -> None:
    assert len(shown("x" * 10_000)) == 80
