"""The catalogue as lists to pick from: what is on this machine first, then what can be fetched."""

from __future__ import annotations

from collections.abc import Iterable

from moai_tui.formatting import bytes_text, count_text, whole_text
from moai_tui.widgets.form.field_spec import Choice
from trainer_core.foreign_text import show_line
from trainer_core.run.config.catalog import DatasetEntry, ModelEntry

HERE = "on this machine"
PRESETS = "presets"
PYTHON_FOLDER = Choice(
    value="python:.", label="python:.", details=("pairs from a folder of Python",), group=PRESETS
)


def model_choices(entries: Iterable[ModelEntry]) -> tuple[Choice, ...]:
    """Return models as a list to pick from, in the order given."""
    return tuple(
        Choice(
            value=entry.id,
            label=_label(entry),
            details=(_parameters(entry), _fetch(entry)),
            group=HERE if entry.here else PRESETS,
        )
        for entry in entries
    )


def dataset_choices(entries: Iterable[DatasetEntry]) -> tuple[Choice, ...]:
    """Return datasets as a list to pick from, in the order given, and a folder of Python."""
    listed = (
        Choice(
            value=entry.id,
            label=show_line(entry.id, 60),
            details=(_rows(entry), _source(entry)),
            group=HERE if entry.here else PRESETS,
        )
        for entry in entries
    )
    return (*listed, PYTHON_FOLDER)


def _label(entry: ModelEntry) -> str:
    """A result of a run is called by the run's id: its path would leave no room for the rest."""
    if entry.origin == "run" and entry.local_path is not None:
        return show_line(entry.local_path.parent.name, 60)
    return show_line(entry.id, 60)


def _parameters(entry: ModelEntry) -> str:
    if entry.shape is None:
        return ""
    return f"{count_text(entry.shape.parameters)} parameters"


def _fetch(entry: ModelEntry) -> str:
    """Say where the weights come from: a download names its size."""
    if entry.here:
        words = {
            "built-in": "built in",
            "run": "result of a run",
            "folder": "local folder",
            "hub cache": "in the cache",
        }
        return words.get(entry.origin, "weights are here")
    if entry.download_bytes is None:
        return ""
    return f"{bytes_text(entry.download_bytes)} download{', gated' if entry.gated else ''}"


def _rows(entry: DatasetEntry) -> str:
    return "" if entry.rows is None else f"{whole_text(entry.rows)} rows"


def _source(entry: DatasetEntry) -> str:
    if entry.here:
        return "built in" if entry.origin == "built-in" else "no download"
    return "" if entry.download_bytes is None else f"{bytes_text(entry.download_bytes)} download"
