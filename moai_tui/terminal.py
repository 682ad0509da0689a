"""The terminal's border: the first frame, the frame diff, and leaving it as it was found.

No third-party import at module level: the first frame is on screen before Textual is read.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from moai_tui import looks

if TYPE_CHECKING:
    from rich.console import Console
    from textual.geometry import Size
    from textual.strip import Strip

ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J\x1b[H"
LEAVE = "\x1b[?1049l\x1b[?25h"
BOLD, DIM, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[m"

MERGED_GAP = 12
"""Equal cells between two changes that are written again: moving the cursor and setting the
colours anew costs about 45 bytes."""

HEADS = ("Device", "Name", "Model", "Memory Usage", "Total Memory", "Utilization")


def is_usable() -> bool:
    """Say whether a full-screen program can run here.

    Keys come from standard input and Textual draws on standard error; standard output that goes
    into a pipe or a file asks for lines.
    """
    if os.environ.get("TERM", "") in ("", "dumb"):
        return False
    streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    return all(stream is not None and stream.isatty() for stream in streams)


def first_frame(size: tuple[int, int], place: str) -> str:
    """Return the first picture as raw ANSI, without colours: those are the theme's."""
    width, height = size
    rule, more = ("─", "…") if looks.unicode_wanted() else ("-", "...")
    lines = {1: f"{BOLD} moai-tui{PLAIN}  {place}"[: width + 8]}
    if width >= 60 and height >= 16 and not place.startswith("run "):
        lines[3] = f" {BOLD}Accelerators{PLAIN}"
        lines[4] = f" {DIM}{'  '.join(HEADS)[: width - 2]}{PLAIN}"
        lines[5] = f" {DIM}{rule * (width - 2)}{PLAIN}"
        lines[6] = f" {DIM}reading accelerators {more}{PLAIN}"
    return ENTER + "".join(f"\x1b[{row};1H{line}" for row, line in lines.items())


def write_first_frame(place: str) -> None:
    """Show the first picture; until Textual takes over, signals put the terminal back."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT):
        signal.signal(number, _leave_and_end)
    size = shutil.get_terminal_size()
    _write(first_frame((size.columns, size.lines), place))


def leave() -> None:
    """Put the terminal back when the dashboard could not open."""
    _write(LEAVE)


def hung_up(descriptor: int = 0) -> bool:
    """Say whether the terminal behind a descriptor is gone."""
    poll = select.poll()
    poll.register(descriptor, 0)
    try:
        return any(
            event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0)
        )
    except OSError:
        return True


def _write(text: str) -> None:
    """Write past Python's buffer: a signal may come while that is being written."""
    left = text.encode()
    while left and sys.__stderr__ is not None:
        left = left[os.write(sys.__stderr__.fileno(), left) :]


def _leave_and_end(number: int, frame: FrameType | None) -> None:
    try:
        _write(LEAVE)
    finally:
        os._exit(128 + number)


Cell = tuple[str, Any]
"""A character and its style; a wide character is followed by an empty one."""


class FrameDiff:
    """Remembers the cells on the terminal and writes only those that change.

    Textual repaints whole regions, often the whole screen; a Tab in a form costs 14 kB that
    way and 2.3 kB this way. Leans on private names of Textual: where they are gone
    (`reduced` is given something it does not know) the plain frame is written.
    """

    def __init__(self) -> None:
        self._cells: list[list[Cell | None]] = []
        self._size: tuple[int, int] = (0, 0)
        self.written_bytes = 0
        """All that was ever written through it, about."""

    def forget(self) -> None:
        """Forget the terminal's content: the next frame is written whole."""
        self._size = (0, 0)

    def reduced(self, update: object, size: Size) -> object:
        """Return an update that writes only what changes, or `update` itself."""
        kinds = _update_kinds()
        if kinds is None or not isinstance(update, kinds[:2]):
            if update is not None:
                self.forget()  # something is drawn past us
            return update
        if self._size != (size.width, size.height):
            self._size = (size.width, size.height)
            self._cells = [[None] * size.width for _ in range(size.height)]
        return _diff_class(kinds[2])(self, _pieces(update))

    def written(self, pieces: Iterator[tuple[int, int, Strip]], console: Console) -> str:
        """Return the bytes that bring the terminal from its content to the new pieces."""
        out: list[str] = []
        for x, y, strip in pieces:
            if not 0 <= y < len(self._cells):
                continue
            row = self._cells[y]
            new, narrow = _cells_of(strip)
            old = row[x : x + len(new)]
            if new == old:
                continue
            row[x : x + len(new)] = new
            if narrow and len(old) == len(new):
                spans = list(_changed(old, new))
            else:  # wide or combining characters: terminals differ, so the piece is one
                spans = [(0, len(new))]
            for first, last in spans:
                out.append(
                    f"\x1b[{y + 1};{x + first + 1}H{strip.crop(first, last).render(console)}"
                )
        text = "".join(out)
        self.written_bytes += len(text)
        return text


def _changed(old: list[Cell | None], new: list[Cell | None]) -> Iterator[tuple[int, int]]:
    """Yield spans that differ, near ones joined."""
    start = end = -1
    for place, (before, after) in enumerate(zip(old, new, strict=True)):
        if before == after:
            continue
        if start >= 0 and place - end >= MERGED_GAP:
            yield start, end
            start = place
        elif start < 0:
            start = place
        end = place + 1
    if start >= 0:
        yield start, end


def _cells_of(strip: Strip) -> tuple[list[Cell | None], bool]:
    """Return one cell a column, and whether every character takes exactly one."""
    from rich.cells import cell_len

    cells: list[Cell | None] = []
    narrow = True
    for text, style, control in strip:
        if control:
            continue
        if text.isascii():
            cells += [(character, style) for character in text]
            continue
        for character in text:
            width = cell_len(character)
            narrow = narrow and width == 1
            if width:
                cells += [(character, style), *[("", style)] * (width - 1)]
            elif cells and (last := cells[-1]) is not None:
                cells[-1] = (last[0] + character, style)
    return cells, narrow


def _pieces(update: Any) -> Iterator[tuple[int, int, Strip]]:
    """Yield (column, row, strip) of an update; as Textual's own `render_segments` goes."""
    if hasattr(update, "strips"):
        for y, line in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in line:
                yield x, y, strip
                x += strip.cell_length
        return
    for y, first, last in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is None or x > last or end <= first:
                continue
            left, right = max(x, first), min(end, last)
            if right > left:
                yield left, y, strip.crop(left - x, right - x)


def _update_kinds() -> tuple[type, type, type] | None:
    """Return Textual's private update classes; None where they are gone."""
    try:
        from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
    except ImportError:
        return None
    return LayoutUpdate, ChopsUpdate, CompositorUpdate


_classes: dict[type, Callable[..., object]] = {}


def _diff_class(base: type) -> Callable[..., object]:
    """Return the update class that draws through a `FrameDiff`, made on first use."""
    made = _classes.get(base)
    if made is None:

        class DiffUpdate(base):  # type: ignore[misc]  # known at run time only
            def __init__(self, frames: FrameDiff, pieces: Iterator[tuple[int, int, Strip]]) -> None:
                self.frames, self.pieces = frames, pieces

            def render_segments(self, console: Console) -> str:
                return self.frames.written(self.pieces, console)

        made = _classes[base] = DiffUpdate
    return made
