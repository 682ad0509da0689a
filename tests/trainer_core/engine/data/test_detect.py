"""Formats by columns, the user's own names first, and one sentence where nothing fits."""

from __future__ import annotations

from typing import Any

import pytest

from trainer_core.engine.data.detect import detect
from trainer_core.errors import ConfigError, DataError
from trainer_core.run.config.run_config import DataConfig

PUBLIC = [
    (["instruction", "input", "output"], "instruction", ["instruction", "output", "input"]),
    (["instruction", "input", "output", "prompt"], "instruction", ["instruction", "output"]),
    (["flags", "instruction", "category", "intent", "response"], "instruction", ["instruction"]),
    (["question", "answer"], "instruction", ["question", "answer"]),
    (["Instruction", "Output"], "instruction", ["Instruction", "Output"]),
    (["prompt", "completion"], "prompt-completion", ["prompt", "completion"]),
    (["prompt", "response"], "prompt-completion", ["prompt", "response"]),
    (["task_id", "prompt", "canonical_solution"], "prompt-completion", ["canonical_solution"]),
    (["input", "output"], "prompt-completion", ["input", "output"]),
    (["prompt", "input", "output"], "prompt-completion", ["prompt", "output"]),
    (["text"], "text", ["text"]),
    (["id", "content"], "text", ["content"]),
]


@pytest.mark.parametrize(("columns", "form", "used"), PUBLIC)
def test_public_shapes_are_known(columns: list[str], form: str, used: list[str]) -> None:
    layout = detect(columns, dict.fromkeys(columns, "x"), DataConfig(), "d")
    assert layout.format == form
    assert set(used) <= set(layout.roles.values())
    assert layout.columns == tuple(columns)


@pytest.mark.parametrize("name", ["messages", "conversations"])
def test_a_list_is_a_conversation_and_a_text_of_that_name_is_not(name: str) -> None:
    talk: dict[str, Any] = {name: [{"role": "user", "content": "hi"}], "text": "x"}
    assert detect(list(talk), talk, DataConfig(), "d").format == "chat"
    assert detect([name, "text"], {name: "x", "text": "y"}, DataConfig(), "d").format == "text"


def test_the_users_columns_come_first() -> None:
    columns = ["article", "highlights", "text"]
    row = dict.fromkeys(columns, "x")
    named = DataConfig(instruction_column="article", output_column="highlights")
    layout = detect(columns, row, named, "d")
    assert layout.format == "instruction"
    assert layout.roles == {"instruction": "article", "output": "highlights"}
    assert detect(columns, row, DataConfig(text_column="article"), "d").roles == {"text": "article"}
    both = DataConfig(
        format="prompt-completion", instruction_column="article", output_column="text"
    )
    assert detect(columns, row, both, "d").roles == {"prompt": "article", "completion": "text"}


def test_a_format_that_is_asked_for_is_taken() -> None:
    columns = ["instruction", "output", "text"]
    layout = detect(columns, dict.fromkeys(columns, "x"), DataConfig(format="text"), "d")
    assert layout.roles == {"text": "text"}


def test_a_named_column_that_is_not_there_is_said_with_those_that_are() -> None:
    with pytest.raises(ConfigError) as raised:
        detect(["a", "b"], {"a": "x", "b": "y"}, DataConfig(output_column="answer"), "d")
    assert str(raised.value) == (
        "data.output_column: there is no column 'answer'; choose one of a, b"
    )


def test_columns_that_fit_nothing_are_said() -> None:
    with pytest.raises(DataError) as raised:
        detect(["a", "b"], {"a": "x", "b": "y"}, DataConfig(), "rows.csv")
    assert str(raised.value) == (
        "rows.csv: its columns (a, b) do not fit any known format; name the columns, e.g. "
        "--set data.instruction_column=… and --set data.output_column=…, or "
        "--set data.text_column=…"
    )


def test_many_columns_are_not_all_said() -> None:
    columns = [f"c{number}" for number in range(5000)]
    row = dict.fromkeys(columns, "x")
    with pytest.raises(DataError) as raised:
        detect(columns, row, DataConfig(), "wide.csv")
    assert "c19 and 4,980 more) do not fit" in str(raised.value)
    with pytest.raises(ConfigError, match=r"choose one of c0, .*c19 and 4,980 more$"):
        detect(columns, row, DataConfig(text_column="answer"), "wide.csv")


def test_preference_pairs_are_refused_politely_and_can_still_be_used() -> None:
    columns = ["prompt", "chosen", "rejected"]
    row = dict.fromkeys(columns, "x")
    with pytest.raises(DataError, match=r"preference pairs .* data\.output_column=chosen"):
        detect(columns, row, DataConfig(), "d")
    named = DataConfig(instruction_column="prompt", output_column="chosen")
    assert detect(columns, row, named, "d").roles["output"] == "chosen"
