"""Pictures of the screens. Each docstring says what its picture must show; look at it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from moai_tui.messages import RunsListed
from moai_tui.screens.run_history import RunHistoryScreen
from tests.moai_tui.conftest import NOW
from trainer_core.accelerators.waiting_runs import WaitingRun

pytestmark = pytest.mark.snapshot

SIZES = [(80, 24), (120, 40)]
THEMES = ["moai-dark", "moai-light"]


def picture(snap_compare, app, size, theme, *keys, facts=()):
    """Say whether the app looks as it did, after the facts came and the keys were pressed."""

    async def before(pilot):
        await pilot.pause()
        app.theme = theme
        for fact in facts:
            app.post_message(fact)
            await pilot.pause()
        for key in keys:
            await pilot.press(key)
        await pilot.pause()

    return snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("theme", THEMES)
def test_home_with_eight_cards(snap_compare, scripted_app, facts, size, theme):
    """Two accelerators, the first one held; devices opened below; seven runs, cursor on the first.

    At 80×24 five devices are listed and the rest is a number; nothing is cut but long names.
    """
    readings = [facts.reading(facts.cards(), 2, 1) for _ in range(6)]
    assert picture(snap_compare, scripted_app(), size, theme, facts=[*readings, facts.runs()])


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_home_on_a_laptop(snap_compare, scripted_app, facts, size):
    """One accelerator with dashes, no opened rows, one sentence that says what to press."""
    shown = [facts.reading(facts.cpu), RunsListed(())]
    assert picture(snap_compare, scripted_app(), size, "moai-dark", facts=shown)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("theme", THEMES)
def test_runs_page(snap_compare, scripted_app, facts, size, theme):
    """All seven runs by eval loss, unknown last; the order stands in the title."""
    app = scripted_app(RunHistoryScreen)
    assert picture(snap_compare, app, size, theme, "o", "o", "o", "o", facts=[facts.runs()])


def test_filter(snap_compare, scripted_app, facts):
    """One run left, the filter line above the keys."""
    app = scripted_app()
    keys = ("slash", *"swe")
    shown = [facts.reading(facts.cpu), facts.runs()]
    assert picture(snap_compare, app, (80, 24), "moai-dark", *keys, facts=shown)


@pytest.mark.parametrize("theme", [*THEMES, "high-contrast", "colour-blind", "mono"])
def test_question(snap_compare, scripted_app, facts, theme):
    """The question in the middle, the home screen dimmed around it; every theme reads well."""
    shown = [facts.reading(facts.cards(), 2, 1), facts.runs()]
    assert picture(snap_compare, scripted_app(), (100, 30), theme, "s", facts=shown)


def test_help(snap_compare, scripted_app, facts):
    """Keys of the place with their purpose first, then those that work everywhere."""
    assert picture(snap_compare, scripted_app(), (100, 48), "moai-dark", "question_mark")


def test_one_line_of_truth(snap_compare, scripted_app, facts):
    """Nothing but one line: state, step, loss, name."""
    assert picture(snap_compare, scripted_app(), (50, 10), "moai-dark", facts=[facts.runs()])


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_accelerators_and_devices(snap_compare, scripted_app, facts, size):
    """Three lists and the card under the cursor in full; what is wrong with a card stands out."""
    cards = list(facts.cards())
    cards[1] = replace(cards[1], clock_mhz=1755, throttle_reasons=("power limit",), ecc_errors=0)
    cards[4] = replace(cards[4], ecc_errors=3, processes_hidden=True)
    cards[6] = replace(cards[6], error="GPU 6 lost: GPU is lost")
    readings = [facts.reading(tuple(cards), 2, 1) for _ in range(6)]
    shown = [*readings, facts.runs()]
    keys = ("3", "tab", "down")
    assert picture(snap_compare, scripted_app(), size, "moai-dark", *keys, facts=shown)


@pytest.mark.parametrize("size", [(80, 24), (300, 100)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_who_waits(snap_compare, scripted_app, facts, size):
    """Two runs in line, one of them ours; small: every list keeps a line; large: charts, clocks."""
    loads = (5.0, 40.0, 80.0, 95.0, 60.0, 20.0) * 40
    cards = facts.cards()
    readings = [
        facts.reading((cards[0], replace(cards[1], utilization_percent=load), *cards[2:]), 2, 1)
        for load in loads[: 240 if size[0] > 200 else 6]
    ]
    line = (("bob", "20261124-100000-bbbbbb", None), ("me", "20261124-110203-aaaaaa", NOW + 2400))
    waiting = tuple(
        WaitingRun(place=place, run_id=run, user=user, devices=4 // place, expected_start=start)
        for place, (user, run, start) in enumerate(line, start=1)
    )
    shown = [*readings[:-1], replace(readings[-1], waiting=waiting), facts.runs()]
    assert picture(snap_compare, scripted_app(), size, "moai-dark", "3", "tab", "down", facts=shown)


def test_sizes(snap_compare, scripted_app, facts):
    """The platform's thirteen; a star at the current one, a reason at those that cannot be."""
    shown = [facts.reading(facts.cards(), 2, 1), facts.runs()]
    assert picture(snap_compare, scripted_app(), (80, 24), "moai-dark", "3", "w", facts=shown)


def test_settings(snap_compare, scripted_app, monkeypatch):
    """Every setting with its value and where that comes from; what the chosen one does, below."""
    place = Path("/home/me/.config/moai-tui/config.yaml")
    monkeypatch.setattr("moai_tui.screens.settings.settings_path", lambda: place)
    assert picture(snap_compare, scripted_app(), (80, 24), "moai-dark", "comma", "down", "down")
