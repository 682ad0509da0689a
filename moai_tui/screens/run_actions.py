"""What one may do with a run, wherever it is shown: the keys, when they apply, what they ask."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.binding import Binding, BindingType
from textual.screen import Screen

from moai_tui.formatting import bytes_text
from moai_tui.messages import (
    ControlRequested,
    FormWanted,
    ResumeRequested,
    StopRequested,
    TrashWanted,
    WordsChanged,
    WordsRead,
    WordsWanted,
)
from moai_tui.screens.dialogs import ConfirmDialog
from moai_tui.signals import dashboard
from moai_tui.widgets.run_state import LIVE, RESUMABLE, state_word, stop_detail
from moai_tui.widgets.run_table import run_title

if TYPE_CHECKING:
    from moai_tui.screens.run_dialogs import Words
    from trainer_core.run.record.control import Action
    from trainer_core.run.record.summary import RunSummary

BINDINGS: list[BindingType] = [
    Binding("s", "run('stop')", "Stop run", id="run.stop", tooltip="Saves first; asks before"),
    Binding("f9", "run('stop')", "Stop run", show=False),
    Binding("R", "run('resume')", "Resume run", id="run.resume", tooltip="From its checkpoint"),
    Binding("P", "run('pause')", "Pause run", id="run.pause", tooltip="Frees its devices"),
    Binding("S", "run('save')", "Save now", id="run.save", tooltip="A checkpoint, and go on"),
    Binding("E", "run('extend')", "More steps", id="run.extend", tooltip="Asks how many"),
    Binding("L", "run('rate')", "Learning rate", id="run.rate", tooltip="Asks for the new one"),
    Binding("f", "run('form')", "Run like this", id="run.form", tooltip="The form, filled"),
    Binding("t", "run('words')", "Name, tags, notes", id="run.words"),
    Binding("D", "run('delete')", "Delete run", id="run.delete", tooltip="Asks; u undoes it"),
    Binding("f8,delete", "run('delete')", "Delete run", show=False),
]
"""Capital letters change a run, small ones look; only stopping has a small one, and it asks."""

STEERABLE = frozenset({"starting", "running"})
"""States in which a run hears a wish at its next step."""


class RunActions:
    """The actions on the run that a screen shows or has its cursor on."""

    def __init__(
        self,
        screen: Screen[Any],
        run: Callable[[], RunSummary | None],
        *,
        gone: Callable[[], None] | None = None,
    ) -> None:
        """Serve a screen.

        Args:
            screen: Posts the wishes and shows the questions.
            run: Returns the run that is meant; None where there is none.
            gone: Called when it was deleted.
        """
        self._screen, self._run, self._gone = screen, run, gone
        self._waiting: Callable[[WordsRead], None] | None = None
        dashboard(screen).words_signal.subscribe(screen, self._words_read)

    def offers(self, what: str) -> bool:
        """Tell whether an action makes sense for the run as it stands."""
        run = self._run()
        if run is None:
            return False
        state = run.state
        if what == "stop":
            return state in LIVE
        if what == "resume":
            return state in RESUMABLE
        if what in {"pause", "save", "extend", "rate"}:
            return state in STEERABLE
        if what == "delete":
            return state not in LIVE
        return True

    def do(self, what: str) -> None:
        """Do it, after a question where something could be lost; else say why not."""
        run = self._run()
        if run is None:
            return
        if self.offers(what):
            getattr(self, f"_{what}")(run)
        else:
            self._say(f"This run is {state_word(run)}; {REFUSALS[what]}.")

    def _stop(self, run: RunSummary) -> None:
        question = f"Stop {run_title(run)}?"
        dialog = ConfirmDialog(question, stop_detail(run.state), yes="stop it")
        self._ask(dialog, partial(self._stop_answered, run))

    def _stop_answered(self, run: RunSummary, answer: bool | None) -> None:
        if answer:
            self._screen.post_message(StopRequested(run.id))
            self._say(f"Asked {run_title(run)} to stop.")

    def _resume(self, run: RunSummary) -> None:
        if run.state == "paused":
            self._screen.post_message(ControlRequested(run.id, "resume"))
        else:
            self._screen.post_message(ResumeRequested(run.id))
        self._say(f"Asked {run_title(run)} to go on.")

    def _pause(self, run: RunSummary) -> None:
        self._control(run, "pause")

    def _save(self, run: RunSummary) -> None:
        self._control(run, "save")

    def _extend(self, run: RunSummary) -> None:
        from moai_tui.screens.run_dialogs import NumberDialog

        total = run.total_steps
        detail = f"It ends at step {total:,} now." if total else ""
        dialog = NumberDialog(f"How many more steps for {run_title(run)}?", detail, whole=True)
        self._ask(dialog, partial(self._number_given, run, "extend", "steps"))

    def _rate(self, run: RunSummary) -> None:
        from moai_tui.screens.run_dialogs import NumberDialog

        detail = "It holds from the next step on."
        dialog = NumberDialog(f"Which learning rate for {run_title(run)}?", detail, most=1.0)
        self._ask(dialog, partial(self._number_given, run, "set", "learning_rate"))

    def _number_given(
        self, run: RunSummary, action: Action, name: str, value: float | None
    ) -> None:
        if value is not None:
            self._control(run, action, (name, value))

    def _control(self, run: RunSummary, action: Action, *arguments: tuple[str, float]) -> None:
        self._screen.post_message(ControlRequested(run.id, action, arguments))

    def _form(self, run: RunSummary) -> None:
        self._screen.post_message(FormWanted(run.id))

    def _words(self, run: RunSummary) -> None:
        self._want_words(run, partial(self._show_words, run))

    def _show_words(self, run: RunSummary, read: WordsRead) -> None:
        from moai_tui.screens.run_dialogs import Words, WordsDialog

        known = Words(read.name, " ".join(read.tags), read.notes)
        self._ask(WordsDialog(run_title(run), known), partial(self._words_given, run))

    def _words_given(self, run: RunSummary, words: Words | None) -> None:
        if words is not None:
            tags = tuple(words.tags.replace(",", " ").split())
            self._screen.post_message(WordsChanged(run.id, words.name.strip(), tags, words.notes))

    def _delete(self, run: RunSummary) -> None:
        self._want_words(run, partial(self._confirm_delete, run))

    def _confirm_delete(self, run: RunSummary, read: WordsRead) -> None:
        detail = f"With it go {lost_words(read)}.\nIt lies in the trash for a week; u undoes it."
        dialog = ConfirmDialog(f"Delete {run_title(run)}?", detail, yes="delete it")
        self._ask(dialog, partial(self._delete_answered, run))

    def _delete_answered(self, run: RunSummary, answer: bool | None) -> None:
        if answer:
            self._screen.post_message(TrashWanted((run.path,)))
            dashboard(self._screen).newest.trashed = (run.path,)
            if self._gone is not None:
                self._gone()

    def _want_words(self, run: RunSummary, then: Callable[[WordsRead], None]) -> None:
        self._waiting = then
        self._screen.post_message(WordsWanted(run.id))

    def _words_read(self, read: WordsRead) -> None:
        then, self._waiting = self._waiting, None
        if then is not None:
            then(read)

    def _ask(self, dialog: Screen[Any], answered: Callable[[Any], None]) -> None:
        self._screen.app.push_screen(dialog, answered)

    def _say(self, text: str) -> None:
        dashboard(self._screen).say(text)


REFUSALS = {
    "stop": "there is nothing to stop",
    "resume": "there is nothing to resume",
    "pause": "there is nothing to pause",
    "save": "there is nothing to save",
    "extend": "only a running one can get more steps",
    "rate": "only a running one can get another rate",
    "delete": "stop it before you delete it",
}


def lost_words(read: WordsRead) -> str:
    """Say what goes with a run: `3 checkpoints and the model, 1.24 GiB`."""
    parts = []
    if read.checkpoints:
        parts.append(f"{read.checkpoints} checkpoint{'s' if read.checkpoints > 1 else ''}")
    if read.has_model:
        parts.append("the model")
    what = " and ".join(parts) or "its events and logs"
    return f"{what}, {bytes_text(read.folder_bytes)}"
