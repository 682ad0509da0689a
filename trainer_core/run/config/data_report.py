"""What the model will see of a dataset: the answer of `moai-tui data`, typed for both ends."""

from __future__ import annotations

import msgspec


class RowError(msgspec.Struct, frozen=True, kw_only=True):
    """One row that cannot be used, placed so that it can be found and mended."""

    file: str
    row: int | None = None
    """1-based number of the record."""
    line: int | None = None
    """1-based line of the file, None where the format has no lines."""
    column: str | None = None
    message: str
    fix: str


class RenderedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row as text; tokens of `prompt` count in the loss only if asked for."""

    prompt: str
    answer: str
    tokens: int | None = None
    counted_tokens: int | None = None


class DownloadTold(msgspec.Struct, frozen=True, kw_only=True, tag="download"):
    """A line before the report: how far the dataset's download is."""

    done: int
    """Bytes."""
    total: int | None = None
    """None where the hub does not say."""


class DataReport(msgspec.Struct, frozen=True, kw_only=True):
    """Format, columns, rows and token counts of one dataset for one tokenizer and length."""

    source: str
    format: str
    """`instruction`, `prompt-completion`, `chat` or `text`."""
    prompt_format: str
    columns: tuple[str, ...]
    column_roles: dict[str, str] = {}
    """Role (`instruction`, `input`, `output`, `text`, `messages` …) → column."""
    rows: int
    """Usable rows, held-out ones included."""
    dropped: int = 0
    """Rows left out: broken (when skipping is allowed), empty, or too long."""
    errors: tuple[RowError, ...] = ()
    """The first few; `error_count` counts all."""
    error_count: int = 0
    train_rows: int = 0
    eval_rows: int = 0
    rendered: tuple[RenderedRow, ...] = ()
    """Three rows as the model sees them."""
    tokens: int | None = None
    """Tokens of the training rows in one epoch; None when no tokenizer was asked for."""
    counted_tokens: int | None = None
    """Those that count in the loss."""
    sequences: int | None = None
    """Packed rows of `sequence_length` in one epoch."""
    sequence_length: int | None = None
    mean_tokens_per_row: float | None = None
    longest_row_tokens: int | None = None
    too_long: int = 0
    """Rows longer than `sequence_length`: dropped, or cut with `data.truncate`."""
    length_histogram: tuple[tuple[int, int], ...] = ()
    """(upper bound in tokens, rows)."""
    bytes_per_token: float | None = None
    licence: str | None = None
    estimated: bool = False
    """True where counts come from a sample of the rows."""
