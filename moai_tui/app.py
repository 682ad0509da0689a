"""The dashboard: who hears what. No layout and no work stand here."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import App, SystemCommand
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.screen import Screen
from textual.signal import Signal

from moai_tui import terminal, theming
from moai_tui.alerts import Alerts
from moai_tui.line_filters import TerminalFilters
from moai_tui.messages import (
    AcceleratorsRead,
    ActionEnded,
    CatalogRead,
    DataReady,
    DeviceAnswered,
    FollowWanted,
    FormFilled,
    LaunchEnded,
    PlanReady,
    RunsListed,
    RunsToCompareRead,
    RunUpdated,
    TroubleMet,
    Wish,
    WordsRead,
)
from moai_tui.pace import Pace
from moai_tui.settings import Settings
from moai_tui.signals import Newest
from moai_tui.widgets import failing

if TYPE_CHECKING:
    from moai_tui.live import Facts
    from trainer_core.run.config.run_config import RunConfig

REPAINT_SECONDS = 0.45  # live facts are published at most this often; answers to a key at once
CLOCK_SECONDS = 0.5
KEY_WORDS = {"⏎": "enter", "↑": "up", "↓": "down", "←": "left", "→": "right"}
"""Textual's signs for keys, and what we call them."""


class MoaiApp(App[int]):
    """The dashboard's app: screens ask it through `signals.Dashboard`."""

    CSS_PATH = Path(__file__).with_name("app.tcss")  # also right for a subclass elsewhere
    TITLE = "moai-tui"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,f10", "quit", "Quit", id="app.quit", tooltip="Leave; runs go on"),
        Binding("question_mark,f1", "help", "Help", id="app.help", tooltip="What works here"),
        Binding("n,f2", "new_run", "New run", id="app.new", tooltip="Open the form"),
        Binding("1", "home", "Home", id="app.home", tooltip="Accelerators and runs"),
        Binding("2", "runs", "Runs", id="app.runs", tooltip="Every run on this machine"),
        Binding("3", "devices", "Devices", id="app.devices", tooltip="Accelerators, processes"),
        Binding("comma", "settings", "Settings", id="app.settings", tooltip="See and change them"),
        # Named here: with a key of ours for it Textual leaves its own away.
        Binding(
            "ctrl+p",
            "command_palette",
            "Commands",
            id="app.commands",
            tooltip="Find any action or theme",
            priority=True,
        ),
        Binding("colon", "command_palette", "Commands", show=False),
        Binding("ctrl+l", "redraw", "Redraw", show=False, tooltip="Paint everything again"),
        Binding("ctrl+z", "suspend_process", "Suspend", id="app.suspend", show=False),
    ]

    def __init__(
        self, *, live: Facts | None = None, run: str | None = None, settings: Settings | None = None
    ) -> None:
        super().__init__()
        self.settings = settings or Settings()
        self.newest = Newest()
        self.pace = Pace(REPAINT_SECONDS, self.set_timer, self._ask_terminal)
        self.accelerators_signal: Signal[AcceleratorsRead] = Signal(self, "accelerators")
        self.runs_signal: Signal[RunsListed] = Signal(self, "runs")
        self.run_signal: Signal[RunUpdated] = Signal(self, "run")
        self.plan_signal: Signal[PlanReady] = Signal(self, "plan")
        self.data_signal: Signal[DataReady] = Signal(self, "data")
        self.catalog_signal: Signal[CatalogRead] = Signal(self, "catalog")
        self.action_signal: Signal[ActionEnded | LaunchEnded] = Signal(self, "action")
        self.compared_signal: Signal[RunsToCompareRead] = Signal(self, "compared")
        self.words_signal: Signal[WordsRead] = Signal(self, "words")
        self.clock_signal: Signal[float] = Signal(self, "clock")
        self._live, self._first_run = live, run
        self._frames = terminal.FrameDiff()
        self._own_filters = TerminalFilters()
        self._notices = self._take_themes()

    def get_default_screen(self) -> Screen[Any]:
        """The home screen lies under every other one."""
        from moai_tui.screens.dashboard import DashboardScreen

        return DashboardScreen()

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        """Screens seen through the top one: none, unless it is a dialog.

        Textual asks how opaque the lower screen is, so each number that moves on a hidden
        screen would repaint all of the one above it.
        """
        stack = self._screen_stack
        return super()._background_screens if stack and stack[-1].is_modal else []

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Draw with what the terminal has: ASCII alone, no colours."""
        before = super().get_line_filters()
        return self._own_filters.after(before, self.current_theme.background)

    def get_key_display(self, binding: Binding) -> str:
        """Name keys in words, as the last line of each screen does."""
        shown = super().get_key_display(binding)
        return KEY_WORDS.get(shown) or re.sub(r"^\^(?=.)", "ctrl+", shown)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give our own variables a colour in themes that do not know them."""
        return theming.variable_defaults(self.current_theme)

    def on_mount(self) -> None:
        """Take the themes, begin to read, open the run one was asked for."""
        for notice in (*self._notices, *self.settings.notices):
            self.say(notice, ok=False)
        if self._live is not None:
            self._live.start(self.post_message)
        self.set_interval(CLOCK_SECONDS, self._tick)
        self.app_resume_signal.subscribe(self, self._resumed, immediate=True)
        self._take_signals()
        Alerts(self)
        if self._first_run is not None:
            self.open_run(self._first_run)

    def on_unmount(self) -> None:
        """End every thread and child."""
        if self._live is not None:
            self._live.stop()

    def _take_signals(self) -> None:
        """Leave in order when told to: Textual would die and leave a broken terminal."""
        if self.is_headless:
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            loop.add_signal_handler(number, self.exit, None, 128 + number)

    def _handle_exception(self, error: Exception) -> None:
        """Let a failing panel fail alone; in tests every error ends the app, as Textual has it."""
        if self.is_headless or not failing.contain(self, error):
            super()._handle_exception(error)

    def _tick(self) -> None:
        self.pace.publish("clock", partial(self.clock_signal.publish, time.time()))
        if not self.is_headless and terminal.hung_up():
            self.exit(None, 128 + signal.SIGHUP)

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        """Write only the cells that changed; the one private method of Textual we lean on."""
        super()._display(screen, cast("Any", self._frames.reduced(renderable, self.size)))
        if not self.is_headless:
            self.pace.wrote(self._frames.written_bytes)

    def _ask_terminal(self, question: str) -> None:
        if self._driver is not None:
            self._driver.write(question)

    def on_cursor_position(self) -> None:
        """The terminal has drawn everything up to the question of `pace`."""
        self.pace.answered()

    def _resumed(self, app: object = None) -> None:
        """Paint everything: Textual itself leaves the screen blank after a ctrl+z and fg."""
        self.action_redraw()

    def on_accelerators_read(self, message: AcceleratorsRead) -> None:
        """Hand the reading on."""
        self.newest.accelerators = message
        self.pace.publish("accelerators", partial(self.accelerators_signal.publish, message))

    def on_runs_listed(self, message: RunsListed) -> None:
        """Hand the list on."""
        self.newest.runs = message
        self.pace.publish("runs", partial(self.runs_signal.publish, message))

    def on_run_updated(self, message: RunUpdated) -> None:
        """Hand the run on."""
        self.newest.run = message
        self.pace.publish("run", partial(self.run_signal.publish, message))

    def on_plan_ready(self, message: PlanReady) -> None:
        """Hand the verdict on."""
        self.newest.plan = message
        self.plan_signal.publish(message)

    def on_data_ready(self, message: DataReady) -> None:
        """Hand the report on."""
        self.newest.data = message
        self.data_signal.publish(message)

    def on_action_ended(self, message: ActionEnded) -> None:
        """Say how a request to a run ended."""
        self.say(message.text, ok=message.ok)
        self.action_signal.publish(message)

    def on_launch_ended(self, message: LaunchEnded) -> None:
        """Open the new run in place of the form; what hindered it is the form's to show."""
        self.action_signal.publish(message)
        if message.run_id is not None:
            from moai_tui.screens.new_run import NewRunScreen

            if isinstance(self.screen, NewRunScreen):
                self.go_back()
            self.open_run(message.run_id)

    def on_catalog_read(self, message: CatalogRead) -> None:
        """Hand the lists on."""
        self.newest.catalog = message
        self.catalog_signal.publish(message)

    def on_runs_to_compare_read(self, message: RunsToCompareRead) -> None:
        """Hand the runs on."""
        self.compared_signal.publish(message)

    def on_words_read(self, message: WordsRead) -> None:
        """Hand the words on."""
        self.words_signal.publish(message)

    def on_form_filled(self, message: FormFilled) -> None:
        """Open the form as that run was started."""
        if message.config is not None:
            self.open_form(message.config, message.change)
        else:
            self.say(message.problem or "This run cannot be read.", ok=False)

    def on_device_answered(self, message: DeviceAnswered) -> None:
        """Say how a change of the accelerators or a signal ended."""
        self.say(message.text, ok=message.ok)

    def on_trouble_met(self, message: TroubleMet) -> None:
        """Say what of the dashboard's own does not work."""
        self.say(message.text, ok=False)

    # Wishes: live takes them up, its answers come back as facts.

    @on(Wish)
    def _wish(self, message: Wish) -> None:
        if message.changes and not self.may_change():
            return
        if self._live is not None:
            self._live.wish(message)

    def on_follow_wanted(self, message: FollowWanted) -> None:
        """Know which run is meant; like every wish it is then handed on."""
        if message.run_id is not None:
            self.newest.visited = message.run_id
        self.pace.hurry("run")
        if self.newest.run is not None and self.newest.run.run_id != message.run_id:
            self.newest.run = None

    # What screens may call.

    def open_run(self, run_id: str) -> None:
        """Show the live screen of this run; asked again for the open run it does nothing."""
        from moai_tui.screens.run import RunScreen

        if not (isinstance(self.screen, RunScreen) and self.screen.run_id == run_id):
            self.push_screen(RunScreen(run_id))

    def open_form(
        self, config: RunConfig | None = None, change: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Show the form, filled from `config`, else with the defaults, and marked changes made."""
        from moai_tui.screens.new_run import NewRunScreen

        if not isinstance(self.screen, NewRunScreen):
            self.push_screen(NewRunScreen(config, dict(change)))

    def go_back(self) -> None:
        """Close the screen on top; the home screen stays."""
        if len(self.screen_stack) > 1:
            self.pop_screen()

    def pop_screen(self) -> AwaitComplete:
        """Close the screen on top; a run that no screen shows any more is not followed."""
        followed = hasattr(self.screen, "run_id")
        popped = super().pop_screen()
        if followed and not any(hasattr(screen, "run_id") for screen in self.screen_stack):
            self.post_message(FollowWanted(None))
        return popped

    def say(self, text: str, *, ok: bool = True) -> None:
        """Show one sentence for a few seconds, literally; `ok=False` marks it as a mistake."""
        self.notify(
            text,
            title="" if ok else "Not done",
            severity="information" if ok else "error",
            timeout=4 if ok else 8,
            markup=False,
        )

    def may_change(self) -> bool:
        """Whether more than looking is allowed; if not, say so."""
        if self.settings.view_only:
            self.say("View only: nothing is started, stopped or changed from here.", ok=False)
        return not self.settings.view_only

    def copy(self, text: str, what: str) -> None:
        """Copy through the terminal (also over SSH) and say what was copied."""
        self.copy_to_clipboard(text)
        self.say(f"Copied {what}.")

    # Keys.

    def action_home(self) -> None:
        """Close everything above the home screen."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_runs(self) -> None:
        """Show the runs page."""
        from moai_tui.screens.run_history import RunHistoryScreen

        if not isinstance(self.screen, RunHistoryScreen):
            self.action_home()
            self.push_screen(RunHistoryScreen())

    def action_devices(self) -> None:
        """Show the accelerators with their devices and processes."""
        from moai_tui.screens.devices import DevicesScreen

        if not isinstance(self.screen, DevicesScreen):
            self.action_home()
            self.push_screen(DevicesScreen())

    def action_settings(self) -> None:
        """Show the settings and where each comes from."""
        from moai_tui.screens.settings import SettingsScreen

        if not isinstance(self.screen, SettingsScreen):
            self.push_screen(SettingsScreen(self.settings))

    def action_new_run(self) -> None:
        """Open the form."""
        self.open_form()

    def action_help(self) -> None:
        """Show the keys that work here and now."""
        from moai_tui.screens.dialogs import HelpDialog

        if not isinstance(self.screen, HelpDialog):
            self.push_screen(HelpDialog(self.screen))

    def action_redraw(self) -> None:
        """Paint everything again, after another program wrote over the screen."""
        self._frames.forget()
        self.screen.refresh()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Put every key of the place into the palette, and each theme."""
        from moai_tui.screens.dialogs import TEXTUALS_OWN

        seen: set[str] = set()
        for _, binding, enabled, tooltip in screen.active_bindings.values():
            if binding.action in TEXTUALS_OWN or binding.action == "command_palette":
                continue
            if enabled and binding.description and binding.action not in seen:
                seen.add(binding.action)
                run = partial(self.run_action, binding.action, screen)
                yield SystemCommand(binding.description, tooltip or binding.key, run)
        for name in reversed(self.available_themes):  # ours came last
            yield SystemCommand(f"Theme: {name}", "", partial(setattr, self, "theme", name))

    def _take_themes(self) -> list[str]:
        """Set the theme before the first style is made; returns what to say about themes."""
        found = theming.load_themes()
        for theme in found.themes:
            self.register_theme(theme)
        name, notice = theming.chosen(self.settings.theme, self.available_themes)
        self.set_reactive(App.theme, name)  # without its watcher, which makes all styles again
        self.set_class(self.current_theme.dark, "-dark-mode", update=False)
        self.set_class(not self.current_theme.dark, "-light-mode", update=False)
        self.stylesheet.set_variables(self.get_css_variables())
        return [*found.notices, *notice]
