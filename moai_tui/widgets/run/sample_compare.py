"""What the model writes to one prompt before and after training, side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from textual.reactive import reactive

from moai_tui.widgets.glyphs import Glyphs
from moai_tui.widgets.lines import Line, Piece, fit
from moai_tui.widgets.painted import Painted, cut, heading
from trainer_core.foreign_text import show
from trainer_core.run.record.events import Sample, SamplePair
from trainer_core.run.record.view import RunView

PROMPT_ROWS = 3
"""Most rows of the prompt; the answers are what one compares."""

THREE_COLUMNS_FROM = 132
"""Cells from which the reference gets its own column; below, it stands under the answers."""


class SampleCompare(Painted):
    """One prompt at a time; `number` chooses it, `top` scrolls the texts."""

    number: reactive[int] = reactive(0, init=False, repaint=False)
    """Which prompt is shown, from 0."""

    top: reactive[int] = reactive(0, init=False, repaint=False)
    """First row of the texts that is shown."""

    def __init__(self, *, id: str | None = None, signs: Glyphs | None = None) -> None:
        super().__init__(id=id, signs=signs)
        self._before: Sample | None = None
        self._after: Sample | None = None
        self._over = False

    def show(self, view: RunView) -> None:
        """Show the first and the newest samples of a run."""
        samples = view.samples
        before = samples[0] if samples else None
        after = samples[-1] if len(samples) > 1 else None
        state = (before, after, view.ended is not None)
        if state != (self._before, self._after, self._over):
            self._before, self._after, self._over = state
            self.repaint()

    def watch_number(self) -> None:
        """Begin at the top of another prompt."""
        self.set_reactive(SampleCompare.top, 0)
        self.repaint()

    def watch_top(self) -> None:
        """Draw another part."""
        self.repaint()

    def turn(self, by: int) -> None:
        """Show the next prompt, or an earlier one; it goes round."""
        if self._before is not None and self._before.samples:
            self.number = (self.number + by) % len(self._before.samples)

    def scroll_lines(self, count: int) -> None:
        """Scroll the texts down by `count` rows, up where it is negative."""
        rows = self._body(self.size.width)
        most = max(0, len(rows) - (self.size.height - 1))
        self.top = min(most, max(0, self.top + count))

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Draw the heading, then prompt, answers and reference."""
        if self._before is None or not self._before.samples:
            top = heading("Samples", (), width, self._signs.rule)
            return [top, (("no sample yet: the first is written before step 1", "muted"),)]
        count = len(self._before.samples)
        where: list[Piece] = [(f"{self.number + 1} of {count}", "")]
        if count > 1:
            where += [("  ", ""), ("[ ]", "key"), (" other prompts", "muted")]
        body = self._body(width)
        shown = body[self.top : self.top + height - 1]
        if len(shown) < len(body) - self.top and shown:
            shown[-1] = ((f"{self._signs.ellipsis} {len(body) - self.top - len(shown) + 1} more",
                          "muted"),)  # fmt: skip
        return [heading("Samples", where, width, self._signs.rule), *shown]

    def _prompt(self) -> str:
        pair = self._pair(self._before)
        return "" if pair is None else show(pair.prompt).strip()

    def _pair(self, sample: Sample | None) -> SamplePair | None:
        found = sample is not None and self.number < len(sample.samples)
        return sample.samples[self.number] if sample is not None and found else None

    def _texts(self) -> list[tuple[str, str, str]]:
        """Return (title, text, style) of each answer; empty text where there is none."""
        before, after = self._pair(self._before), self._pair(self._after)
        texts = [("before training", before.text if before else "", "muted")]
        if self._after is not None and after is not None:
            texts.append((f"after step {self._after.step:,}", after.text, ""))
        else:
            texts.append(("after", "", ""))
        reference = before.reference if before is not None else None
        texts.append(("reference", reference or "", "muted"))
        return [(title, show(text), style) for title, text, style in texts]

    def _body(self, width: int) -> list[Line]:
        if self._before is None or not self._before.samples:
            return []
        prompt = [text for text in _wrapped(self._prompt(), width - 8) if text.strip()]
        if len(prompt) > PROMPT_ROWS:
            last = f"{prompt[PROMPT_ROWS - 1]} {self._signs.ellipsis}"
            prompt = [*prompt[: PROMPT_ROWS - 1], last]
        lines: list[Line] = [
            (
                (("prompt  " if number == 0 else "        "), "muted"),
                (cut(text, width - 8), "accent"),
            )
            for number, text in enumerate(prompt)
        ]
        before, after, reference = self._texts()
        wide = width >= THREE_COLUMNS_FROM and bool(reference[1])
        columns = [before, after, reference] if wide else [before, after]
        missing = "none was written" if self._over else "not written yet"
        lines += [(), *_side_by_side(columns, width, self._signs, missing)]
        if reference[1] and not wide:
            lines += [(), (("reference", "strong"),)]
            lines += [((text, "muted"),) for text in _wrapped(reference[1], width)]
        return lines


def _side_by_side(
    columns: Sequence[tuple[str, str, str]], width: int, signs: Glyphs, missing: str
) -> list[Line]:
    each = (width - 3 * (len(columns) - 1)) // len(columns)
    gap = (f" {signs.vertical} ", "faint")
    lines: list[Line] = [_beside([(fit(title, each), "strong") for title, _, _ in columns], gap)]
    texts = [_wrapped(text, each) if text else [missing] for _, text, _ in columns]
    for parts in zip_longest(*texts, fillvalue=""):
        cells = [
            (fit(part, each), style) for part, (_, _, style) in zip(parts, columns, strict=True)
        ]
        lines.append(_beside(cells, gap))
    return lines


def _beside(cells: Sequence[Piece], gap: Piece) -> Line:
    line: list[Piece] = [cells[0]]
    for cell in cells[1:]:
        line += [gap, cell]
    return line


def _wrapped(text: str, width: int) -> list[str]:
    """Break text into rows, keeping its own line ends and indentation: samples are often code.

    Several blank rows become one: an untrained model writes little else.
    """
    if not text.strip():
        return ["nothing but blanks"]
    rows: list[str] = []
    for line in text.expandtabs(4).splitlines():
        if not line.strip() and (not rows or not rows[-1].strip()):
            continue
        rows += textwrap.wrap(
            line,
            max(8, width),
            drop_whitespace=False,
            replace_whitespace=False,
            break_on_hyphens=False,
        ) or [""]
    return rows
