"""Records against their layout: what is wrong is named by column."""

from __future__ import annotations

from typing import Any

import pytest

from trainer_core.engine.data.detect import Layout, detect
from trainer_core.engine.data.example import Example, RowProblem, Turn, example_of
from trainer_core.run.config.run_config import DataConfig


def layout(*columns: str, chat: bool = False) -> Layout:
    row: dict[str, Any] = dict.fromkeys(columns, [] if chat else "x")
    return detect(columns, row, DataConfig(), "d")


ALPACA = layout("instruction", "input", "output", "history", "system")
CHAT = layout("messages", chat=True)

BROKEN = [
    ({"instruction": "a"}, "output", "is missing", "give it a text"),
    ({"instruction": "a", "output": None}, "output", "is null", "give it a text"),
    (
        {"instruction": "a", "output": 3},
        "output",
        "is a number where text was expected",
        "write it in quotes",
    ),
    (
        {"instruction": True, "output": "b"},
        "instruction",
        "is true or false where text was expected",
        "write it in quotes",
    ),
    (
        {"instruction": "a", "output": "b\ud800"},
        "output",
        "character 2 is half of a surrogate pair (\\ud800)",
        "write the whole character",
    ),
    (
        {"instruction": "a", "output": "b", "history": ["c"]},
        "history",
        "is no list of [request, answer] pairs",
        "write it as such a list",
    ),
]

BROKEN_TALKS = [
    ("talk", "is no list of messages", 'write [{"role": "user", "content": "…"}, …]'),
    (["hi"], "message 1 is no object", 'write {"role": …, "content": …}'),
    (
        [{"role": "user", "content": "a"}, {"role": "robot", "content": "b"}],
        "message 2 has the role 'robot'",
        "use system, user, assistant or tool",
    ),
    ([{"role": "user"}], "message 1 has no content", "give it a content"),
    ([{"from": "gpt", "value": 3}], "message 1 has a content that is no text", "give it a value"),
    (
        [{"role": "user", "content": "a"}],
        "no message of the assistant",
        "add the answer to be learned",
    ),
]


@pytest.mark.parametrize(("record", "column", "problem", "fix"), BROKEN)
def test_what_is_wrong_with_a_row_is_named(
    record: dict[str, Any], column: str, problem: str, fix: str
) -> None:
    with pytest.raises(RowProblem) as raised:
        example_of(record, ALPACA)
    assert (raised.value.column, raised.value.problem, raised.value.fix) == (column, problem, fix)


@pytest.mark.parametrize(("talk", "problem", "fix"), BROKEN_TALKS)
def test_what_is_wrong_with_a_conversation_is_named(talk: Any, problem: str, fix: str) -> None:
    with pytest.raises(RowProblem) as raised:
        example_of({"messages": talk}, CHAT)
    assert (raised.value.column, raised.value.problem, raised.value.fix) == (
        "messages",
        problem,
        fix,
    )


def test_alpaca_rows_with_history_and_system() -> None:
    record = {
        "instruction": "now",
        "input": "with",
        "output": "so",
        "system": "be kind",
        "history": [["before", "answer"]],
    }
    assert example_of(record, ALPACA) == Example(
        system="be kind",
        turns=(
            Turn(request="before", answer="answer"),
            Turn(request="now", input_text="with", answer="so"),
        ),
    )


@pytest.mark.parametrize(
    "record",
    [
        {"instruction": "a", "output": " \n"},
        {"instruction": "", "output": "b"},
        {"instruction": " ", "input": "", "output": "b"},
    ],
)
def test_empty_rows_are_none(record: dict[str, Any]) -> None:
    assert example_of(record, ALPACA) is None
    assert example_of({"text": "\n"}, layout("text")) is None
    assert example_of({"messages": []}, CHAT) is None


def test_both_conventions_of_chat_are_one() -> None:
    ours = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "left over"},
    ]
    theirs = [
        {"from": "system", "value": "s"},
        {"from": "human", "value": "u"},
        {"from": "gpt", "value": "a"},
    ]
    example = example_of({"messages": ours}, CHAT)
    assert example == example_of({"messages": theirs}, CHAT)
    assert example is not None
    assert example.turns == (Turn(request="u", answer="a"),)
    assert example.system == "s"
    assert [message["role"] for message in example.messages or ()] == [
        "system",
        "user",
        "assistant",
    ]


def test_parts_tool_turns_and_json_in_a_text_column() -> None:
    parts = [{"type": "text", "text": "look"}, {"type": "image"}]
    talk = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": [{"name": "f"}]},
        {"role": "tool", "content": "7"},
        {"role": "assistant", "content": "seven"},
    ]
    example = example_of({"messages": talk}, CHAT)
    assert example is not None
    assert example.turns[1] == Turn(request="7", answer="seven")
    assert (example.messages or ())[1]["tool_calls"] == [{"name": "f"}]
    text = '[{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]'
    assert example_of({"messages": text}, CHAT) is not None


def test_prompt_and_completion_may_be_messages() -> None:
    record = {
        "prompt": [{"role": "user", "content": "u"}],
        "completion": [{"role": "assistant", "content": "a"}],
    }
    form = detect(list(record), record, DataConfig(), "d")
    example = example_of(record, form)
    assert example is not None
    assert example.turns == (Turn(request="u", answer="a"),)
    assert len(example.messages or ()) == 2


def test_a_system_column_joins_the_conversation() -> None:
    form = detect(["messages", "system"], {"messages": [], "system": "s"}, DataConfig(), "d")
    talk = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]
    example = example_of({"messages": talk, "system": "be brief"}, form)
    assert example is not None
    assert (example.messages or ())[0] == {"role": "system", "content": "be brief"}
