"""Rows of a hub dataset through the library `datasets`, imported only when one is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from trainer_core.engine.data.hub import hub_error, settle_network
from trainer_core.engine.data.hub_download import OnBytes, bytes_watched, dataset_bytes
from trainer_core.engine.data.record import Record
from trainer_core.engine.data.source import Source, Split
from trainer_core.errors import DataError, UserError

_HELD_OUT = ("validation", "valid", "dev", "test", "eval")
_OTHERWISE = "use a local file, or the built-in python-stdlib"


@dataclass(frozen=True, kw_only=True, slots=True)
class HubRows:
    """A downloaded hub dataset."""

    name: str
    splits: tuple[tuple[Split, Any], ...]
    """Our name of each split and its `datasets.Dataset`."""

    def fingerprint(self) -> str:
        """Return what changes when the dataset's rows do."""
        return " ".join(f"{split}:{rows._fingerprint}:{len(rows)}" for split, rows in self.splits)

    def records(self) -> Iterator[Record]:
        """Yield all rows, the split for training first."""
        own = len(self.splits) > 1
        for split, rows in self.splits:
            for number, value in enumerate(rows, 1):
                place = self.name if split == "train" else f"{self.name} ({split})"
                yield Record(
                    file=place, row=number, line=None, value=value, split=split if own else None
                )


def load_hub_rows(
    source: Source, *, training_only: bool = False, on_bytes: OnBytes | None = None
) -> HubRows:
    """Download or find in the cache what a source names.

    Args:
        source: Of kind `hub`.
        training_only: Whether the split of its own for evaluation is left out.
        on_bytes: Told how far a download is.

    Raises:
        UserError: One sentence: offline, unknown, private, a script, an unknown subset.
        DataError: If the split does not exist.
    """
    reachable = settle_network()
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            f"dataset {source.name!r} is a hub id, which needs the library datasets; "
            "pip install 'moai-tui[train]'"
        ) from error
    datasets.disable_progress_bars()
    data = source.data
    sliced = "[" in data.split
    try:
        with _watching(source, on_bytes if reachable else None):
            loaded = datasets.load_dataset(
                source.hub_id,
                name=data.subset,
                split=data.split if sliced else None,
                revision=data.revision,
            )
    except Exception as error:  # whatever the hub's libraries raise is one sentence for the user
        raise _hub_fault(source, error) from error
    if sliced:
        return HubRows(name=source.name, splits=(("train", loaded),))
    if data.split not in loaded:
        raise DataError(
            source.name,
            f"it has no split {data.split!r}",
            "set data.split to one of " + ", ".join(loaded),
        )
    splits: list[tuple[Split, Any]] = [("train", loaded[data.split])]
    held_out = next((name for name in _HELD_OUT if name in loaded and name != data.split), None)
    if held_out is not None and not training_only:
        splits.append(("eval", loaded[held_out]))
    return HubRows(name=source.name, splits=tuple(splits))


def _watching(source: Source, on_bytes: OnBytes | None) -> AbstractContextManager[object]:
    if on_bytes is None:
        return nullcontext()
    hub_id = source.hub_id or source.name
    total = dataset_bytes(hub_id, source.data.revision)
    return bytes_watched("dataset", hub_id, total, on_bytes)


def _hub_fault(source: Source, error: Exception) -> UserError:
    text = str(error)
    if "onfig name is missing" in text or "BuilderConfig" in text:
        known = text[text.find("[") : text.find("]") + 1]
        return DataError(
            source.name, "it has several subsets", f"set data.subset to one of {known or 'them'}"
        )
    if "scripts are no longer supported" in text or "trust_remote_code" in text:
        return DataError(
            source.name,
            "it is a program, not data, and is not run",
            "take a copy of it in Parquet or JSON lines",
        )
    return hub_error("dataset", source.hub_id or source.name, error, _OTHERWISE)
