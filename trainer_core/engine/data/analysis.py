"""What the model will see of a dataset, counted: rows, tokens, lengths, three rows as text.

Fast for what is small: no torch, and no transformers for the vocabularies that ship with the
package. Rows of files up to `CHECKED_BYTES` are all checked; tokens are counted on a share of the
rows where there is much text, and what follows from that is marked as estimated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from trainer_core.engine.data.checked import CheckedRow, Tally, checked_rows, detect_layout
from trainer_core.engine.data.counting import Counted, count_tokens, with_tokens
from trainer_core.engine.data.detect import Layout
from trainer_core.engine.data.encoder import TextEncoder
from trainer_core.engine.data.fitting import fitting_length
from trainer_core.engine.data.hub_download import OnBytes
from trainer_core.engine.data.lengths import LengthPolicy
from trainer_core.engine.data.prompt_format import PromptFormat
from trainer_core.engine.data.read import Opened, open_source
from trainer_core.engine.data.render import choose_prompt_format
from trainer_core.engine.data.source import find_source
from trainer_core.engine.data.tokenise import (
    SPLIT_CODES,
    Documents,
    split_documents,
)
from trainer_core.engine.data.tokenizer import load_encoder
from trainer_core.errors import DataError, DataErrors, UserError
from trainer_core.run.config.data_report import DataReport, RenderedRow, RowError
from trainer_core.run.config.run_config import RunConfig

CHECKED_BYTES = 64 * 2**20
"""Files up to this size are checked whole; of more, `SAMPLED_ROWS` rows."""
SAMPLED_ROWS = 20_000
ROWS_SHOWN = 3
_SHOWN_CHARACTERS = 4000


@dataclass(kw_only=True, slots=True)
class _Seen:
    """What going through the rows found."""

    tally: Tally = field(default_factory=Tally)
    rows: int = 0
    shown: list[CheckedRow] = field(default_factory=list)
    documents: Documents = field(default_factory=Documents)
    """Of all rows, with one token each: who is held out where no tokens are counted."""
    whole: int | None = None
    """Rows of the source where only its first ones were read."""


def data_report(config: RunConfig, on_bytes: OnBytes | None = None) -> DataReport:
    """Return what a run of this configuration would train on.

    A length that is left open is chosen as the run would; where the rows themselves change that
    choice, they are counted once more.

    Broken rows stand in the report's `errors`. So does a tokenizer that cannot be had; then
    nothing is counted in tokens.

    Args:
        config: Its dataset is read; other fields say how.
        on_bytes: Told how far a download is.

    Raises:
        DataError: If the dataset cannot be used as a whole.
        ConfigError: If the section `data` does not go with it.
        UserError: If a hub id cannot be had.
    """
    length = fitting_length(config)
    source = find_source(config.dataset, config.data)
    opened = open_source(
        source,
        training_only=config.eval_dataset is not None,
        identify=False,
        on_bytes=on_bytes,
    )
    report = _report_at(config, opened, length)
    better = fitting_length(config, report)
    return report if better == length else _report_at(config, opened, better)


def _report_at(config: RunConfig, opened: Opened, length: int) -> DataReport:
    layout = detect_layout(opened)
    encoder, problem = _encoder(config)
    prompt = _prompt(config, opened, layout, encoder)
    huge = opened.source.bytes > CHECKED_BYTES or (opened.row_count or 0) > SAMPLED_ROWS
    policy = LengthPolicy(
        sequence_length=length,
        split_text=layout.format == "text",
        truncate=config.data.truncate,
    )
    seen, counted = _Seen(), Counted()
    rows: Iterable[CheckedRow] = checked_rows(opened, layout, prompt, seen.tally)
    rows = _noted(islice(rows, SAMPLED_ROWS) if huge else rows, seen)
    if encoder is None:
        for _ in rows:
            pass
    else:
        counted = count_tokens(rows, encoder, policy)
    seen.whole = _rows_in_all(opened, seen) if huge else None
    report = _report(config, layout, prompt, (seen, counted, policy))
    if problem is not None:
        report = msgspec.structs.replace(
            report, errors=(problem, *report.errors), error_count=report.error_count + 1
        )
    return _with_eval_dataset(report, config, prompt)


def row_error(error: DataError) -> RowError:
    """Return the error of a row as reports carry it."""
    return RowError(
        file=error.file,
        row=error.row,
        line=error.line,
        column=error.column,
        message=error.problem,
        fix=error.fix,
    )


def unusable(name: str, error: UserError) -> DataReport:
    """Return the report on a dataset of which nothing can be shown."""
    if isinstance(error, DataErrors):
        errors, count = tuple(row_error(row) for row in error.errors), error.count
    elif isinstance(error, DataError):
        errors, count = (row_error(error),), 1
    else:
        # The report names the dataset already.
        message, _, fix = str(error).removeprefix(f"dataset {name!r}: ").rpartition("; ")
        errors, count = (RowError(file=name, message=message or fix, fix=fix),), 1
    return DataReport(
        source=name,
        format="unknown",
        prompt_format="",
        columns=(),
        rows=0,
        errors=errors,
        error_count=count,
    )


def _encoder(config: RunConfig) -> tuple[TextEncoder | None, RowError | None]:
    try:
        return load_encoder(config.model), None
    except UserError as error:
        message, _, fix = str(error).removeprefix(f"model {config.model!r}: ").rpartition("; ")
        return None, RowError(file=config.model, message=message or fix, fix=fix)


def _prompt(
    config: RunConfig, opened: Opened, layout: Layout, encoder: TextEncoder | None
) -> PromptFormat:
    return choose_prompt_format(
        layout,
        opened.source.data,
        model=config.model,
        chat_template=encoder.chat_template if encoder else None,
        special_tokens=encoder.special_tokens if encoder else {},
        end_token=encoder.end_token if encoder else "",
    )


def _noted(rows: Iterable[CheckedRow], seen: _Seen) -> Iterator[CheckedRow]:
    for row in rows:
        seen.rows += 1
        if len(seen.shown) < ROWS_SHOWN:
            seen.shown.append(row)
        seen.documents.lengths.append(1)
        seen.documents.row_hashes.append(row.row_hash)
        seen.documents.splits.append(SPLIT_CODES[row.record.split])
        yield row


def _rows_in_all(opened: Opened, seen: _Seen) -> int:
    """Return how many rows a source has of which only the first were read."""
    if opened.row_count is not None:
        return opened.row_count
    read = max(seen.tally.records, 1)
    return max(round(read * opened.source.bytes / max(seen.tally.bytes, 1)), read)


def _report(
    config: RunConfig,
    layout: Layout,
    prompt: PromptFormat,
    found: tuple[_Seen, Counted, LengthPolicy],
) -> DataReport:
    seen, counted, policy = found
    tally, whole = seen.tally, seen.whole
    share = (whole or tally.records) / max(tally.records, 1)
    lost = 0 if config.data.truncate else policy.too_long - counted.long_lost
    scaled_lost = lost * counted.scale(seen.rows, 1.0)
    scaled_lost += 0 if config.data.truncate else counted.long_lost
    usable = round((seen.rows - scaled_lost - policy.uncounted) * share)
    skipped = tally.error_count if config.skip_bad_rows else 0
    dropped = round((tally.empty + skipped + scaled_lost + policy.uncounted) * share)
    report = DataReport(
        source=config.dataset,
        format=layout.format,
        prompt_format=prompt.name,
        columns=layout.columns,
        column_roles=layout.roles,
        rows=usable,
        dropped=dropped,
        errors=tuple(row_error(error) for error in tally.errors),
        error_count=tally.error_count,
        rendered=tuple(_rendered(row, prompt.end_token) for row in seen.shown),
        sequence_length=policy.sequence_length,
        licence=find_source(config.dataset, config.data).licence,
        estimated=whole is not None or 0 < counted.rows < seen.rows,
    )
    if not counted.rows:
        masks = split_documents(seen.documents, config.data, separate=bool(config.eval_dataset))
        train, held_out = (int(masks[name].sum()) for name in ("train", "eval"))
        return msgspec.structs.replace(
            report, train_rows=round(train * share), eval_rows=round(held_out * share)
        )
    return with_tokens(report, config, counted, policy, rows=seen.rows, share=share)


def _with_eval_dataset(report: DataReport, config: RunConfig, prompt: PromptFormat) -> DataReport:
    """Check the rows of `--eval-dataset` too."""
    if config.eval_dataset is None:
        return report
    source = find_source(config.eval_dataset, config.data)
    opened = open_source(source, training_only=True, identify=False)
    layout = detect_layout(opened)
    tally = Tally()
    rows = sum(1 for _ in islice(checked_rows(opened, layout, prompt, tally), SAMPLED_ROWS))
    return msgspec.structs.replace(
        report,
        eval_rows=min(rows, config.data.eval_rows_max),
        errors=(*report.errors, *(row_error(error) for error in tally.errors)),
        error_count=report.error_count + tally.error_count,
    )


def _rendered(row: CheckedRow, end_token: str) -> RenderedRow:
    """Return a row for people: all text before the last answer, and that answer with its end."""
    pieces = row.rendered.pieces
    texts = [piece.text + (end_token if piece.end else "") for piece in pieces]
    whole, before = "".join(texts), row.rendered.before
    if len(pieces) == 1:
        before = ""
    elif not whole.startswith(before):
        before = whole[: -len(texts[-1])]
    answer = whole[len(before) :].removesuffix("" if pieces[-1].counted else pieces[-1].text)
    if len(before) > _SHOWN_CHARACTERS:
        before = "…" + before[-_SHOWN_CHARACTERS:]
    if len(answer) > _SHOWN_CHARACTERS:
        answer = answer[:_SHOWN_CHARACTERS] + "…"
    return RenderedRow(prompt=before, answer=answer)
