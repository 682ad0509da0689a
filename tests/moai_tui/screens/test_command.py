from __future__ import annotations

from textual.app import App

from moai_tui import theming
from moai_tui.screens.command import CommandScreen
from moai_tui.widgets.lines import Lines


class CommandApp(App[None]):
    """Somewhere to show a command."""

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return theming.variable_defaults(self.current_theme)


async def test_the_whole_command_is_shown_literally_and_a_key_closes_it() -> None:
    command = "moai-tui train --dataset '[b]my data[/b]/x.jsonl' " + "--set a.b=1 " * 12
    app = CommandApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(CommandScreen(command))
        await pilot.pause()
        shown = app.screen.query_one(Lines).plain
        assert " ".join(shown.split()).startswith(command.strip())
        assert all(len(line) <= 72 for line in shown.split("\n"))
        await pilot.press("escape")
        assert not isinstance(app.screen, CommandScreen)
