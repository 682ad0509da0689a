from __future__ import annotations

from moai_tui.messages import SettingWanted
from moai_tui.screens.settings import PURPOSES, SettingsScreen
from moai_tui.settings import KEYS, Settings
from moai_tui.widgets.lines import Lines


def text_of(app):
    return "\n".join(widget.plain for widget in app.screen.query(Lines))


async def test_every_setting_is_listed_with_its_origin_and_can_be_changed(scripted_app):
    settings = Settings(runs_folder="/scratch", origins={"storage.runs": "/etc/x.yaml"})
    app = scripted_app(settings=settings)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("comma")
        await pilot.pause()
        assert isinstance(app.screen, SettingsScreen)
        text = text_of(app)
        assert all(key in text for key in KEYS)
        (runs,) = [line for line in text.splitlines() if line.startswith("storage.runs")]
        assert runs.split() == ["storage.runs", "/scratch", "/etc/x.yaml"]
        await pilot.press("enter", "ctrl+u", *"mono", "enter")
        await pilot.pause()
        assert [(w.key, w.text) for w in app.heard_of(SettingWanted)] == [("theme", "mono")]
        assert app.theme == "mono"
        await pilot.press("down", "enter", "escape", "escape")
        assert len(app.screen_stack) == 1


async def test_view_only_changes_no_setting(scripted_app):
    app = scripted_app(settings=Settings(view_only=True))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("comma", "enter", "enter")
        await pilot.pause()
        assert app.heard_of(SettingWanted) == []


def test_every_setting_says_what_it_does():
    assert PURPOSES.keys() == KEYS.keys()
    assert max(map(len, PURPOSES.values())) <= 78, "a line of 80 cells"
