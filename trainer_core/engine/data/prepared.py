"""From a run's configuration to its tokenised documents: the one entry the trainer calls."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from trainer_core.engine.data.checked import Tally, checked_rows, detect_layout
from trainer_core.engine.data.detect import Layout
from trainer_core.engine.data.encoder import TextEncoder, encoder_of
from trainer_core.engine.data.fitting import advice_on_length
from trainer_core.engine.data.lengths import DEFAULT_SEQUENCE_LENGTH, LengthPolicy
from trainer_core.engine.data.prompt_format import PromptFormat
from trainer_core.engine.data.read import Opened, open_source
from trainer_core.engine.data.render import choose_prompt_format
from trainer_core.engine.data.source import Split, find_source
from trainer_core.engine.data.token_cache import cache_key, cached
from trainer_core.engine.data.token_rows import TokenRows
from trainer_core.engine.data.tokenise import (
    COUNTED_FILE,
    SPLIT_CODES,
    TOKENS_FILE,
    Documents,
    SampleRow,
    split_documents,
    token_type,
    write_tokens,
)
from trainer_core.errors import DataError
from trainer_core.run.config.run_config import RunConfig

DataPhase = Literal["downloading", "checking data", "tokenizing"]
OnProgress = Callable[[DataPhase, int | None, int | None, str | None], None]
"""Told phase, done, total and unit; total is None where it is not known."""

_PROGRESS_ROWS = 1000


class DataFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What preparing met, kept with the tokens."""

    format: str
    rows_read: int
    bad_rows: int
    empty_rows: int
    too_long: int
    """Rows longer than the sequence: dropped, or cut with `data.truncate`."""
    longest_row_tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedData:
    """Documents to train and evaluate on, ready to be packed."""

    train: TokenRows
    eval: TokenRows
    """May have no document."""
    sequence_length: int
    prompt_format: PromptFormat
    samples: tuple[SampleRow, ...]
    """Rows to ask the model: held-out ones, training rows only where nothing is held out."""
    source: str
    fingerprint: str
    """Of the rows of all its sources; changes when they do."""
    facts: DataFacts
    from_cache: bool
    cache_folder: Path


def no_progress(phase: DataPhase, done: int | None, total: int | None, unit: str | None) -> None:
    """Report to nobody."""


def prepare(
    config: RunConfig,
    tokenizer: Any,
    *,
    report: OnProgress = no_progress,
) -> PreparedData:
    """Read, check and tokenise the datasets of a run, or find that done in the cache.

    Every rank may call it: one builds, the others wait and read.

    Args:
        config: With `sequence_length` chosen; None is 1024.
        tokenizer: From `load_tokenizer`.
        report: Told of progress.

    Raises:
        DataError: If a dataset cannot be used as a whole.
        DataErrors: If rows are broken and `skip_bad_rows` is off.
        ConfigError: If a section `data` does not go with it.
        UserError: If a hub id cannot be had, or the cache cannot be written.
    """
    length = config.sequence_length or DEFAULT_SEQUENCE_LENGTH
    encoder = encoder_of(tokenizer)
    opened, held_out = _opened(config, report)
    job = _Job(
        config=config,
        encoder=encoder,
        opened=opened,
        held_out=held_out,
        sequence_length=length,
        report=report,
    )
    folder, content, from_cache = cached(cache_key(_key_parts(job)), partial(_build, job))
    return PreparedData(
        train=_token_rows(folder, "train", encoder.vocabulary),
        eval=_token_rows(folder, "eval", encoder.vocabulary),
        sequence_length=length,
        prompt_format=msgspec.convert(content["prompt_format"], PromptFormat),
        samples=tuple(msgspec.convert(content["samples"], list[SampleRow])),
        source=config.dataset,
        fingerprint=_fingerprint(opened, held_out),
        facts=msgspec.convert(content["facts"], DataFacts),
        from_cache=from_cache,
        cache_folder=folder,
    )


def _fingerprint(opened: Opened, held_out: Opened | None) -> str:
    parts = [opened.fingerprint, held_out.fingerprint if held_out else ""]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _opened(config: RunConfig, report: OnProgress) -> tuple[Opened, Opened | None]:
    """Return the data to train on, and what is held out where that is a dataset of its own."""

    def on_bytes(done: int, total: int | None) -> None:
        report("downloading", done, total, "bytes")

    source = find_source(config.dataset, config.data)
    if source.kind == "hub":
        report("downloading", None, None, None)
    opened = open_source(source, training_only=config.eval_dataset is not None, on_bytes=on_bytes)
    if config.eval_dataset is None:
        return opened, None
    other = find_source(config.eval_dataset, config.data)
    return opened, open_source(other, training_only=True, on_bytes=on_bytes)


def prompt_format_for(
    layout: Layout, opened: Opened, encoder: TextEncoder, model: str
) -> PromptFormat:
    """Return the prompt format of a source for a model.

    Raises:
        ConfigError: If `data.prompt_format` does not go with data or tokenizer.
    """
    return choose_prompt_format(
        layout,
        opened.source.data,
        model=model,
        chat_template=encoder.chat_template,
        special_tokens=encoder.special_tokens,
        end_token=encoder.end_token,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    """What shapes the tokens of one run."""

    config: RunConfig
    encoder: TextEncoder
    opened: Opened
    held_out: Opened | None
    sequence_length: int
    report: OnProgress


def _key_parts(job: _Job) -> dict[str, Any]:
    return {
        "code": _code_fingerprint(),
        "data": job.opened.fingerprint,
        "eval_data": job.held_out.fingerprint if job.held_out else None,
        "names": [job.config.dataset, job.config.eval_dataset],
        "tokenizer": job.encoder.fingerprint(),
        "template": job.encoder.chat_template,
        "special_tokens": job.encoder.special_tokens,
        "tiny": job.config.model.lower() == "tiny",
        "sequence_length": job.sequence_length,
        "skip_bad_rows": job.config.skip_bad_rows,
        "section": msgspec.to_builtins(job.opened.source.data),
    }


def _code_fingerprint() -> str:
    """Return a sum over the code of this package: a mended reader must not find its old rows."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _build(job: _Job, folder: Path) -> dict[str, Any]:
    """Write the files of the cache folder and return what its manifest says."""
    layout = detect_layout(job.opened)
    prompt = prompt_format_for(layout, job.opened, job.encoder, job.config.model)
    tally = _checked(job, job.opened, layout, prompt)
    documents = Documents()
    policy = _write(job, job.opened, layout, prompt, _Target(folder, documents, tally))
    if all(split == SPLIT_CODES["eval"] for split in documents.splits):
        raise _nothing_left(job.config.dataset, job.config, policy, tally)
    if job.held_out is not None:
        _add_held_out(job, job.held_out, prompt, layout, _Target(folder, documents, Tally()))
    chosen = split_documents(documents, job.config.data, separate=job.held_out is not None)
    for name, mask in chosen.items():
        np.save(folder / f"{name}.npy", _table(documents)[mask], allow_pickle=False)
    facts = DataFacts(
        format=layout.format,
        rows_read=tally.records,
        bad_rows=tally.error_count,
        empty_rows=tally.empty + policy.uncounted,
        too_long=policy.too_long,
        longest_row_tokens=policy.longest,
    )
    return {
        "prompt_format": msgspec.to_builtins(prompt),
        "samples": msgspec.to_builtins(_samples(documents, chosen["eval"])),
        "facts": msgspec.to_builtins(facts),
    }


def _checked(job: _Job, opened: Opened, layout: Layout, prompt: PromptFormat) -> Tally:
    """Go through all rows before the first is tokenised: a fault at the end is told in seconds."""
    tally = Tally()
    for row, _ in enumerate(checked_rows(opened, layout, prompt, tally), 1):
        if row % _PROGRESS_ROWS == 0:
            job.report("checking data", row, None, "rows")
    job.report("checking data", tally.records, tally.records, "rows")
    if not job.config.skip_bad_rows:
        tally.raise_errors()
    return tally


@dataclass(frozen=True, slots=True)
class _Target:
    """Where tokens go, and what was counted before."""

    folder: Path
    documents: Documents
    tally: Tally


def _write(
    job: _Job,
    opened: Opened,
    layout: Layout,
    prompt: PromptFormat,
    target: _Target,
    *,
    forced_split: Split | None = None,
) -> LengthPolicy:
    """Tokenise one source and return what happened to its long rows."""
    policy = LengthPolicy(
        sequence_length=job.sequence_length,
        split_text=layout.format == "text",
        truncate=job.config.data.truncate,
    )
    usable = target.tally.records - target.tally.empty
    write_tokens(
        checked_rows(opened, layout, prompt, Tally()),
        job.encoder,
        policy,
        target.folder,
        documents=target.documents,
        forced_split=forced_split,
        on_rows=lambda done: job.report("tokenizing", done, usable, "rows"),
    )
    return policy


def _add_held_out(
    job: _Job, held_out: Opened, prompt: PromptFormat, trained: Layout, target: _Target
) -> None:
    layout = detect_layout(held_out)
    if (layout.format == "text") != (trained.format == "text"):
        raise DataError(
            held_out.source.name,
            f"its rows are {layout.format}, those of the training data {trained.format}",
            "use rows of the same format",
        )
    tally = _checked(job, held_out, layout, prompt)
    before = len(target.documents.lengths)
    target = _Target(target.folder, target.documents, tally)
    policy = _write(job, held_out, layout, prompt, target, forced_split="eval")
    if len(target.documents.lengths) == before:
        raise _nothing_left(held_out.source.name, job.config, policy, tally)


def _nothing_left(name: str, config: RunConfig, policy: LengthPolicy, tally: Tally) -> DataError:
    if policy.too_long:
        return DataError(
            name,
            f"all {policy.too_long} rows are longer than sequence_length "
            f"{policy.sequence_length}; the shortest has {policy.shortest_too_long} tokens, "
            f"the longest {policy.longest}",
            advice_on_length(config, policy.longest),
        )
    if tally.error_count:
        return DataError(
            name, f"all {tally.error_count} rows are broken: {tally.errors[0]}", "mend the rows"
        )
    return DataError(name, "no row is left to train on: all are empty", "give them an answer")


def _table(documents: Documents) -> npt.NDArray[np.int64]:
    """Return one line a document: start, length, counted tokens, counted bytes."""
    columns = [documents.lengths, documents.counted, documents.counted_bytes]
    arrays = [np.frombuffer(column, dtype=np.int64) for column in columns]
    return np.stack([documents.starts(), *arrays], axis=1)


def _samples(documents: Documents, held_out: npt.NDArray[np.bool_]) -> list[SampleRow]:
    hashes = np.frombuffer(documents.row_hashes, dtype=np.uint64)
    chosen = set(hashes[held_out].tolist()) if held_out.any() else set(hashes.tolist())
    found: dict[int, SampleRow] = {}
    for row_hash, _, sample in documents.samples:
        if row_hash in chosen:
            found.setdefault(row_hash, sample)
    return list(found.values())


def _token_rows(folder: Path, split: str, vocabulary: int) -> TokenRows:
    table = np.load(folder / f"{split}.npy", allow_pickle=False)
    columns = [np.ascontiguousarray(table[:, place]) for place in range(4)]
    return TokenRows(
        tokens=np.memmap(folder / TOKENS_FILE, dtype=token_type(vocabulary), mode="r"),
        counted=np.memmap(folder / COUNTED_FILE, dtype=np.uint8, mode="r"),
        starts=columns[0],
        lengths=columns[1],
        counted_lengths=columns[2],
        counted_bytes=columns[3],
    )
