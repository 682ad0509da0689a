from __future__ import annotations

from dataclasses import replace

from moai_tui.widgets.form.form_state import FormState
from moai_tui.widgets.form.size_picker import SizePicker, size_choices
from tests.moai_tui.form_facts import SMALL, VERDICT
from trainer_core.plan.types import SizeVerdict
from trainer_core.run.config.run_config import RunConfig

NO = replace(SMALL, size="Medium.32GB", devices=2, verdict="no")
UNFORMED = SizeVerdict(size="Large.64GB", devices=4, verdict="cannot be formed")
WIDE = replace(VERDICT, sizes=(SMALL, NO, UNFORMED))


def test_each_size_shows_verdict_peak_and_time() -> None:
    current, small, medium, rest = size_choices(WIDE)
    assert current.value is None
    assert small.value == "Small.16GB"
    figures = ("✓ fits", "1.19 GiB peak", "9,800 tokens/s", "1m 44s", "computed only")
    assert small.details == figures
    assert medium.details[0] == "✗ no"
    assert rest.label == "11 larger sizes need more than 2 devices"
    assert not rest.enabled


def test_without_a_verdict_only_the_current_size_is_offered() -> None:
    assert [choice.value for choice in size_choices(None)] == [None]
    assert SizePicker().default_of("size", FormState()) == "current"
    assert SizePicker().hint_of("size", FormState()) == ""


def test_a_size_written_elsewhere_stays_in_the_list() -> None:
    state = FormState(draft=RunConfig(size="Small"), verdict=WIDE)
    choices = SizePicker().choices_of("size", state)
    assert choices is not None
    assert choices[-1].value == "Small"


def test_beside_the_size_stands_its_verdict() -> None:
    state = FormState(verdict=VERDICT)
    assert SizePicker().hint_of("size", state) == "✓ fits, 1.19 GiB peak"
    assert SizePicker().default_of("size", state) == "Small.16GB (current)"
