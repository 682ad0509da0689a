"""`python -m trainer_core data SOURCE`: the report on a dataset, for people and for the form."""

from __future__ import annotations

import argparse
import os
import sys

import msgspec

from trainer_core.engine.data.analysis import data_report, unusable
from trainer_core.engine.data.fitting import advice_on_length
from trainer_core.errors import UserError, mend_rows
from trainer_core.foreign_text import show, show_line
from trainer_core.json_lines import write_json_line
from trainer_core.run.config.config_file import load_config, override, parse_config
from trainer_core.run.config.data_report import DataReport, DownloadTold, RenderedRow, RowError
from trainer_core.run.config.run_config import RunConfig
from trainer_core.yaml_text import read_yaml

USER_MISTAKE = 2
_BAR_CELLS = 30
_UNDERLINE, _PLAIN = "\x1b[4m", "\x1b[24m"


def main(argv: list[str]) -> int:
    """Report on a dataset; returns 0, or 2 where a run would be refused.

    With `--json` standard output is one `DataReport`, also when it is refused; the sentences go to
    standard error.
    """
    arguments = _parser().parse_args(argv)
    try:
        config = _config(arguments)
        report = data_report(config, _write_download if arguments.progress else None)
    except UserError as error:
        if arguments.json:
            _write_json(unusable(arguments.source, error))
        _say(str(error))
        return USER_MISTAKE
    if arguments.json:
        _write_json(report)
    else:
        sys.stdout.write("\n".join(report_lines(report, marks=_marks(config))) + "\n")
    return _judged(report, config)


def report_lines(report: DataReport, *, marks: tuple[str, str]) -> list[str]:
    """Return the report as lines for a terminal; what stands in the data is made harmless.

    Args:
        report: What was found.
        marks: Put before and after each stretch that is trained.
    """
    about = "about " if report.estimated else ""
    lines = [
        f"{show_line(report.source, 200)}: {report.format}, prompts as {report.prompt_format}",
        f"  columns    {', '.join(_column(report, name) for name in report.columns)}",
        f"  rows       {about}{report.rows:,} ({report.train_rows:,} to train on, "
        f"{report.eval_rows:,} held out{_left_out(report)})",
    ]
    if report.tokens is not None and report.counted_tokens is not None:
        lines.append(
            f"  tokens     {about}{report.tokens:,} an epoch, {report.counted_tokens:,} in the loss"
            f"; {report.sequences or 0:,} sequences of {report.sequence_length}"
        )
        lines.append(
            f"  lengths    {report.mean_tokens_per_row or 0:.0f} tokens a row, the longest "
            f"{report.longest_row_tokens or 0:,}; {report.bytes_per_token or 0:.1f} bytes a token"
        )
        lines += _bars(report)
    if report.licence:
        lines.append(f"  licence    {report.licence}")
    for number, row in enumerate(report.rendered, 1):
        lines += ["", _row_title(number, row), *_row_lines(row, marks)]
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="moai-tui data", description="What the model will see of a dataset."
    )
    parser.add_argument("source", help="python-stdlib, python:PATH, hub id, file or folder")
    parser.add_argument("--config", help="run configuration: a file, a preset, or - for its YAML")
    parser.add_argument("--model", help="whose tokenizer counts; default: tiny")
    parser.add_argument("--sequence-length", help="tokens in one packed row")
    parser.add_argument("--eval-dataset", help="held-out rows from another source")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--skip-bad-rows", action="store_true", help="count broken rows only")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    # For the form and for starts: a line for each look at a download, before the report.
    parser.add_argument("--progress", action="store_true", help=argparse.SUPPRESS)
    return parser


def _config(arguments: argparse.Namespace) -> RunConfig:
    if arguments.config == "-":
        config = parse_config(read_yaml(sys.stdin.read(), "standard input"))
    else:
        config = load_config(arguments.config) if arguments.config else RunConfig()
    changes = {"dataset": arguments.source}
    for flag in ("model", "sequence_length", "eval_dataset"):
        if getattr(arguments, flag) is not None:
            changes[flag] = getattr(arguments, flag)
    if arguments.skip_bad_rows:
        changes["skip_bad_rows"] = "true"
    for setting in arguments.set:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting!r}: write it as section.field=value")
        changes[name.strip()] = value
    return override(config, changes)


def _judged(report: DataReport, config: RunConfig) -> int:
    """Say what is wrong, and return the exit code."""
    for error in report.errors:
        _say(_error_line(error))
    if report.error_count > len(report.errors):
        _say(f"… and {report.error_count - len(report.errors):,} more")
    unknown_model = any(error.file == config.model for error in report.errors)
    if report.error_count and not (config.skip_bad_rows and not unknown_model):
        if not unknown_model:
            _say(mend_rows(report.error_count))
        return USER_MISTAKE
    if report.train_rows == 0:
        length = ""
        if report.too_long:
            length = f": all are longer than {report.sequence_length} tokens; " + advice_on_length(
                config, report.longest_row_tokens or 0
            )
        _say(f"{config.dataset}: no row is left to train on{length}")
        return USER_MISTAKE
    return 0


def _error_line(error: RowError) -> str:
    place = error.file if error.row is None else f"{error.file}:{error.row}"
    if error.line is not None and error.line != error.row:
        place += f" (line {error.line})"
    column = f" {error.column}:" if error.column else ""
    return f"{place}:{column} {error.message}; {error.fix}"


def _marks(config: RunConfig) -> tuple[str, str]:
    """Underline at a terminal that can; signs elsewhere."""
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return _UNDERLINE, _PLAIN
    return "⟦", "⟧"


def _column(report: DataReport, name: str) -> str:
    role = next((role for role, column in report.column_roles.items() if column == name), None)
    shown = show_line(name, 60)
    if role is None:
        return f"({shown})"
    return shown if role == name else f"{shown} as {role}"


def _left_out(report: DataReport) -> str:
    parts = []
    if report.dropped:
        parts.append(f", {report.dropped:,} left out")
    if report.too_long:
        parts.append(f"{report.too_long:,} longer than {report.sequence_length} tokens")
    return "; ".join(parts)


def _bars(report: DataReport) -> list[str]:
    most = max((rows for _, rows in report.length_histogram), default=0)
    lines = []
    for bound, rows in report.length_histogram:
        bar = "█" * max(round(_BAR_CELLS * rows / most), 1 if rows else 0) if most else ""
        lines.append(f"    ≤ {bound:<7} {bar:<{_BAR_CELLS}} {rows:,}")
    return lines


def _row_title(number: int, row: RenderedRow) -> str:
    if row.tokens is None:
        return f"row {number}"
    return f"row {number}: {row.tokens} tokens, {row.counted_tokens} in the loss (marked)"


def _row_lines(row: RenderedRow, marks: tuple[str, str]) -> list[str]:
    before, after = marks
    prompt = show(row.prompt, 2000)
    answer = show(row.answer, 2000)
    if before == _UNDERLINE:
        # A terminal would underline the indent and the rest of the screen's line too.
        trained = [_underlined(line) for line in answer.split("\n")]
    else:
        trained = f"{before}{answer}{after}".split("\n")
    lines = prompt.split("\n")
    lines[-1] += trained[0]
    return [f"  {line}" for line in [*lines, *trained[1:]]]


def _underlined(line: str) -> str:
    bare = line.lstrip()
    return f"{line[: len(line) - len(bare)]}{_UNDERLINE}{bare}{_PLAIN}" if bare else line


def _write_download(done: int, total: int | None) -> None:
    write_json_line(msgspec.json.encode(DownloadTold(done=done, total=total)))


def _write_json(report: DataReport) -> None:
    write_json_line(msgspec.json.encode(report))


def _say(text: str) -> None:
    sys.stderr.write(show(text) + "\n")
    sys.stderr.flush()
