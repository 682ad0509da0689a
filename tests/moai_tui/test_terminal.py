from __future__ import annotations

import io
import os
import pty
import sys

import pyte
import pytest
from rich.console import Console
from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip

from moai_tui import terminal
from moai_tui.messages import RunsListed


class Emulator:
    """A terminal of any size that remembers every cell with its colours."""

    def __init__(self, width, height):
        self.screen = pyte.Screen(width, height)
        self.stream = pyte.Stream(self.screen)
        self.written = 0

    def feed(self, text):
        self.written += len(text.encode())
        self.stream.feed(text)

    def resize(self, width, height):
        self.screen.resize(height, width)
        self.screen.reset()

    def cells(self):
        screen = self.screen
        return [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines)]


def compared(app, monkeypatch, width, height):
    """Draw every frame of an app twice: plainly, and through the diff."""
    plain, diffed = Emulator(width, height), Emulator(width, height)
    frames = terminal.FrameDiff()

    def display(self, screen, renderable):
        if renderable is None or self._batch_count:
            return
        for emulator in (plain, diffed):
            if (emulator.screen.columns, emulator.screen.lines) != tuple(self.size):
                emulator.resize(*self.size)
        plain.feed(renderable.render_segments(self.console))
        diffed.feed(frames.reduced(renderable, self.size).render_segments(self.console))

    monkeypatch.setattr(type(app), "_display", display)
    return plain, diffed, frames


async def test_the_screen_is_the_same_with_and_without_the_diff(scripted_app, facts, monkeypatch):
    app = scripted_app()
    plain, diffed, _ = compared(app, monkeypatch, 100, 30)
    async with app.run_test(size=(100, 30)) as pilot:
        seen = []

        async def check(what):
            await pilot.pause()
            assert plain.cells() == diffed.cells(), what
            seen.append("".join(cell.data for row in diffed.cells() for cell in row))

        await check("first frame")
        app.post_message(facts.reading(facts.cards(), 2, 1))
        app.post_message(facts.runs())
        await check("facts, wide characters among them")
        for key in ("j", "j", "G", "p", "p", "question_mark", "escape", "s", "n", "2", "o", "1"):
            await pilot.press(key)
            await check(key)
        await pilot.press("slash", *"py")
        await check("typing")
        await pilot.resize_terminal(140, 40)
        await check("larger")
        await pilot.resize_terminal(50, 10)
        await check("one line")
        await pilot.resize_terminal(80, 24)
        app.theme = "moai-light"
        await check("another theme")
        assert any("한국어" in text.replace(" ", "") for text in seen)
        assert len(set(seen)) > 8, "the screen did change"
    assert diffed.written < 0.7 * plain.written


async def test_a_reading_that_changes_one_figure_costs_little(scripted_app, facts, monkeypatch):
    app = scripted_app()
    _, diffed, _ = compared(app, monkeypatch, 120, 40)
    async with app.run_test(size=(120, 40)) as pilot:
        runs = facts.runs().runs
        app.post_message(RunsListed(runs))
        app.post_message(facts.reading(facts.cpu))
        await pilot.pause()
        before = diffed.written
        app.post_message(RunsListed(runs))
        app.post_message(facts.reading(facts.cpu))
        await pilot.pause()
        assert diffed.written == before, "nothing new, nothing written"
        import msgspec

        later = msgspec.structs.replace(runs[0], step=121, train_loss=1.2301)
        app.post_message(RunsListed((later, *runs[1:])))
        await pilot.pause()
        assert 0 < diffed.written - before < 400


def test_a_piece_with_wide_characters_is_written_whole():
    console = Console(file=io.StringIO(), color_system=None)
    frames = terminal.FrameDiff()
    frames._cells = [[None] * 20]

    def written(text):
        return frames.written(iter([(2, 0, Strip([Segment(text)]))]), console)

    assert written("가나 abc") == "\x1b[1;3H가나 abc"
    assert written("가나 abX") == "\x1b[1;3H가나 abX", "not only its last cell"
    assert written("가나 abX") == ""
    assert written("12345678") == "\x1b[1;3H12345678"
    assert written("12X45678") == "\x1b[1;5HX"


def test_something_drawn_past_the_diff_makes_it_forget():
    frames = terminal.FrameDiff()
    frames._size = (80, 24)
    assert frames.reduced("a Rich renderable", Size(80, 24)) == "a Rich renderable"
    assert frames._size == (0, 0)


def test_without_textuals_private_names_the_plain_frame_is_written(monkeypatch):
    monkeypatch.setattr(terminal, "_update_kinds", lambda: None)
    update = object()
    assert terminal.FrameDiff().reduced(update, Size(80, 24)) is update


@pytest.mark.parametrize("size", [(80, 24), (160, 48), (59, 24), (20, 4)])
def test_the_first_frame_stays_within_the_terminal(size):
    emulator = Emulator(*size)
    emulator.feed(terminal.first_frame(size, "accelerators and runs"))
    rows = emulator.screen.display
    assert "moai-tui" in rows[0]
    assert ("Accelerators" in rows[min(2, size[1] - 1)]) == (size in ((80, 24), (160, 48)))
    assert not any(row.strip() for row in rows[6:])
    assert emulator.screen.cursor.hidden


def test_a_hung_up_terminal_is_noticed():
    parent, child = pty.openpty()
    try:
        assert not terminal.hung_up(child)
        os.close(parent)
        assert terminal.hung_up(child)
    finally:
        os.close(child)


class Stream:
    def __init__(self, *, tty):
        self.isatty = lambda: tty


@pytest.mark.parametrize("term", ["xterm-256color", "dumb", ""])
@pytest.mark.parametrize("piped", [None, "__stdin__", "__stdout__", "__stderr__"])
def test_a_full_screen_wants_a_terminal_that_draws_on_every_end(monkeypatch, term, piped):
    monkeypatch.setenv("TERM", term)
    for name in ("__stdin__", "__stdout__", "__stderr__"):
        monkeypatch.setattr(sys, name, Stream(tty=name != piped))
    assert terminal.is_usable() is (term == "xterm-256color" and piped is None)
