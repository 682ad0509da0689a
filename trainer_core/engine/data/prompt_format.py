"""The text around a row, stored with a model so that it is asked as it was trained."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from trainer_core.engine.data.work_limit import WorkLimitReached, limited_work
from trainer_core.errors import UserError

PROMPT_FILE = "moai_prompt.json"
"""Name of the stored format inside a model folder."""

PromptName = Literal["instruct", "alpaca", "alpaca-short", "chat", "text"]

Message = dict[str, Any]
"""One turn of a conversation: `role`, `content`, and whatever else the template knows."""

_ALPACA_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n"
)
_ALPACA_WITHOUT_INPUT = (
    "Below is an instruction that describes a task. Write a response that appropriately "
    "completes the request.\n\n"
)


class PromptFormat(msgspec.Struct, frozen=True, kw_only=True):
    """How a request becomes the text a model is given.

    `instruct` is the platform's tutorial, `[INST] … [/INST]` and a line break; `alpaca` the
    headings of Stanford Alpaca with its preamble; `alpaca-short` without; `chat` the tokenizer's
    own template, kept here in full; `text` nothing at all.
    """

    name: PromptName
    chat_template: str | None = None
    """Jinja source of the tokenizer's template; only for `chat`."""
    special_tokens: dict[str, str] = {}
    """What the template may name: `bos_token`, `eos_token` …"""
    end_token: str = ""
    """The tokenizer's real end-of-text token; follows every answer."""

    def wrap(self, prompt: str) -> str:
        """Return the text to give a model for a user's request."""
        return self.request(prompt)

    def request(self, instruction: str, input_text: str = "", system: str = "") -> str:
        """Return the text before an answer: instruction, further input, system text.

        Raises:
            UserError: If the chat template cannot render it.
        """
        if self.name == "chat":
            content = _joined(instruction, input_text)
            messages = [{"role": "system", "content": system}] if system else []
            return self.render_chat([*messages, {"role": "user", "content": content}], ask=True)
        if self.name == "instruct":
            return f"[INST] {_joined(system, instruction, input_text)} [/INST]\n"
        if self.name == "text":
            return _joined(system, instruction, input_text)
        preamble = ""
        if self.name == "alpaca":
            preamble = _ALPACA_WITH_INPUT if input_text else _ALPACA_WITHOUT_INPUT
        more = f"### Input:\n{input_text}\n\n" if input_text else ""
        asked = f"### Instruction:\n{_joined(system, instruction)}\n\n"
        return f"{preamble}{asked}{more}### Response:\n"

    def render_chat(self, messages: list[Message], *, ask: bool) -> str:
        """Return a conversation as the tokenizer's template writes it.

        Args:
            messages: The turns.
            ask: Whether the text ends where the next answer begins.

        Raises:
            UserError: If the template refuses the conversation.
        """
        return self._render(messages, ask=ask, spans=False)[0]

    def answer_spans(self, messages: list[Message]) -> tuple[str, list[tuple[int, int]]] | None:
        """Return the text and the stretches the template itself marks as generated.

        None where the template has no `{% generation %}` marks.
        """
        if self.chat_template is None or "generation %}" not in self.chat_template.replace(
            "-", " "
        ):
            return None
        return self._render(messages, ask=False, spans=True)

    def _render(
        self, messages: list[Message], *, ask: bool, spans: bool
    ) -> tuple[str, list[tuple[int, int]]]:
        # The library's sandbox: a template comes with a foreign model and may not touch anything,
        # nor work for ever.
        from jinja2.exceptions import TemplateError
        from transformers.utils.chat_template_utils import render_jinja_template

        try:
            with limited_work():
                rendered, marked = render_jinja_template(
                    conversations=[messages],
                    chat_template=self.chat_template,
                    return_assistant_tokens_mask=spans,
                    add_generation_prompt=ask,
                    **self.special_tokens,
                )
        except WorkLimitReached as error:
            raise UserError(
                f"the model's chat template cannot be used: {error}; choose another prompt "
                "format with data.prompt_format"
            ) from error
        except (TemplateError, TypeError, ValueError, KeyError) as error:
            raise UserError(
                f"the model's chat template refuses this conversation: {error}"
            ) from error
        return rendered[0], [(start, end) for start, end in marked[0]] if spans else []

    def to_json(self) -> str:
        """Return the content of `moai_prompt.json`."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode() + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> PromptFormat:
        """Read what `to_json` wrote; fields of later versions are ignored.

        Raises:
            UserError: If it is no prompt format.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise UserError(f"{PROMPT_FILE} cannot be read: {error}") from error


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
