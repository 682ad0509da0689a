"""The form: one draft, what it would take beside it, one key to start."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.events import DescendantFocus, Resize
from textual.reactive import Reactive, reactive
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from moai_tui.messages import (
    AcceleratorsRead,
    ActionEnded,
    CatalogRead,
    CatalogWanted,
    DataReady,
    DataWanted,
    LaunchEnded,
    LaunchRequested,
    PlanReady,
    PlanWanted,
)
from moai_tui.screens.choose import ChooseScreen, Picked
from moai_tui.screens.command import CommandScreen
from moai_tui.screens.dialogs import ConfirmDialog
from moai_tui.screens.new_run_layout import ACTION_HELP, BINDINGS, CSS, KEYS
from moai_tui.signals import dashboard
from moai_tui.widgets.form.action_line import ActionLine
from moai_tui.widgets.form.advanced_form import AdvancedForm
from moai_tui.widgets.form.catalog_choices import dataset_choices, model_choices
from moai_tui.widgets.form.compact_panel import CompactPanel
from moai_tui.widgets.form.data_preview import DataPreview, far_text
from moai_tui.widgets.form.field_help import FieldHelp
from moai_tui.widgets.form.field_row import FieldRow
from moai_tui.widgets.form.form_part import FormPart
from moai_tui.widgets.form.form_state import (
    FormState,
    by_field,
    data_key,
    data_problems,
    device_key,
    verdict_problems,
    without,
)
from moai_tui.widgets.form.path_input import PathInput
from moai_tui.widgets.form.run_form import RunForm
from moai_tui.widgets.form.verdict_panel import VerdictPanel, mend_of
from moai_tui.widgets.key_line import KeyLine
from moai_tui.widgets.title_line import TitleLine
from trainer_core.run.config.config_file import override
from trainer_core.run.config.fields import value_of, with_value
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.config.train_command import train_command
from trainer_core.run.processes.data_worker import Download

PLAN_DELAY_SECONDS = 0.04
"""The verdict is asked for when keys pause this long: held-down keys ask once."""
DATA_DELAY_SECONDS = 0.4
"""A worker reads the data: half-typed paths are not worth one."""
DATA_PAGE_FIELDS = ("dataset", "eval_dataset", "skip_bad_rows")
"""Fields that bring the data page forward, beside those of `data.`."""
WIDE_COLUMNS = 116
"""From this width on the verdict stands beside the form and the data below both."""
TALL_ROWS = 40
"""From this height on the parts of the form stand apart."""


class NewRunScreen(Screen[None]):
    """Folds the parts' messages into a draft, asks for verdict and data, starts the run."""

    BINDINGS: ClassVar[list[BindingType]] = BINDINGS
    DEFAULT_CSS = CSS

    # Textual's own declaration repaints the whole screen for each Tab.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)
    state: reactive[FormState] = reactive(FormState(), init=False, layout=False, repaint=False)
    """Everything known of the draft; the parts draw from it."""

    def __init__(
        self, draft: RunConfig | None = None, change: Mapping[str, str] | None = None
    ) -> None:
        """Make the form.

        Args:
            draft: What it is filled from.
            change: Fields and texts that differ from it from the start, and are marked.
        """
        super().__init__()
        base = draft or RunConfig()
        changed = override(base, dict(change)) if change else base
        self.set_reactive(NewRunScreen.state, FormState(draft=changed, base=base))
        self._misread: dict[str, str] = {}
        self._plan_timer: Timer | None = None
        self._data_timer: Timer | None = None
        self._planned: RunConfig | None = None
        self._reading_since: float | None = None
        self._launching = False
        self._start_waits = False

    def compose(self) -> ComposeResult:
        """Title, form with what it would take beside or below it, help, keys."""
        yield TitleLine("new run")
        with Horizontal(id="columns"):
            yield RunForm().data_bind(NewRunScreen.state)
            yield VerdictPanel().data_bind(NewRunScreen.state)
        yield DataPreview().data_bind(NewRunScreen.state)
        yield CompactPanel().data_bind(NewRunScreen.state)
        yield FieldHelp()
        yield KeyLine(KEYS)

    def on_mount(self) -> None:
        """Listen, show what is known already, ask for the rest."""
        app = dashboard(self)
        app.plan_signal.subscribe(self, self._plan_ready)
        app.data_signal.subscribe(self, self._data_ready)
        app.catalog_signal.subscribe(self, self._catalog_read)
        app.accelerators_signal.subscribe(self, self._accelerators_read)
        app.action_signal.subscribe(self, self._action_ended)
        app.clock_signal.subscribe(self, self._tick)
        if app.newest.accelerators is not None:
            self._accelerators_read(app.newest.accelerators)
        if app.newest.data is not None:
            self._take_report(app.newest.data)
        if app.newest.catalog is not None:
            self._catalog_read(app.newest.catalog)
        settings = app.settings
        self.post_message(CatalogWanted(settings.model_folders, settings.worker_python))
        self._ask_for_plan()
        if self.state.report is None or self.state.report.errors:
            self._ask_for_data()
        self._form.focus_first()

    def on_resize(self, event: Resize) -> None:
        """Verdict and data stand beside the form where there is room."""
        self.set_class(event.size.width >= WIDE_COLUMNS, "-wide")
        self.set_class(event.size.height >= TALL_ROWS, "-tall")

    # Parts say what changed; the draft takes it.

    @on(FormPart.Changed)
    def _changed(self, event: FormPart.Changed) -> None:
        event.stop()
        self._start_waits = False
        if event.problem is not None:
            self._misread[event.field] = event.problem
            self._explain_focused()
            return
        self._misread.pop(event.field, None)
        self._take(with_value(self.state.draft, event.field, event.value), event.field)

    def _take(self, draft: RunConfig, field: str) -> None:
        """Make this the draft and ask what it would take."""
        before = self.state.draft
        if draft == before:
            return
        problems = without(self.state.problems, field)
        state = replace(self.state, draft=draft, problems=problems)
        if data_key(draft) != data_key(before):
            # What was found in other data says nothing of these.
            state = state.being_read()
            self._restart_data_timer()
        self.state = state
        if self._plan_timer is not None:
            self._plan_timer.stop()
        self._plan_timer = self.set_timer(PLAN_DELAY_SECONDS, self._ask_for_plan)

    def _restart_data_timer(self) -> None:
        if self._data_timer is not None:
            self._data_timer.stop()
        self._data_timer = self.set_timer(DATA_DELAY_SECONDS, self._ask_for_data)

    def _ask_for_plan(self) -> None:
        self.post_message(PlanWanted(self.state.draft))

    def _ask_for_data(self) -> None:
        self._reading_since = time.monotonic()
        self.state = self.state.being_read()
        self.post_message(DataWanted(self.state.draft))

    # Facts come down.

    def _plan_ready(self, message: PlanReady) -> None:
        if message.draft != self.state.draft:
            return
        self._planned = message.draft
        problems = by_field(message.problems) or verdict_problems(message.verdict)
        problems |= data_problems(self.state)
        self.state = replace(
            self.state,
            verdict=message.verdict,
            problems=problems,
            resolved=message.resolved or self.state.resolved,
            reasons=dict(message.reasons),
        )
        self._explain_focused()
        if self._start_waits:
            self.action_start()

    def _data_ready(self, message: DataReady) -> None:
        if self._take_report(message):
            self._ask_for_plan()  # default length and learning rate look at the data

    def _take_report(self, message: DataReady) -> bool:
        if data_key(message.draft) != data_key(self.state.draft):
            return False
        if message.download is not None:
            self._downloading(message.download)
            return False
        self._reading_since = None
        self.state = self.state.read(message.report, message.problem)
        return True

    def _downloading(self, download: Download) -> None:
        if self._launching:
            self._say(f"starting: downloading the dataset, {far_text(download)}")
        else:
            self.state = replace(self.state, download=download)

    def _accelerators_read(self, message: AcceleratorsRead) -> None:
        if device_key(message.devices) != device_key(self.state.devices):
            self.state = replace(self.state, devices=message.devices, notes=message.notes)
            self._ask_for_plan()

    def _tick(self, now: float) -> None:
        if self._reading_since is not None:
            seconds = float(int(time.monotonic() - self._reading_since))
            if seconds != self.state.reading_seconds:
                self.state = replace(self.state, reading_seconds=seconds)

    def _catalog_read(self, message: CatalogRead) -> None:
        self.state = replace(
            self.state,
            models=model_choices(message.models),
            datasets=dataset_choices(message.datasets),
        )

    # Start.

    @on(ActionLine.Pressed, "#start")
    def action_start(self) -> None:
        """Start the run; with a wrong field go there instead."""
        if self._launching:
            return
        if self._planned != self.state.draft:
            self._start_waits = True
            self._say("checking …")
            self._ask_for_plan()
            return
        self._start_waits = False
        wrong = self._form.topmost(dict(self.state.problems) | self._misread)
        if wrong is not None:
            self.call_later(self._refuse, *wrong)
            return
        self._launching = True
        self._form.show_start("starting …")
        self._say("starting: making the run folder, checking, handing over to the supervisor …")
        self.post_message(LaunchRequested(self.state.draft))

    async def _refuse(self, field: str, sentence: str) -> None:
        row = await self._form.go_to(field)
        self.set_class(self._form.unfolded, "-advanced")
        label = row.spec.label if row is not None else field
        self.query_one(FieldHelp).say(f"✗ {label}: {sentence}" if label else f"✗ {sentence}", "bad")

    def _action_ended(self, message: ActionEnded | LaunchEnded) -> None:
        if not isinstance(message, LaunchEnded) or not self._launching:
            return
        self._launching = False
        self._form.show_start("Start")
        if message.problem is not None:
            self._say(f"✗ {message.problem}", "bad")
            self.state = replace(
                self.state, problems=dict(self.state.problems) | {"": message.problem}
            )
            self._planned = None

    # Keys and lists.

    def action_leave_field(self) -> None:
        """Go to the next field, unless this one completes what was typed."""
        if isinstance(self.focused, PathInput) and self.focused.typed:
            raise SkipAction
        self.focus_next()

    def action_back(self) -> None:
        """Leave; what was changed is asked about first."""
        if self.state.draft == self.state.base or self._launching:
            dashboard(self).go_back()
            return
        question = ConfirmDialog("Leave the form?", "What you changed in it is not kept.")
        self.app.push_screen(question, lambda yes: dashboard(self).go_back() if yes else None)

    def action_nothing(self) -> None:
        """Take a key that means something elsewhere."""

    @on(ActionLine.Pressed, "#unfold")
    async def action_advanced(self) -> None:
        """Unfold the fields that seldom need a hand, or fold them away."""
        if self._form.unfolded:
            self._form.fold()
        else:
            await self._form.go_to(AdvancedForm.SPECS[0].name)
        self.set_class(self._form.unfolded, "-advanced")

    def action_page(self) -> None:
        """Show the other page, where there is room for one only."""
        panel = self.query_one(CompactPanel)
        panel.page = "data" if panel.page == "verdict" else "verdict"

    def action_mend(self) -> None:
        """Make the one change that the planner says would fit."""
        mend = mend_of(self.state.verdict)
        if mend is not None:
            self._take(override(self.state.draft, dict([mend])), mend[0])

    def action_command(self) -> None:
        """Copy the command that starts the same run, and show it."""
        command = train_command(self.state.draft)
        dashboard(self).copy(command, "the command")
        self.app.push_screen(CommandScreen(command))

    @on(FieldRow.ListWanted)
    def _list_wanted(self, event: FieldRow.ListWanted) -> None:
        event.stop()
        row, current = event.row, value_of(self.state.draft, event.row.spec.name)

        def picked(result: Picked | None) -> None:
            if result is not None:
                row.pick(result[0])

        if row.choices:
            self.app.push_screen(
                ChooseScreen(row.spec.label, row.choices, current, many=row.spec.many), picked
            )

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Explain the field one has come to; the dataset brings the data page along."""
        self._explain_focused()
        row = event.widget.parent
        if isinstance(row, FieldRow):
            about_data = row.spec.name in DATA_PAGE_FIELDS or row.spec.name.startswith("data.")
            self.query_one(CompactPanel).page = "data" if about_data else "verdict"

    @on(PathInput.Candidates)
    def _candidates(self, event: PathInput.Candidates) -> None:
        event.stop()
        names = [name.rstrip("/").rpartition("/")[2] or name for name in event.candidates]
        self._say("  ".join(names), "muted")

    def _explain_focused(self) -> None:
        row = self.focused.parent if self.focused is not None else None
        if isinstance(row, FieldRow):
            self.query_one(FieldHelp).explain(row)
        elif isinstance(self.focused, ActionLine):
            self._say(ACTION_HELP[self.focused.id or ""], "muted")

    @property
    def _form(self) -> RunForm:
        return self.query_one(RunForm)

    def _say(self, text: str, style: str = "") -> None:
        self.query_one(FieldHelp).say(text, style)
