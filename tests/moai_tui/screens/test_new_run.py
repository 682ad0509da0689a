"""The form driven by real keys; the planner and the data worker are scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual import events, on
from textual.pilot import Pilot

from moai_tui.messages import (
    CatalogRead,
    CatalogWanted,
    DataReady,
    DataWanted,
    LaunchEnded,
    LaunchRequested,
    PlanReady,
    PlanWanted,
    Wish,
)
from moai_tui.screens import new_run
from moai_tui.screens.choose import ChooseScreen
from moai_tui.screens.command import CommandScreen
from moai_tui.screens.dialogs import ConfirmDialog
from moai_tui.screens.new_run import NewRunScreen
from moai_tui.widgets.form.compact_panel import CompactPanel
from moai_tui.widgets.form.data_preview import DataPreview
from moai_tui.widgets.form.field_help import FieldHelp
from moai_tui.widgets.form.field_row import FieldRow
from moai_tui.widgets.form.run_form import RunForm
from moai_tui.widgets.form.verdict_panel import VerdictPanel
from tests.moai_tui.form_facts import BROKEN_REPORT, VERDICT, data_for, devices, plan_for
from trainer_core.run.config.catalog import dataset_presets, model_presets
from trainer_core.run.config.run_config import RunConfig

ROW_OF = {
    "model": "#model",
    "dataset": "#dataset",
    "size": "#size",
    "sequence_length": "#sequence_length",
    "learning_rate": "#learning_rate",
    "steps": "#steps",
    "epochs": "#epochs",
    "devices": "#devices",
}


class Desk:
    """A form that is open, with everything that answers it."""

    def __init__(self, app: Any, pilot: Pilot[Any]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def form(self) -> NewRunScreen:
        return next(s for s in self.app.screen_stack if isinstance(s, NewRunScreen))

    def row(self, field: str) -> FieldRow:
        return self.form.query_one(ROW_OF[field], FieldRow)

    @property
    def help(self) -> str:
        return self.form.query_one(FieldHelp).plain

    async def keys(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def write(self, field: str, text: str) -> None:
        """Go to a field and type over what stands in it."""
        self.row(field).editor.focus()
        await self.pilot.pause()
        await self.pilot.press("end", "ctrl+u", *text)
        await self.settle()

    async def settle(self) -> None:
        """Let timers of the form run out and every message arrive."""
        await self.pilot.pause(0.02)
        await self.pilot.pause()


@asynccontextmanager
async def opened(
    app_class: type[Any],
    draft: RunConfig | None = None,
    *,
    size: tuple[int, int] = (80, 24),
    plan: Callable[[RunConfig], PlanReady] = plan_for,
    data: Callable[[RunConfig], DataReady] = data_for,
) -> AsyncIterator[Desk]:
    """Open the form in the real app; wishes are answered at once."""

    class Answering(app_class):  # type: ignore[misc]
        answers = True

        @on(Wish)
        def _answer(self, message: Wish) -> None:
            if isinstance(message, PlanWanted) and self.answers:
                self.post_message(plan(message.draft))
            if isinstance(message, DataWanted):
                self.post_message(data(message.draft))
            if isinstance(message, CatalogWanted):
                self.post_message(CatalogRead(tuple(model_presets()), tuple(dataset_presets())))

    app = Answering(lambda: NewRunScreen(draft))
    async with app.run_test(size=size) as pilot:
        app.post_message(devices())
        await pilot.pause()
        await app.workers.wait_for_complete()
        desk = Desk(app, pilot)
        await desk.settle()
        yield desk


@pytest.fixture(autouse=True)
def no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_run, "PLAN_DELAY_SECONDS", 0.001)
    monkeypatch.setattr(new_run, "DATA_DELAY_SECONDS", 0.001)


async def test_the_form_is_valid_when_it_opens_and_one_key_starts_it(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        assert desk.app.focused is desk.row("model").editor
        await desk.keys("ctrl+s")
        assert [m.config for m in desk.app.heard_of(LaunchRequested)] == [RunConfig()]
        assert "starting" in desk.help


async def test_a_second_start_while_launching_is_not_heard(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        await desk.keys("ctrl+s", "f5")
        assert len(desk.app.heard_of(LaunchRequested)) == 1


async def test_what_the_core_chose_stands_in_the_fields_with_its_reason(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        row = desk.row("learning_rate")
        assert row.editor.placeholder == "0.003"
        assert "fresh weights" in row.render().plain


async def test_another_model_changes_the_verdict(scripted_app) -> None:
    async with opened(scripted_app, size=(160, 48)) as desk:
        before = desk.form.query_one(VerdictPanel).plain
        assert "1.19 GiB" in before
        await desk.write("model", "smollm2-135m")
        assert desk.app.heard_of(PlanWanted)[-1].draft.model == "smollm2-135m"
        after = desk.form.query_one(VerdictPanel).plain
        assert "4.79 GiB" in after
        assert "980 tokens/s" in after


async def test_text_that_is_no_rate_is_marked_and_refused_there(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        await desk.write("learning_rate", "3x")
        desk.row("model").editor.focus()
        await desk.keys("ctrl+s")
        assert desk.app.heard_of(LaunchRequested) == []
        assert desk.app.focused is desk.row("learning_rate").editor
        assert "Learning rate: '3x' is no number" in desk.help
        assert "✗" in desk.row("learning_rate").render().plain
        await desk.write("learning_rate", "3e-4")
        await desk.keys("ctrl+s")
        assert desk.app.heard_of(LaunchRequested)[0].config.learning_rate == 3e-4


async def test_what_the_checker_refuses_stands_at_its_field(scripted_app) -> None:
    def plan(draft: RunConfig) -> PlanReady:
        problems = ()
        if draft.learning_rate == 5:
            problems = (("learning_rate", "learning_rate: 5.0 cannot be used; use 1 or less"),)
        return plan_for(draft, problems=problems)

    async with opened(scripted_app, plan=plan) as desk:
        await desk.write("learning_rate", "5")
        await desk.keys("up", "up", "ctrl+s")
        assert desk.app.focused is desk.row("learning_rate").editor
        assert "✗ Learning rate: 5.0 cannot be used; use 1 or less" in desk.help
        assert desk.app.heard_of(LaunchRequested) == []


async def test_start_waits_for_the_verdict_of_what_was_just_typed(scripted_app) -> None:
    answers: list[RunConfig] = []

    def plan(draft: RunConfig) -> PlanReady:
        answers.append(draft)
        stale = draft.global_batch_size == 16 and len(answers) < 6
        return plan_for(RunConfig() if stale else draft)

    async with opened(scripted_app, plan=plan) as desk:
        answers.clear()
        desk.row("sequence_length").editor.focus()
        await desk.keys("tab", "1", "6", "ctrl+s")
        assert desk.app.heard_of(LaunchRequested) == []
        assert "checking" in desk.help
        desk.app.post_message(plan_for(desk.form.state.draft))
        await desk.settle()
        assert desk.app.heard_of(LaunchRequested)[0].config.global_batch_size == 16


async def test_steps_and_epochs_are_each_shown_as_the_other(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        await desk.write("epochs", "2")
        assert desk.form.state.draft.epochs == 2
        assert desk.row("steps").editor.placeholder == "138"  # 2 × 4400 ÷ 64
        assert "2.24M tokens" in desk.row("epochs").render().plain
        await desk.write("steps", "275")
        assert desk.form.state.draft.steps == 275
        assert desk.form.state.draft.epochs is None
        assert desk.row("epochs").editor.value == ""
        assert desk.row("epochs").editor.placeholder == "4"


async def test_tab_completes_a_path_and_then_moves_on(
    scripted_app, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes.jsonl").write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    async with opened(scripted_app) as desk:
        await desk.write("dataset", "./no")
        await desk.keys("tab")
        assert desk.row("dataset").editor.value == "./notes.jsonl"
        assert desk.form.state.draft.dataset == "./notes.jsonl"
        assert desk.app.focused is desk.row("dataset").editor
        await desk.keys("tab")
        assert desk.app.focused is desk.row("size").editor


async def test_keys_that_come_in_one_packet_stay_in_order(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        desk.row("steps").editor.focus()
        await desk.pilot.pause()
        for key, letter in [("9", "9"), ("ctrl+u", None), ("4", "4"), ("0", "0")]:
            desk.app.post_message(events.Key(key, letter))
        for key, letter in [("tab", None), ("shift+tab", None), ("up", None), ("1", "1")]:
            desk.app.post_message(events.Key(key, letter))
        await desk.settle()
        draft = desk.form.state.draft
        assert (draft.steps, draft.learning_rate, draft.epochs) == (40, 1.0, None)


async def test_a_dataset_with_broken_rows_is_said_with_file_and_row(scripted_app) -> None:
    def data(draft: RunConfig) -> DataReady:
        broken = draft.dataset == "notes.jsonl"
        return DataReady(draft, BROKEN_REPORT) if broken else data_for(draft)

    async with opened(scripted_app, data=data) as desk:
        await desk.write("dataset", "notes.jsonl")
        panel = desk.form.query_one(CompactPanel)
        assert panel.page == "data"
        assert "notes.jsonl:17: output: is missing; add it or skip bad rows" in panel.plain
        await desk.keys("ctrl+s")
        assert desk.app.heard_of(LaunchRequested) == []
        assert "2 broken rows" in desk.help


async def test_a_dataset_that_cannot_be_read_is_a_problem_of_its_field(scripted_app) -> None:
    def data(draft: RunConfig) -> DataReady:
        return DataReady(draft, None, "nothing.jsonl is not there; write a path that is")

    async with opened(scripted_app, data=data) as desk:
        await desk.write("dataset", "nothing.jsonl")
        await desk.keys("ctrl+s")
        assert desk.app.heard_of(LaunchRequested) == []
        assert desk.app.focused is desk.row("dataset").editor
        assert "nothing.jsonl is not there" in desk.help


async def test_a_late_report_on_another_dataset_is_not_shown(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        desk.app.post_message(DataReady(RunConfig(dataset="other"), BROKEN_REPORT))
        await desk.settle()
        assert desk.form.state.problems == {}
        assert desk.form.state.report.source == "python-stdlib"


async def test_a_size_that_does_not_fit_is_refused_with_what_would_help(scripted_app) -> None:
    def plan(draft: RunConfig) -> PlanReady:
        choice = replace(VERDICT.choice, verdict="no", plan=None, why="needs 31 GiB; use lora")
        return plan_for(draft, verdict=replace(VERDICT, choice=choice, sizes=(choice,)))

    async with opened(scripted_app, plan=plan) as desk:
        await desk.keys("ctrl+s")
        assert desk.app.heard_of(LaunchRequested) == []
        assert desk.app.focused is desk.row("size").editor
        assert "needs 31 GiB; use lora" in desk.help


async def test_one_key_makes_the_change_that_fits(scripted_app) -> None:
    def plan(draft: RunConfig) -> PlanReady:
        choice = replace(VERDICT.choice, verdict="no", why="too big", mend=("method", "lora"))
        if draft.method == "lora":
            return plan_for(draft)
        return plan_for(draft, verdict=replace(VERDICT, choice=choice))

    async with opened(scripted_app, plan=plan) as desk:
        assert "ctrl+g set method to lora" in desk.form.query_one(CompactPanel).plain
        await desk.keys("ctrl+g")
        assert desk.form.state.draft.method == "lora"
        assert desk.form.state.problems == {}
        await desk.keys("ctrl+g", "ctrl+s")
        assert desk.app.heard_of(LaunchRequested)[0].config.method == "lora"


async def test_a_launch_that_failed_keeps_the_form_and_can_be_tried_again(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        await desk.keys("ctrl+s")
        desk.app.post_message(LaunchEnded(None, "/data is full; free 2 GiB"))
        await desk.settle()
        assert isinstance(desk.app.screen, NewRunScreen)
        assert "/data is full" in desk.help
        await desk.keys("ctrl+s")
        assert len(desk.app.heard_of(LaunchRequested)) == 2


async def test_escape_leaves_at_once_unless_something_was_changed(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        await desk.write("learning_rate", "1e-4")
        await desk.keys("escape")
        assert isinstance(desk.app.screen, ConfirmDialog)
        await desk.keys("n")
        assert isinstance(desk.app.screen, NewRunScreen)
        await desk.write("learning_rate", "")
        await desk.keys("escape")
        assert not any(isinstance(s, (NewRunScreen, ConfirmDialog)) for s in desk.app.screen_stack)


@pytest.mark.parametrize("key", ["q", "1", "2"])
async def test_keys_of_other_screens_do_not_throw_the_draft_away(scripted_app, key: str) -> None:
    async with opened(scripted_app, RunConfig(seed=3)) as desk:
        await desk.write("learning_rate", "1e-4")
        desk.row("size").editor.focus()
        await desk.keys("n")
        assert isinstance(desk.app.screen, NewRunScreen)
        await desk.keys(key)
        assert isinstance(desk.app.screen, ConfirmDialog)


async def test_the_exact_command_is_shown_and_copied(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        await desk.write("learning_rate", "1e-4")
        await desk.keys("ctrl+y")
        assert isinstance(desk.app.screen, CommandScreen)
        assert desk.app.copied == ["moai-tui train --learning-rate 0.0001"]


async def test_a_draft_from_another_run_marks_only_what_was_changed_since(scripted_app) -> None:
    draft = RunConfig(learning_rate=1e-4, steps=50)
    async with opened(scripted_app, draft) as desk:
        assert desk.row("learning_rate").editor.value == "1e-4"
        assert "•" not in desk.row("learning_rate").render().plain
        await desk.write("steps", "60")
        assert "•" in desk.row("steps").render().plain
        assert "•" not in desk.row("learning_rate").render().plain


def test_a_change_that_would_fit_is_made_and_marked() -> None:
    state = NewRunScreen(RunConfig(steps=50), {"micro_batch_size": "4"}).state
    assert state.draft.micro_batch_size == 4
    assert state.changed("micro_batch_size")
    assert not state.changed("steps")


async def test_a_size_is_picked_from_its_list_with_enter(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        desk.row("size").editor.focus()
        await desk.keys("enter")
        assert isinstance(desk.app.screen, ChooseScreen)
        await desk.keys("down", "enter")
        assert desk.form.state.draft.size == "Small.16GB"


async def test_the_list_of_models_offers_what_is_here_first(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        await desk.keys("enter")
        assert isinstance(desk.app.screen, ChooseScreen)
        await desk.keys(*"111m", "enter")
        assert desk.form.state.draft.model == "cerebras-gpt-111m"
        assert desk.row("model").editor.value == "cerebras-gpt-111m"
        assert desk.form.query_one("#from_scratch").display


async def test_advanced_fields_unfold_and_reach_the_draft(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        assert not desk.form.query("#devices")
        await desk.keys("ctrl+o")
        assert desk.app.focused is desk.row("devices").editor
        assert "0 idle" in desk.row("devices").render().plain
        await desk.settle()
        assert desk.row("devices").region.y == desk.form.query_one(RunForm).region.y
        await desk.write("devices", "0")
        assert desk.form.state.draft.devices == ("0",)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 48)])
async def test_every_basic_field_and_the_start_are_on_the_screen(scripted_app, size) -> None:
    async with opened(scripted_app, RunConfig(model="smollm2-135m"), size=size) as desk:
        shown = [row for row in desk.form.query(FieldRow) if row.display and row.is_on_screen]
        assert len(shown) == 12
        edges = [desk.form.query_one("#start").region, *(row.region for row in shown)]
        limit = desk.form.query_one(FieldHelp).region.y
        assert all(region.height == 1 and region.bottom <= limit for region in edges)
        panel = desk.form.query_one(CompactPanel if size[0] == 80 else VerdictPanel)
        assert "fits" in panel.plain
        assert "tokens/s" in panel.plain


async def test_the_data_page_follows_the_focus_where_there_is_room_for_one(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        panel = desk.form.query_one(CompactPanel)
        assert "fits" in panel.plain
        desk.row("dataset").editor.focus()
        await desk.settle()
        assert "8,244 rows" in panel.plain
        assert "def dirname(p):" in panel.plain
        await desk.keys("ctrl+t")
        assert "fits" in panel.plain


async def test_reading_says_for_how_long(scripted_app) -> None:
    async with opened(scripted_app, size=(160, 48)) as desk:
        silent = RunConfig(dataset="big.jsonl")
        desk.form.state = replace(desk.form.state, draft=silent, report=None, reading_seconds=3.0)
        await desk.settle()
        assert "reading big.jsonl … 3 s" in desk.form.query_one(DataPreview).plain


async def test_moving_on_neither_lays_out_nor_repaints_the_screen(
    scripted_app, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(scripted_app) as desk:
        whole: list[str] = []
        for name in ("_refresh_layout", "refresh"):
            plain = getattr(NewRunScreen, name)

            def noted(self, *regions, name=name, plain=plain, **options):
                if not regions:
                    whole.append(name)
                return plain(self, *regions, **options)

            monkeypatch.setattr(NewRunScreen, name, noted)
        await desk.keys("tab", "tab", "tab", "down", "down", "shift+tab", "up")
        assert whole == []
        desk.form.refresh()
        assert whole == ["refresh"]


async def test_broken_rows_stop_a_start_before_the_next_verdict_comes(scripted_app) -> None:
    async with opened(scripted_app) as desk:
        desk.app.answers = False
        desk.app.post_message(DataReady(desk.form.state.draft, BROKEN_REPORT))
        await desk.settle()
        await desk.keys("ctrl+s")
        assert desk.app.heard_of(LaunchRequested) == []
        assert "2 broken rows" in desk.help
