from __future__ import annotations

from dataclasses import replace

import pytest

from moai_tui.widgets.form.form_state import FormState
from moai_tui.widgets.form.length_form import Length, LengthForm, length_of
from tests.moai_tui.form_facts import REPORT, resolved
from trainer_core.run.config.run_config import RunConfig


def state_of(draft: RunConfig, **changes: object) -> FormState:
    return replace(FormState(draft=draft, resolved=resolved(draft), report=REPORT), **changes)


@pytest.mark.parametrize(
    ("draft", "steps", "epochs"),
    [
        (RunConfig(), 300, 4.364),
        (RunConfig(steps=138), 138, 2.007),
        (RunConfig(epochs=2), 138, 2.0),
        (RunConfig(epochs=0.001), 1, 0.001),
        (RunConfig(epochs=2, global_batch_size=32), 275, 2.0),
    ],
)
def test_each_unit_follows_from_the_other(draft: RunConfig, steps: int, epochs: float) -> None:
    length = length_of(state_of(draft))
    assert length.steps == steps
    assert length.epochs == pytest.approx(epochs, abs=1e-3)
    assert length.tokens == pytest.approx(epochs * 1_120_000, rel=1e-3)


def test_before_the_data_is_read_nothing_is_guessed() -> None:
    unread = state_of(RunConfig(epochs=2), report=None)
    assert length_of(unread) == Length(steps=None, epochs=2.0, tokens=None)
    assert length_of(FormState()) == Length()
    assert LengthForm().default_of("epochs", FormState()) == ""


def test_a_report_of_another_length_is_converted_by_its_tokens() -> None:
    steps = length_of(state_of(RunConfig(epochs=1, sequence_length=512))).steps
    assert steps == pytest.approx(1_120_000 / 512 / 64, rel=0.06)


def test_tokens_stand_beside_the_unit_that_was_written() -> None:
    form, state = LengthForm(), state_of(RunConfig(steps=138))
    assert form.hint_of("steps", state) == "2.25M tokens"
    assert form.hint_of("epochs", state) == "the same length"
    assert form.default_of("epochs", state) == "2.01"
