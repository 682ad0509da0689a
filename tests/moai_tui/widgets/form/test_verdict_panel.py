from __future__ import annotations

from dataclasses import replace

from moai_tui.widgets.form.form_state import FormState
from moai_tui.widgets.form.verdict_panel import VerdictPanel, mend_of, verdict_lines
from tests.moai_tui.form_facts import CPU, PLAN, SMALL, VERDICT
from tests.moai_tui.widget_app import WidgetApp, styles_of, text_of
from trainer_core.plan.types import SizeVerdict

KNOWN = FormState(verdict=VERDICT, devices=(CPU,))
REFUSED = replace(SMALL, verdict="no", why="needs 31 GiB", mend=("method", "lora"))


def text(state: FormState, width: int = 76, height: int = 7) -> str:
    return text_of(verdict_lines(state, width, height))


def test_a_small_room_holds_peak_speed_plan_split_and_reason() -> None:
    lines = text(KNOWN).split("\n")
    assert lines[0] == "Small.16GB  ✓ fits  peak 1.19 GiB of 16.0 GiB"
    assert lines[2] == "9,800 tokens/s  about 1m 44s of training"
    assert lines[3] == PLAN.line
    assert "activations 410" in lines[4]
    assert "Uses 8 % of the memory." in lines[:7]


def test_the_bar_is_as_long_as_the_share_of_memory() -> None:
    bar = verdict_lines(KNOWN, 80, 7)[1]
    assert [len(part) for part, _ in bar] == [6, 74]  # 1.19 of 16 GiB is 7.4 %


def test_a_large_room_lists_the_split_with_bars() -> None:
    roomy = text(KNOWN, height=20)
    assert any(
        line.split()[:3] == ["runtime", "640", "MiB"] and "━" in line for line in roomy.split("\n")
    )
    assert "communication" not in roomy


def test_tight_and_no_differ_in_word_mark_and_colour() -> None:
    tight = replace(VERDICT, choice=replace(SMALL, verdict="tight"))
    line = verdict_lines(replace(KNOWN, verdict=tight), 76, 7)[0]
    assert styles_of(line)["~ tight"] == "warn strong"
    refused = replace(VERDICT, choice=REFUSED)
    line = verdict_lines(replace(KNOWN, verdict=refused), 76, 7)[1]
    assert styles_of(line)["✗ no"] == "bad strong"


def test_problems_come_first_and_the_change_that_would_fit_is_offered() -> None:
    state = replace(
        KNOWN,
        verdict=replace(VERDICT, choice=REFUSED),
        problems={"size": "needs 31 GiB", "": "no device"},
    )
    lines = text(state).split("\n")
    assert lines[:3] == [
        "✗ size: needs 31 GiB",
        "✗ no device",
        "ctrl+g set method to lora, which fits",
    ]
    assert mend_of(state.verdict) == ("method", "lora")
    assert mend_of(VERDICT) is None


def test_unknown_speed_is_a_dash_and_bounds_of_the_machine_are_said() -> None:
    slow = replace(SMALL, plan=replace(PLAN, tokens_per_second=None, seconds=None), devices=2)
    state = replace(
        KNOWN, verdict=replace(VERDICT, choice=slow), notes=("CUDA_VISIBLE_DEVICES bars 3",)
    )
    found = text(state, height=20)
    assert "\n–\n" in found
    assert "on each device" in found
    assert "! CUDA_VISIBLE_DEVICES bars 3" in found


def test_before_the_first_answer_it_says_so() -> None:
    assert text(FormState()) == "predicting …"


def test_a_size_that_cannot_be_formed_says_why() -> None:
    lost = SizeVerdict(size="Large", devices=4, verdict="cannot be formed")
    verdict = replace(VERDICT, choice=lost, reason="this machine has 1 device")
    assert text(FormState(verdict=verdict)) == "✗ this machine has 1 device"


async def test_the_panel_draws_what_it_is_told() -> None:
    app = WidgetApp(VerdictPanel())
    async with app.run_test(size=(60, 20)) as pilot:
        app.widget.state = KNOWN
        await pilot.pause()
        assert app.widget.plain.startswith("─ Verdict ─")
        assert "9,800 tokens/s" in app.widget.plain


def test_a_sentence_without_room_ends_in_dots() -> None:
    long = replace(VERDICT, choice=replace(SMALL, why="one device holds it, " * 20))
    lines = text(replace(KNOWN, verdict=long), height=8).split("\n")
    assert len(lines) == 8
    assert lines[-1].endswith(" …")
    assert all(len(line) <= 76 for line in lines)
