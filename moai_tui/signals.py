"""What a screen may ask of the app, so that screens need not import it.

Facts come down as signals, each publishing the message object of `messages`; a screen
subscribes in `on_mount` with `dashboard(self).runs_signal.subscribe(self, self._runs_listed)`.
Wishes go up as messages: `self.post_message(PlanWanted(draft))`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.dom import DOMNode
    from textual.signal import Signal

    from moai_tui.messages import (
        AcceleratorsRead,
        ActionEnded,
        CatalogRead,
        DataReady,
        LaunchEnded,
        PlanReady,
        RunsListed,
        RunsToCompareRead,
        RunUpdated,
        WordsRead,
    )
    from moai_tui.settings import Settings
    from trainer_core.run.config.run_config import RunConfig


@dataclass
class Newest:
    """The last fact of each kind: what a screen shows before the next one comes."""

    accelerators: AcceleratorsRead | None = None
    runs: RunsListed | None = None
    run: RunUpdated | None = None
    """Of the followed run; cleared when another one is followed."""
    visited: str | None = None
    """Id of the run opened last; lists put their cursor on it."""
    trashed: tuple[str, ...] = ()
    """Folders of the runs deleted last: what undo brings back."""
    plan: PlanReady | None = None
    data: DataReady | None = None
    catalog: CatalogRead | None = None


class Dashboard(Protocol):
    """The part of `MoaiApp` that screens and widgets use."""

    accelerators_signal: Signal[AcceleratorsRead]
    runs_signal: Signal[RunsListed]
    run_signal: Signal[RunUpdated]
    plan_signal: Signal[PlanReady]
    data_signal: Signal[DataReady]
    catalog_signal: Signal[CatalogRead]
    action_signal: Signal[ActionEnded | LaunchEnded]
    compared_signal: Signal[RunsToCompareRead]
    words_signal: Signal[WordsRead]
    clock_signal: Signal[float]
    """Unix time, twice a second, for ages and running times; never for numbers of a run."""
    newest: Newest
    settings: Settings

    def open_run(self, run_id: str) -> None:
        """Show the live screen of this run; asked again for the open run it does nothing."""
        ...

    def open_form(
        self, config: RunConfig | None = None, change: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Show the form, filled from `config`, else with the defaults, and marked changes made."""
        ...

    def go_back(self) -> None:
        """Close the screen on top; the home screen stays."""
        ...

    def say(self, text: str, *, ok: bool = True) -> None:
        """Show one sentence for a few seconds, literally; `ok=False` marks it as a mistake."""
        ...

    def may_change(self) -> bool:
        """Whether more than looking is allowed; if not, say so."""
        ...

    def copy(self, text: str, what: str) -> None:
        """Copy through the terminal (also over SSH) and say what was copied."""
        ...


def dashboard(node: DOMNode) -> Dashboard:
    """Return the app a screen or widget stands in, typed."""
    return cast("Dashboard", cast("Any", node.app))
