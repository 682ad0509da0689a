"""Put the prompt around an example, and say which stretches of text are to be learned."""

from __future__ import annotations

from dataclasses import dataclass

from trainer_core.engine.data.detect import Layout
from trainer_core.engine.data.example import Example, RowProblem
from trainer_core.engine.data.prompt_format import Message, PromptFormat, PromptName
from trainer_core.errors import ConfigError, UserError
from trainer_core.run.config.run_config import DataConfig

_SAMPLE_CHARACTERS = 200
"""Of a plain text, this much is given as a prompt when the model is asked for a sample."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A stretch of text that counts in the loss as a whole or not at all."""

    text: str
    counted: bool
    end: bool = False
    """Whether the tokenizer's end token follows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """One row as text."""

    pieces: tuple[Piece, ...]
    special: bool
    """Whether special tokens in the text are real: only a chat template writes those."""
    prompt: str
    """The last request as a user would type it."""
    before: str
    """All text before the last answer: what a model is given."""
    answer: str
    """The last answer."""


def choose_prompt_format(
    layout: Layout,
    data: DataConfig,
    *,
    model: str,
    chat_template: str | None,
    special_tokens: dict[str, str],
    end_token: str,
) -> PromptFormat:
    """Return the prompt format of a run: the user's choice, else the one that suits.

    `auto`: plain text stays plain; the model `tiny` gets the short headings its vocabulary was
    made with; a tokenizer with a chat template gets that; everything else the tutorial's
    `[INST] … [/INST]`.

    Raises:
        ConfigError: If the choice does not go with the data or the tokenizer.
    """
    if data.prompt_format != "auto":
        name: PromptName = data.prompt_format
    elif layout.format == "text":
        name = "text"
    elif model.lower() == "tiny":
        name = "alpaca-short"
    else:
        name = "chat" if chat_template else "instruct"
    if layout.format == "text" and name != "text":
        raise ConfigError(
            "data.prompt_format",
            name,
            "use text or auto",
            "plain text has no requests to put it round",
        )
    if name == "chat" and not chat_template:
        raise ConfigError(
            "data.prompt_format", name, "use instruct", "the model's tokenizer has no chat template"
        )
    return PromptFormat(
        name=name,
        chat_template=chat_template if name == "chat" else None,
        special_tokens=special_tokens if name == "chat" else {},
        end_token=end_token,
    )


def render(
    example: Example,
    prompt: PromptFormat,
    *,
    train_on_prompt: bool = False,
    continues: bool = False,
) -> Rendered:
    """Return an example as text.

    Args:
        example: The checked record.
        prompt: Text around it.
        train_on_prompt: Whether prompts count in the loss too.
        continues: Whether a plain text goes on in the next row, so that no end token follows.

    Raises:
        RowProblem: If the chat template refuses the conversation.
    """
    if example.text is not None:
        return _plain(example.text, end=not continues)
    if prompt.name == "chat":
        rendered = _chat(example, prompt)
    else:
        rendered = _turns(example, prompt)
    if not train_on_prompt:
        return rendered
    return Rendered(
        pieces=tuple(Piece(text=p.text, counted=True, end=p.end) for p in rendered.pieces),
        special=rendered.special,
        prompt=rendered.prompt,
        before=rendered.before,
        answer=rendered.answer,
    )


def _plain(text: str, *, end: bool) -> Rendered:
    cut = text.find(" ", _SAMPLE_CHARACTERS // 2, _SAMPLE_CHARACTERS)
    start = text[: cut if cut > 0 else _SAMPLE_CHARACTERS]
    return Rendered(
        pieces=(Piece(text=text, counted=True, end=end),),
        special=False,
        prompt=start,
        before=start,
        answer=text[len(start) :],
    )


def _turns(example: Example, prompt: PromptFormat) -> Rendered:
    pieces: list[Piece] = []
    for place, turn in enumerate(example.turns):
        system = example.system if place == 0 else ""
        asked = prompt.request(turn.request, turn.input_text, system)
        pieces.append(Piece(text=asked, counted=False))
        pieces.append(Piece(text=turn.answer, counted=True, end=True))
    last = example.turns[-1]
    before = "".join(p.text + (prompt.end_token if p.end else "") for p in pieces[:-1])
    typed = f"{last.request}\n\n{last.input_text}" if last.input_text else last.request
    return Rendered(
        pieces=tuple(pieces), special=False, prompt=typed, before=before, answer=last.answer
    )


def _chat(example: Example, prompt: PromptFormat) -> Rendered:
    messages = list(example.messages or _messages(example))
    try:
        before = prompt.render_chat(messages[:-1], ask=True)
        pieces = _marked_by_template(messages, prompt)
        pieces = pieces or _marked_by_prefix(messages, prompt, before)
    except UserError as error:
        raise RowProblem(None, str(error), "mend the conversation") from error
    counted = [piece for piece in pieces if piece.counted]
    if not any(prompt.end_token in piece.text for piece in counted[-1:]):
        # Without an end token a model never learns to stop.
        last = len(pieces) - 1 - pieces[::-1].index(counted[-1])
        pieces = [*pieces[:last], Piece(text=counted[-1].text, counted=True, end=True)]
    asked = [message["content"] for message in messages[:-1] if message["role"] == "user"]
    return Rendered(
        pieces=tuple(pieces),
        special=True,
        prompt=asked[-1] if asked else "",
        before=before,
        answer=messages[-1]["content"],
    )


def _messages(example: Example) -> list[Message]:
    found: list[Message] = []
    if example.system:
        found.append({"role": "system", "content": example.system})
    for turn in example.turns:
        asked = f"{turn.request}\n\n{turn.input_text}" if turn.input_text else turn.request
        found.append({"role": "user", "content": asked})
        found.append({"role": "assistant", "content": turn.answer})
    return found


def _marked_by_template(messages: list[Message], prompt: PromptFormat) -> list[Piece]:
    """Pieces by the template's own `{% generation %}` marks; none where it has no marks."""
    found = prompt.answer_spans(messages)
    if found is None or not found[1]:
        return []
    text, spans = found
    pieces, place = [], 0
    for start, end in spans:
        pieces.append(Piece(text=text[place:start], counted=False))
        pieces.append(Piece(text=text[start:end], counted=True))
        place = end
    pieces.append(Piece(text=text[place:], counted=False))
    return [piece for piece in pieces if piece.text]


def _marked_by_prefix(messages: list[Message], prompt: PromptFormat, before: str) -> list[Piece]:
    """Pieces by rendering the conversation up to and with each answer.

    A template that rewrites earlier turns (thoughts left out, say) lets only the last answer be
    found: then only that one counts.
    """
    whole = prompt.render_chat(messages, ask=False)
    pieces: list[Piece] = []
    place = 0
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        last = index == len(messages) - 1
        start = before if last else prompt.render_chat(messages[:index], ask=True)
        end = whole if last else prompt.render_chat(messages[: index + 1], ask=False)
        if not (whole.startswith(end) and end.startswith(start) and len(start) >= place):
            return _last_answer(messages, whole, before, prompt)
        pieces.append(Piece(text=whole[place : len(start)], counted=False))
        pieces += _answer(whole[len(start) : len(end)], prompt)
        place = len(end)
    return [piece for piece in pieces if piece.text]


def _answer(text: str, prompt: PromptFormat) -> list[Piece]:
    """Pieces of an answer: what stands after its end token is never asked of a model."""
    end = text.rfind(prompt.end_token) + len(prompt.end_token) if prompt.end_token else len(text)
    if prompt.end_token not in text or text[end:].strip():
        return [Piece(text=text, counted=True)]
    return [Piece(text=text[:end], counted=True), Piece(text=text[end:], counted=False)]


def _last_answer(
    messages: list[Message], whole: str, before: str, prompt: PromptFormat
) -> list[Piece]:
    start = (
        len(before) if whole.startswith(before) else whole.rfind(messages[-1]["content"].strip())
    )
    if start < 0:
        raise UserError("the model's chat template leaves the last answer out")
    pieces = [
        Piece(text=whole[:start], counted=False),
        *_answer(whole[start:], prompt),
    ]
    return [piece for piece in pieces if piece.text]
