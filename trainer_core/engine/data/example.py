"""One record, checked against the layout: what was asked and what is to be answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer_core.engine.data.detect import Layout
from trainer_core.engine.data.prompt_format import Message

_ROLE_NAMES = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_response": "tool",
}

_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


class RowProblem(Exception):
    """A record does not fit; the reader knows where it stands and makes the DataError.

    Attributes:
        column: Column it concerns.
        problem: What is wrong.
        fix: What to do.
    """

    def __init__(self, column: str | None, problem: str, fix: str) -> None:
        self.column, self.problem, self.fix = column, problem, fix
        super().__init__(problem)


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One request and its answer."""

    request: str
    input_text: str = ""
    answer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A record in the one form that rendering knows."""

    text: str | None = None
    """Plain text; the other fields are then empty."""
    system: str = ""
    turns: tuple[Turn, ...] = ()
    """At least one unless `text` is given; the last one has an answer."""
    messages: tuple[Message, ...] | None = None
    """The conversation as it stood, for chat templates; None for other formats."""


def example_of(record: Mapping[str, Any], layout: Layout) -> Example | None:
    """Return the example of a record; None where it is empty.

    Raises:
        RowProblem: If a column is missing, of the wrong type, or holds no conversation.
    """
    if layout.format == "text":
        text = _text(record, layout.roles["text"], required=True)
        return Example(text=text) if text.strip() else None
    system = _text(record, layout.roles["system"]) if "system" in layout.roles else ""
    if layout.format == "chat":
        return _conversation(record, layout.roles["messages"], system)
    asked, answered = ("instruction", "output")
    if layout.format == "prompt-completion":
        asked, answered = ("prompt", "completion")
    if isinstance(record.get(layout.roles[asked]), list):
        return _split_conversation(record, layout, system)
    request = _text(record, layout.roles[asked], required=True)
    answer = _text(record, layout.roles[answered], required=True)
    more = _text(record, layout.roles["input"]) if "input" in layout.roles else ""
    if not answer.strip() or not (request.strip() or more.strip()):
        return None
    turns = [Turn(request=request, input_text=more, answer=answer)]
    if "history" in layout.roles:
        turns = _history(record, layout.roles["history"]) + turns
    return Example(system=system, turns=tuple(turns))


def _text(record: Mapping[str, Any], column: str, *, required: bool = False) -> str:
    value = record.get(column)
    if value is None:
        if not required:
            return ""
        what = "is null" if column in record else "is missing"
        raise RowProblem(column, what, "give it a text")
    if not isinstance(value, str):
        kind = _KINDS.get(type(value), f"a {type(value).__name__}")
        raise RowProblem(column, f"is {kind} where text was expected", "write it in quotes")
    return _encodable(value, column)


def _encodable(text: str, column: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise RowProblem(
            column,
            f"character {error.start + 1} is half of a surrogate pair (\\u{code:04x})",
            "write the whole character",
        ) from error
    return text


def _history(record: Mapping[str, Any], column: str) -> list[Turn]:
    pairs = record.get(column) or []
    shaped = isinstance(pairs, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(side, str) for side in pair)
        for pair in pairs
    )
    if not shaped:
        raise RowProblem(column, "is no list of [request, answer] pairs", "write it as such a list")
    return [
        Turn(request=_encodable(asked, column), answer=_encodable(answer, column))
        for asked, answer in pairs
    ]


def _split_conversation(record: Mapping[str, Any], layout: Layout, system: str) -> Example | None:
    """Prompt and completion that are lists of messages, as TRL writes them."""
    before = record[layout.roles["prompt" if "prompt" in layout.roles else "instruction"]]
    column = layout.roles["completion" if "completion" in layout.roles else "output"]
    after = record.get(column)
    if isinstance(after, str):
        after = [{"role": "assistant", "content": after}]
    if not isinstance(after, list):
        raise RowProblem(column, "is no list of messages though the prompt is one", "make it one")
    return _conversation({column: [*before, *after]}, column, system)


def _conversation(record: Mapping[str, Any], column: str, system: str) -> Example | None:
    messages = [
        _message(item, place, column) for place, item in enumerate(_items(record, column), 1)
    ]
    if not messages:
        return None
    if system and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": system})
    if all(message["role"] != "assistant" for message in messages):
        raise RowProblem(column, "no message of the assistant", "add the answer to be learned")
    while messages[-1]["role"] != "assistant":
        messages.pop()
    if not any(m["content"].strip() for m in messages if m["role"] == "assistant"):
        return None
    told = [message["content"] for message in messages if message["role"] == "system"]
    return Example(
        system="\n\n".join(told), turns=tuple(_turns(messages)), messages=tuple(messages)
    )


def _items(record: Mapping[str, Any], column: str) -> list[Any]:
    value = record.get(column)
    if value is None:
        what = "is null" if column in record else "is missing"
        raise RowProblem(column, what, "give it a list of messages")
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, list):
        raise RowProblem(
            column, "is no list of messages", 'write [{"role": "user", "content": "…"}, …]'
        )
    return value


def _parsed(text: str) -> object:
    """Return a list that stands as JSON in a text column; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _message(item: object, place: int, column: str) -> Message:
    if not isinstance(item, Mapping):
        raise RowProblem(column, f"message {place} is no object", 'write {"role": …, "content": …}')
    role_key, content_key = ("role", "content") if "role" in item else ("from", "value")
    role = _ROLE_NAMES.get(str(item.get(role_key, "")).lower())
    if role is None:
        raise RowProblem(
            column,
            f"message {place} has the role {str(item.get(role_key))[:40]!r}",
            "use system, user, assistant or tool",
        )
    content = item.get(content_key)
    if isinstance(content, list):
        content = "".join(
            str(part.get("text", "")) for part in content if isinstance(part, Mapping)
        )
    if content is None and item.get("tool_calls"):
        content = ""
    if not isinstance(content, str):
        what = "no content" if content is None else "a content that is no text"
        raise RowProblem(column, f"message {place} has {what}", f"give it a {content_key}")
    kept = {name: value for name, value in item.items() if name not in (role_key, content_key)}
    return {**kept, "role": role, "content": _encodable(content, column)}


def _turns(messages: list[Message]) -> list[Turn]:
    """Fold a conversation into requests and answers, for models without a chat template."""
    turns: list[Turn] = []
    asked: list[str] = []
    for message in messages:
        if message["role"] in ("user", "tool"):
            asked.append(message["content"])
        elif message["role"] == "assistant":
            turns.append(Turn(request="\n\n".join(asked), answer=message["content"]))
            asked = []
    return turns
