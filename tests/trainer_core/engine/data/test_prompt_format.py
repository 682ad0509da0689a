"""Prompt formats, to the character: a model is asked as it was trained."""

from __future__ import annotations

import pytest

from trainer_core.engine.data.prompt_format import PromptFormat
from trainer_core.errors import UserError

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WRAPPED = {
    "instruct": "[INST] Count a [/INST]\n",
    "alpaca": (
        "Below is an instruction that describes a task. Write a response that appropriately "
        "completes the request.\n\n### Instruction:\nCount a\n\n### Response:\n"
    ),
    "alpaca-short": "### Instruction:\nCount a\n\n### Response:\n",
    "text": "Count a",
}


@pytest.mark.parametrize(("name", "wrapped"), WRAPPED.items())
def test_a_request_is_wrapped_as_the_format_says(name: str, wrapped: str) -> None:
    prompt = PromptFormat(name=name)  # type: ignore[arg-type]
    assert prompt.wrap("Count a") == wrapped
    assert PromptFormat.from_json(prompt.to_json()) == prompt


def test_further_input_has_its_place_in_each_format() -> None:
    assert PromptFormat(name="instruct").request("Do", "this", "Be kind") == (
        "[INST] Be kind\n\nDo\n\nthis [/INST]\n"
    )
    alpaca = PromptFormat(name="alpaca").request("Do", "this")
    assert alpaca.startswith("Below is an instruction that describes a task, paired with an input")
    assert alpaca.endswith("### Instruction:\nDo\n\n### Input:\nthis\n\n### Response:\n")


def test_a_chat_template_is_kept_whole_and_used() -> None:
    prompt = PromptFormat(name="chat", chat_template=CHATML, special_tokens={"bos_token": "<s>"})
    stored = PromptFormat.from_json(prompt.to_json())
    assert stored.wrap("Hi") == ("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert stored.request("Hi", system="Be kind").startswith("<|im_start|>system\nBe kind")


def test_a_template_that_refuses_is_one_sentence() -> None:
    prompt = PromptFormat(name="chat", chat_template="{{ raise_exception('no system') }}")
    with pytest.raises(UserError, match="chat template refuses this conversation: no system"):
        prompt.wrap("Hi")


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    ],
)
def test_a_template_reaches_nothing_outside(template: str) -> None:
    """Templates come with foreign models."""
    prompt = PromptFormat(name="chat", chat_template=template)
    with pytest.raises(UserError, match="refuses"):
        prompt.wrap("Hi")


def test_spans_are_given_only_by_templates_that_mark_them() -> None:
    talk = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]
    assert PromptFormat(name="chat", chat_template=CHATML).answer_spans(talk) is None
    marked = (
        "{% for m in messages %}{% if m.role == 'assistant' %}A:{% generation %}{{ m.content }}"
        "</s>{% endgeneration %}{% else %}U:{{ m.content }}{% endif %}{% endfor %}"
    )
    found = PromptFormat(name="chat", chat_template=marked).answer_spans(talk)
    assert found is not None
    assert [found[0][start:end] for start, end in found[1]] == ["a</s>"]


def test_a_broken_file_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"moai_prompt\.json cannot be read"):
        PromptFormat.from_json("{}")
