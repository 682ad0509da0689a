"""A template that never ends, or never stops growing, ends in a sentence."""

from __future__ import annotations

import resource

import pytest

from trainer_core.engine.data import work_limit
from trainer_core.engine.data.prompt_format import PromptFormat
from trainer_core.engine.data.work_limit import WorkLimitReached, limited_work
from trainer_core.errors import UserError

TALK = [{"role": "user", "content": "hi"}]
NEVER_ENDS = (
    "{% set many = range(99999) %}{% for a in many %}{% for b in many %}{% for c in many %}"
    "{% endfor %}{% endfor %}{% endfor %}"
)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_limit, "SECONDS", 0.2)
    monkeypatch.setattr(work_limit, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(work_limit, "MEMORY_BYTES", 64 * 2**20)
    monkeypatch.setattr(work_limit, "_watches", [])


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (NEVER_ENDS, "takes longer"),
        ("{{ 'x' * 300000000 }}", "too much memory"),
        ("{% for a in range(3000) %}{{ 'x' * 100000 }}{% endfor %}", "too much memory"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "refuses this conversation"),
    ],
    ids=["never ends", "asks for too much", "writes too much", "reaches into Python"],
)
def test_a_hostile_template_is_a_sentence(template: str, why: str) -> None:
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    form = PromptFormat(name="chat", chat_template=template)
    with pytest.raises(UserError, match=why):
        form.render_chat(TALK, ask=True)
    assert resource.getrlimit(resource.RLIMIT_DATA) == limits
    harmless = PromptFormat(name="chat", chat_template="{{ messages[0].content }}")
    assert harmless.render_chat(TALK, ask=True) == "hi"


def test_work_in_time_is_left_alone() -> None:
    with limited_work():
        total = sum(range(1000))
    assert total == 499500


def test_errors_of_the_work_itself_come_through() -> None:
    with pytest.raises(ZeroDivisionError), limited_work():
        _ = 1 / 0
    assert issubclass(WorkLimitReached, Exception)
