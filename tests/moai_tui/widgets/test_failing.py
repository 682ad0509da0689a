"""A panel that raises is replaced by one line; its neighbour goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.app import App, ComposeResult

from moai_tui.widgets import failing
from moai_tui.widgets.lines import Line
from moai_tui.widgets.painted import Painted


class Panel(Painted):
    """Draws a number; a negative one is more than it can take."""

    number = 0

    def build(self, width: int, height: int) -> Sequence[Line]:
        if self.number < 0:
            raise RuntimeError(f"[red]\x1b]0;{self.number}")
        return [[(f"number {self.number}", "")]]

    def show(self, number: int) -> None:
        self.number = number
        self.repaint()


class Panels(App[int]):
    """Two panels and the app's guard."""

    def compose(self) -> ComposeResult:
        yield Panel(id="one")
        yield Panel(id="other")

    def _handle_exception(self, error: Exception) -> None:
        if not failing.contain(self, error):
            super()._handle_exception(error)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path))


def row(panel: Panel, y: int = 0) -> str:
    return panel.render_line(y).text.rstrip()


async def test_a_failing_panel_fails_alone(tmp_path: Path) -> None:
    app = Panels()
    async with app.run_test(size=(60, 10)) as pilot:
        one, other = app.query_one("#one", Panel), app.query_one("#other", Panel)
        for number in (1, -1, -2, -3, 4):
            one.show(number)
            other.show(number * number)
            await pilot.pause()
            if number == -1:
                assert row(one) == "Panel failed: RuntimeError: [red]␛]0;-1"
                assert one.display
        assert not one.display, "failing again it is switched off"
        assert row(other) == "number 16"
        assert app.is_running
    log = (tmp_path / failing.LOG_NAME).read_text()
    assert log.count("Traceback") == 2
    assert "\x1b" not in log


async def test_an_error_while_drawing_is_the_panels_own(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Panels()
    async with app.run_test(size=(60, 10)) as pilot:
        one, other = app.query_one("#one", Panel), app.query_one("#other", Panel)

        def broken(y: int) -> object:
            self = one  # noqa: F841  # as in a method
            raise ZeroDivisionError

        monkeypatch.setattr(one, "render_line", broken)
        one.refresh()
        await pilot.pause()
        other.show(7)
        await pilot.pause()
        assert app.is_running
        assert row(one).startswith("Panel failed: ZeroDivisionError")
        assert row(other) == "number 7"


def test_an_error_of_no_panel_is_not_contained() -> None:
    with pytest.raises(ValueError, match="no panel") as caught:
        raise ValueError("no panel")
    assert failing.blamed(caught.value) is None
