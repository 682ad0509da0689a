"""Rows as text: which stretches are learned, and where the end token stands."""

from __future__ import annotations

import pytest

from trainer_core.engine.data.detect import Layout
from trainer_core.engine.data.example import Example, RowProblem, Turn
from trainer_core.engine.data.prompt_format import PromptFormat
from trainer_core.engine.data.render import choose_prompt_format, render
from trainer_core.errors import ConfigError
from trainer_core.run.config.run_config import DataConfig

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHAT = PromptFormat(name="chat", chat_template=CHATML, end_token="<|im_end|>")
INSTRUCT = PromptFormat(name="instruct", end_token="</s>")
TWO_TURNS = Example(
    system="Be kind",
    turns=(Turn(request="one", answer="1"), Turn(request="two", input_text="!", answer="2")),
)


def trained(example: Example, prompt: PromptFormat) -> list[str]:
    return [piece.text for piece in render(example, prompt).pieces if piece.counted]


def whole(example: Example, prompt: PromptFormat) -> str:
    pieces = render(example, prompt).pieces
    return "".join(piece.text + (prompt.end_token if piece.end else "") for piece in pieces)


def layout(form: str) -> Layout:
    return Layout(format=form, roles={}, columns=())  # type: ignore[arg-type]


def choose(form: str, model: str, template: str | None, asked: str = "auto") -> str:
    data = DataConfig(prompt_format=asked)  # type: ignore[arg-type]
    chosen = choose_prompt_format(
        layout(form),
        data,
        model=model,
        chat_template=template,
        special_tokens={},
        end_token="</s>",
    )
    assert (chosen.chat_template is not None) == (chosen.name == "chat")
    return chosen.name


def test_auto_is_what_suits_model_and_data() -> None:
    assert choose("instruction", "tiny", None) == "alpaca-short"
    assert choose("instruction", "cerebras-gpt-13b", None) == "instruct"
    assert choose("prompt-completion", "cerebras-gpt-13b", None) == "instruct"
    assert choose("instruction", "smollm2-135m", CHATML) == "chat"
    assert choose("chat", "cerebras-gpt-13b", None) == "instruct"
    assert choose("text", "smollm2-135m", CHATML) == "text"
    assert choose("instruction", "smollm2-135m", CHATML, "alpaca") == "alpaca"


def test_choices_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.prompt_format: .* no chat template; use inst"):
        choose("instruction", "tiny", None, "chat")
    with pytest.raises(ConfigError, match=r"data\.prompt_format: plain text has no requests"):
        choose("text", "tiny", None, "alpaca")


def test_every_answer_is_learned_with_its_end_and_no_prompt_is() -> None:
    assert whole(TWO_TURNS, INSTRUCT) == (
        "[INST] Be kind\n\none [/INST]\n1</s>[INST] two\n\n! [/INST]\n2</s>"
    )
    rendered = render(TWO_TURNS, INSTRUCT)
    assert [piece.text for piece in rendered.pieces if piece.counted] == ["1", "2"]
    assert all(piece.end == piece.counted for piece in rendered.pieces)
    assert whole(TWO_TURNS, INSTRUCT).startswith(rendered.before)
    assert (rendered.prompt, rendered.answer) == ("two\n\n!", "2")
    assert not rendered.special


def test_prompts_are_learned_where_that_is_asked_for() -> None:
    rendered = render(TWO_TURNS, INSTRUCT, train_on_prompt=True)
    assert all(piece.counted for piece in rendered.pieces)


def test_plain_text_is_learned_whole_and_ends_where_the_file_does() -> None:
    example = Example(text="a story")
    prompt = PromptFormat(name="text", end_token="</s>")
    assert whole(example, prompt) == "a story</s>"
    assert not render(example, prompt, continues=True).pieces[0].end


def test_a_chat_template_marks_the_assistants_turns() -> None:
    assert trained(TWO_TURNS, CHAT) == ["1<|im_end|>", "2<|im_end|>"]
    rendered = render(TWO_TURNS, CHAT)
    assert rendered.special
    assert whole(TWO_TURNS, CHAT) == CHAT.render_chat(
        [
            {"role": "system", "content": "Be kind"},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "1"},
            {"role": "user", "content": "two\n\n!"},
            {"role": "assistant", "content": "2"},
        ],
        ask=False,
    )
    assert rendered.before.endswith("two\n\n!<|im_end|>\n<|im_start|>assistant\n")


def test_a_template_without_an_end_token_gets_one() -> None:
    bare = PromptFormat(
        name="chat",
        chat_template="{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}",
        end_token="</s>",
    )
    rendered = render(TWO_TURNS, bare)
    assert rendered.pieces[-1].text == "2\n"
    assert rendered.pieces[-1].end


def test_a_template_that_rewrites_earlier_turns_has_its_last_answer_learned() -> None:
    """As templates do that leave earlier thoughts out."""
    rewriting = PromptFormat(
        name="chat",
        chat_template=(
            "{% for m in messages %}<{{ m.role }}>"
            "{{ m.content if loop.last or m.role != 'assistant' else 'gone' }}</s>{% endfor %}"
            "{% if add_generation_prompt %}<assistant>{% endif %}"
        ),
        end_token="</s>",
    )
    assert trained(TWO_TURNS, rewriting) == ["2</s>"]


def test_generation_marks_of_the_template_win() -> None:
    marked = PromptFormat(
        name="chat",
        chat_template=(
            "{% for m in messages %}{% if m.role == 'assistant' %}A:"
            "{% generation %}{{ m.content }}</s>{% endgeneration %}\n"
            "{% else %}U:{{ m.content }}\n{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}A:{% endif %}"
        ),
        end_token="</s>",
    )
    assert trained(TWO_TURNS, marked) == ["1</s>", "2</s>"]


def test_a_conversation_the_template_refuses_is_a_problem_of_its_row() -> None:
    strict = PromptFormat(
        name="chat", chat_template="{{ raise_exception('roles must alternate') }}"
    )
    with pytest.raises(RowProblem, match="roles must alternate"):
        render(TWO_TURNS, strict)
