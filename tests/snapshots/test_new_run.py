"""Pictures of the form. Each docstring says what the picture must show; a person looks at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from textual import on
from textual.pilot import Pilot

from moai_tui.messages import CatalogRead, CatalogWanted, DataWanted, PlanReady, PlanWanted, Wish
from moai_tui.screens import new_run
from moai_tui.screens.new_run import NewRunScreen
from tests.moai_tui.conftest import ScriptedApp, own_folders
from tests.moai_tui.form_facts import (
    MODELS,
    PLAN,
    SMALL,
    SPLIT,
    VERDICT,
    data_for,
    devices,
    plan_for,
)
from trainer_core.run.config.run_config import RunConfig

__all__ = ["own_folders"]
pytestmark = pytest.mark.snapshot

SMALL_SCREEN, LARGE = (80, 24), (120, 40)


@pytest.fixture(autouse=True)
def same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting, and one catalogue whatever this machine has."""
    monkeypatch.setattr(new_run, "model_choices", lambda *_: MODELS)
    monkeypatch.setattr(new_run, "dataset_choices", lambda *_: ())
    monkeypatch.setattr(new_run, "PLAN_DELAY_SECONDS", 0.001)
    monkeypatch.setattr(new_run, "DATA_DELAY_SECONDS", 0.001)


class FormApp(ScriptedApp):
    """The real app on the form; its wishes are answered at once."""

    def __init__(
        self,
        draft: RunConfig | None = None,
        *,
        plan: Callable[[RunConfig], PlanReady] = plan_for,
    ) -> None:
        super().__init__(lambda: NewRunScreen(draft))
        self._plan = plan

    @on(Wish)
    def _answer(self, message: Wish) -> None:
        if isinstance(message, PlanWanted):
            self.post_message(self._plan(message.draft))
        if isinstance(message, DataWanted):
            self.post_message(data_for(message.draft))
        if isinstance(message, CatalogWanted):
            self.post_message(CatalogRead((), ()))


def steps(*keys: str) -> Callable[[Pilot[Any]], Any]:
    """Let everything arrive, then press keys."""

    async def before(pilot: Pilot[Any]) -> None:
        pilot.app.post_message(devices())
        await pilot.pause()
        await pilot.app.workers.wait_for_complete()
        await pilot.press(*keys)
        await pilot.pause(0.05)
        await pilot.pause()

    return before


@pytest.mark.parametrize("size", [SMALL_SCREEN, LARGE], ids=["80x24", "120x40"])
def test_the_form_as_it_opens(snap_compare: Any, size: tuple[int, int]) -> None:
    """Every basic field with a dim default and its reason, the verdict complete, nothing cut."""
    assert snap_compare(FormApp(), terminal_size=size, run_before=steps())


@pytest.mark.parametrize("size", [SMALL_SCREEN, LARGE], ids=["80x24", "120x40"])
def test_the_dataset_in_focus(snap_compare: Any, size: tuple[int, int]) -> None:
    """Format, counts and three rows; answers underlined and coloured, prompts grey."""
    assert snap_compare(FormApp(), terminal_size=size, run_before=steps("tab", "tab"))


def test_a_wrong_learning_rate(snap_compare: Any) -> None:
    """Label and sentence red with a cross, the whole sentence at the bottom, a dot: changed."""
    keys = ("tab", "tab", "tab", "tab", "tab", "tab", "3", "x")
    assert snap_compare(FormApp(), terminal_size=SMALL_SCREEN, run_before=steps(*keys))


@pytest.mark.parametrize("size", [SMALL_SCREEN, LARGE], ids=["80x24", "120x40"])
def test_advanced_fields(snap_compare: Any, size: tuple[int, int]) -> None:
    """The unfolded fields, devices first with who holds them; the verdict stays in sight."""
    assert snap_compare(FormApp(), terminal_size=size, run_before=steps("ctrl+o"))


def test_the_list_of_models(snap_compare: Any) -> None:
    """What is on this machine first, presets with their download after; the keys at the end."""
    assert snap_compare(FormApp(), terminal_size=SMALL_SCREEN, run_before=steps("enter"))


def test_the_command(snap_compare: Any) -> None:
    """The exact command in a box over the form."""
    draft = RunConfig(model="cerebras-gpt-111m", from_scratch=True, learning_rate=1e-4, steps=100)
    assert snap_compare(FormApp(draft), terminal_size=SMALL_SCREEN, run_before=steps("ctrl+y"))


def test_a_size_that_does_not_fit(snap_compare: Any) -> None:
    """The size is red with what would fit and the key that takes it; focus on the size."""

    def plan(draft: RunConfig) -> PlanReady:
        needs = replace(SPLIT, optimizer=31 * 2**30)
        why = "needs 32.2 GiB, 14.9 GiB usable; fits with method: lora (4.1 GiB)"
        size = replace(
            SMALL,
            verdict="no",
            plan=replace(PLAN, memory=needs),
            why=why,
            mend=("method", "lora"),
        )
        return plan_for(draft, verdict=replace(VERDICT, sizes=(size,), choice=size))

    assert snap_compare(FormApp(plan=plan), terminal_size=SMALL_SCREEN, run_before=steps("ctrl+s"))


def test_in_a_light_theme(snap_compare: Any) -> None:
    """The same on a light ground: everything readable, the focus plain to see."""

    async def before(pilot: Pilot[Any]) -> None:
        pilot.app.theme = "moai-light"
        await steps("tab", "tab", "tab")(pilot)

    assert snap_compare(FormApp(), terminal_size=LARGE, run_before=before)
