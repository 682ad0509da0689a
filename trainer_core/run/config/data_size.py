"""A run's length before its data is counted, from the size of files: good for a time, no more."""

from __future__ import annotations

import os
from pathlib import Path

from trainer_core.run.config.catalog import DatasetEntry, find_dataset
from trainer_core.run.config.defaults import steps_from_epochs
from trainer_core.run.config.run_config import RunConfig

BYTES_PER_TOKEN = 3.3
"""Between code (2.2) and English prose (4.2) in GPT-2's vocabulary."""

BUILT_IN_BYTES = 1_280_000
"""Text of the built-in dataset."""

COMPRESSED = {".parquet": 2.5}
"""What text takes unpacked, against its file."""

_FILES_MAX = 10_000


def estimated_steps(config: RunConfig) -> int | None:
    """Return about how many optimizer steps a run has; None where nothing tells.

    Args:
        config: Resolved but for its steps.
    """
    if config.sequence_length is None or config.global_batch_size is None:
        return None
    size = estimated_text_bytes(config)
    if not size:
        return None
    tokens = (1 - config.data.eval_fraction) * size / BYTES_PER_TOKEN
    sequences = max(1, round(tokens / config.sequence_length))
    return steps_from_epochs(config.epochs or 1.0, sequences, config.global_batch_size)


def estimated_text_bytes(config: RunConfig) -> float | None:
    """Return about how much text a run's dataset holds; None where nothing tells."""
    entry = find_dataset(config.dataset)
    return _text_bytes(entry) if entry is not None else None


def _text_bytes(entry: DatasetEntry) -> float | None:
    if entry.origin == "built-in":
        return BUILT_IN_BYTES
    if entry.origin == "file" and entry.local_path is not None:
        return _size_on_disk(entry.local_path)
    return entry.download_bytes


def _size_on_disk(path: Path) -> float | None:
    """Return the bytes of text in a file or folder; None where it cannot be looked at."""
    try:
        if path.is_file():
            return path.stat().st_size * COMPRESSED.get(path.suffix.lower(), 1.0)
        total, seen = 0.0, 0
        for folder, _, names in os.walk(path):
            for name in names:
                file = Path(folder, name)
                total += file.stat().st_size * COMPRESSED.get(file.suffix.lower(), 1.0)
                seen += 1
                if seen >= _FILES_MAX:
                    return None
    except OSError:
        return None
    return total
