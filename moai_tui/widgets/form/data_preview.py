"""What the model will see of the dataset: format, columns, counts, three rows, the trained part."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from moai_tui.formatting import count_text, download_text, whole_text
from moai_tui.widgets.form.form_state import FormState
from moai_tui.widgets.form.state_panel import StatePanel, flowed, heading, wrapped
from moai_tui.widgets.lines import Line, Piece, line_width
from moai_tui.widgets.painted import cut
from trainer_core.foreign_text import show, show_line
from trainer_core.run.config.data_report import DataReport, RenderedRow, RowError
from trainer_core.run.processes.data_worker import Download

TEXT_LIMIT = 2000
"""Characters of a row that are laid out; the panel has room for fewer."""
ERRORS_SHOWN = 3
COLUMN_WIDTH = 36
"""Where three rows have this much each they stand side by side."""
GAP = 3
"""Cells between two rows side by side."""


def data_lines(state: FormState, width: int, height: int) -> list[Line]:
    """Return the report in the room there is: counts, mistakes, then the rows."""
    if state.reading_seconds is not None and state.report is None:
        name = show_line(state.draft.dataset, 60)
        if state.download is not None:
            return wrapped(f"downloading {name}: {far_text(state.download)}", width, "muted")
        return [((f"reading {name} … {state.reading_seconds:.0f} s", "muted"),)]
    lines: list[Line] = []
    if state.data_problem is not None:
        lines += wrapped(show_line(state.data_problem, 600), width, "bad", "✗ ")
    report = state.report
    if report is None:
        return lines or [(("no dataset read yet", "muted"),)]
    if report.rows or not report.errors:
        lines += _facts(report, state, width)
    for error in report.errors[:ERRORS_SHOWN]:
        lines += wrapped(_error_text(error), width, "bad", "✗ ")
    if report.error_count > ERRORS_SHOWN:
        lines.append(((f"  {report.error_count - ERRORS_SHOWN} more like these", "bad"),))
    lines += _rows(report, state.draft.data.train_on_prompt, width, height - len(lines))
    return lines


def far_text(download: Download) -> str:
    """Return how far a download is in words."""
    return download_text(download.done, download.total, download.seconds)


def rows_text(count: int) -> str:
    """Return a number of rows in words."""
    return f"{whole_text(count)} row{'' if count == 1 else 's'}"


def _facts(report: DataReport, state: FormState, width: int) -> list[Line]:
    about = "about " if report.estimated else ""
    held_out = f", {whole_text(report.eval_rows)} held out" if report.eval_rows else ""
    parts = [report.format, f"{about}{rows_text(report.train_rows)}{held_out}"]
    if report.counted_tokens is not None:
        parts.append(
            f"{count_text(report.counted_tokens)} of {count_text(report.tokens)} tokens trained"
        )
    lines = wrapped(" · ".join(parts), width)
    more = [f"prompts as {report.prompt_format}"] if report.prompt_format else []
    more += [f"columns {_columns(report)}"] if report.columns else []
    more += [report.licence] if report.licence else []
    lines.append(((cut(show_line(" · ".join(more), 400), width), "muted"),))
    left_out = _left_out(report, state)
    if left_out:
        lines += wrapped(left_out, width, "warn", "! ")
    return lines


def _columns(report: DataReport) -> str:
    """Name the columns that are used with what they are used as, then count the others."""
    used = [
        column if role == column else f"{column} as {role}"
        for role, column in report.column_roles.items()
    ]
    others = len(set(report.columns) - set(report.column_roles.values()))
    return ", ".join(used or report.columns) + (f" and {others} more" if used and others else "")


def _left_out(report: DataReport, state: FormState) -> str:
    parts = []
    if report.too_long:
        fate = "cut" if state.draft.data.truncate else "dropped"
        length = report.sequence_length or "the sequence length"
        parts.append(f"{rows_text(report.too_long)} longer than {length} tokens {fate}")
    others = report.dropped - (0 if state.draft.data.truncate else report.too_long)
    if others > 0:
        parts.append(f"{rows_text(others)} broken or empty, left out")
    return " · ".join(parts)


def _error_text(error: RowError) -> str:
    place = error.file if error.row is None else f"{error.file}:{error.row}"
    column = f" {error.column}:" if error.column else ""
    return show_line(f"{place}:{column} {error.message}; {error.fix}", 400)


def _rows(report: DataReport, train_on_prompt: bool, width: int, height: int) -> list[Line]:
    """Return the rendered rows, sharing the height; with little room each has one line."""
    rows = report.rendered[:3]
    if not rows or height < 1:
        return []
    if width >= COLUMN_WIDTH * len(rows) and height >= 5:
        return _rows_beside(rows, train_on_prompt, width, height)
    each = max(1, height // len(rows))
    lines: list[Line] = []
    for number, row in enumerate(rows, start=1):
        if each < 5:
            lines.append(_short_row(row, train_on_prompt, width))
        else:
            lines += [(), _row_heading(number, row)]
            lines += _long_row(row, train_on_prompt, width, each - 2)
    return lines


def _rows_beside(
    rows: Sequence[RenderedRow], train_on_prompt: bool, width: int, height: int
) -> list[Line]:
    """Return the rows as columns, each with its heading."""
    each = (width - GAP * (len(rows) - 1)) // len(rows)
    columns = [
        [_row_heading(number, row), *_long_row(row, train_on_prompt, each, height - 2)]
        for number, row in enumerate(rows, start=1)
    ]
    lines: list[Line] = [()]
    for parts in zip_longest(*columns, fillvalue=()):
        pieces: list[Piece] = []
        for part in parts:
            pieces += [*part, (" " * (each - line_width(part) + GAP), "")]
        lines.append(tuple(pieces))
    return lines


def _row_heading(number: int, row: RenderedRow) -> Line:
    parts = [f"row {number}"]
    parts += [f"{row.tokens} tokens"] if row.tokens is not None else []
    parts += [f"{row.counted_tokens} trained"] if row.counted_tokens is not None else []
    return ((" · ".join(parts), "muted"),)


def _pieces(row: RenderedRow, train_on_prompt: bool) -> tuple[Piece, Piece]:
    return (
        (show(row.prompt, TEXT_LIMIT).expandtabs(4), "trained" if train_on_prompt else "muted"),
        (show(row.answer, TEXT_LIMIT).expandtabs(4), "trained"),
    )


def _long_row(row: RenderedRow, train_on_prompt: bool, width: int, height: int) -> list[Line]:
    """Return prompt and answer without their empty lines; the answer has half the room at least."""
    pieces = _pieces(row, train_on_prompt)
    prompt, answer = (_dense(text, style, width) for text, style in pieces)
    room = max(1, height - min(len(answer), (height + 1) // 2))
    if len(prompt) > room:
        prompt = [*prompt[: room - 1], (("…", "muted"),)] if room > 1 else prompt[-1:]
    room = height - len(prompt)
    if len(answer) > room:
        answer = [*answer[: room - 1], _ended(answer[room - 1], width)]
    return prompt + answer


def _ended(line: Line, width: int) -> Line:
    """Say that more follows a line."""
    return (
        (*line, (" …", "muted")) if line_width(line) + 2 <= width else (*line[:-1], ("…", "muted"))
    )


def _dense(text: str, style: str, width: int) -> list[Line]:
    """Break text into lines, none of them empty; indents are not underlined."""
    lines: list[Line] = []
    for line in text.splitlines():
        if bare := line.lstrip():
            indent = line[: len(line) - len(bare)][: width // 2]
            lines += flowed([(indent, ""), (bare, style)], width, TEXT_LIMIT)
    return lines


def _short_row(row: RenderedRow, train_on_prompt: bool, width: int) -> Line:
    """Return the end of the prompt and the beginning of the answer on one line."""
    (prompt, prompt_style), (answer, answer_style) = _pieces(row, train_on_prompt)
    prompt, answer = (" ".join(text.split()) for text in (prompt, answer))
    room = max(10, width // 2 - 1)
    if len(prompt) > room:
        prompt = "…" + prompt[1 - room :]
    return flowed([(prompt, prompt_style), (" ", ""), (answer, answer_style)], width, 1)[0]


class DataPreview(StatePanel):
    """The report on the dataset under its heading."""

    def lines_of(self, state: FormState, width: int, height: int) -> Sequence[Line]:
        """Heading and report."""
        legend = "underlined: trained"
        return [heading("Data", width, legend), *data_lines(state, width, height - 1)]
