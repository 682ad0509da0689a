"""The catalogue as lists to pick from: what is on this machine first, then what can be fetched."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from moai_tui.formatting import bytes_text, count_text, whole_text
from moai_tui.widgets.form.field_spec import Choice
from trainer_core.foreign_text import show_line
from trainer_core.run.catalog import (
    DatasetEntry,
    ModelEntry,
    dataset_presets,
    datasets_here,
    model_presets,
    models_here,
)

HERE = "on this machine"
PRESETS = "presets"
PYTHON_FOLDER = Choice(
    value="python:.", label="python:.", details=("pairs from a folder of Python",), group=PRESETS
)


def model_choices(
    folders: tuple[str, ...] = (), worker_python: str | None = None
) -> tuple[Choice, ...]:
    """List models; reads folders, so it is called beside the keys.

    Args:
        folders: Folders whose subfolders are models.
        worker_python: Interpreter whose packages may bring a model along.
    """
    here = models_here(tuple(Path(folder) for folder in folders), worker_python)
    known = {entry.id for entry in here}
    rest = [entry for entry in model_presets(worker_python) if entry.id not in known]
    return (*_models(here, HERE), *_models(rest, PRESETS))


def dataset_choices() -> tuple[Choice, ...]:
    """List datasets; reads the current folder, so it is called beside the keys."""
    here = datasets_here()
    known = {entry.id for entry in here}
    rest = [entry for entry in dataset_presets() if entry.id not in known]
    return (*_datasets(here, HERE), *_datasets(rest, PRESETS), PYTHON_FOLDER)


def _models(entries: Iterable[ModelEntry], group: str) -> tuple[Choice, ...]:
    return tuple(
        Choice(
            value=entry.id,
            label=show_line(entry.id, 60),
            details=(_parameters(entry), _fetch(entry)),
            group=group,
        )
        for entry in entries
    )


def _parameters(entry: ModelEntry) -> str:
    if entry.shape is None:
        return ""
    return f"{count_text(entry.shape.parameters)} parameters"


def _fetch(entry: ModelEntry) -> str:
    """Say where the weights come from: a download names its size."""
    if entry.here:
        words = {"run": "result of a run", "folder": "local folder", "hub cache": "in the cache"}
        return "built in" if entry.scratch_only else words.get(entry.origin, "weights are here")
    if entry.download_bytes is None:
        return ""
    return f"{bytes_text(entry.download_bytes)} download{', gated' if entry.gated else ''}"


def _datasets(entries: Iterable[DatasetEntry], group: str) -> tuple[Choice, ...]:
    return tuple(
        Choice(
            value=entry.id,
            label=show_line(entry.id, 60),
            details=(_rows(entry), _source(entry)),
            group=group,
        )
        for entry in entries
    )


def _rows(entry: DatasetEntry) -> str:
    return "" if entry.rows is None else f"{whole_text(entry.rows)} rows"


def _source(entry: DatasetEntry) -> str:
    if entry.here:
        return "built in" if entry.origin == "built-in" else "no download"
    return "" if entry.download_bytes is None else f"{bytes_text(entry.download_bytes)} download"
