"""Downloads from the hub that can be watched: bytes done and bytes in all, a few times a second.

Counted on the disk, where every version of the hub's library and each of its ways to transfer a
file leaves the same trace: a growing file among the repository's blobs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from trainer_core.engine.data.hub import hub_error, settle_network

OnBytes = Callable[[int, int | None], None]
"""Told bytes done and bytes in all; None where the hub does not say."""

LOOK_SECONDS = 0.5

PIECE_BYTES = 1 << 18
"""What a plain transfer writes at once; the library's own 10 MB are seconds on a slow line."""

_TEXTS = (".json", ".txt", ".model", ".jinja")
"""Configuration, tokenizer and chat template of a model, beside its weights."""

OTHERWISE = "use --from-scratch for fresh weights, or name a local folder"


def fetch_model(hub_id: str, on_bytes: OnBytes, revision: str | None = None) -> Path:
    """Return the local folder of a hub model, downloading what is missing of it.

    Only what is read: configuration, tokenizer, and the weights as safetensors, or as PyTorch
    shards where there are no others.

    Raises:
        UserError: One sentence: offline, unknown, private, gated, or a full disk.
    """
    reachable = settle_network()
    from huggingface_hub import HfApi, snapshot_download

    try:
        if not reachable:
            return Path(snapshot_download(hub_id, revision=revision, local_files_only=True))
        facts = HfApi().model_info(hub_id, revision=revision, files_metadata=True)
        files = {file.rfilename: file.size for file in facts.siblings or ()}
        wanted = files_read(list(files))
        total = sum(files[name] or 0 for name in wanted)
        with bytes_watched("model", hub_id, total or None, on_bytes):
            folder = snapshot_download(hub_id, revision=revision, allow_patterns=wanted)
    except Exception as error:  # whatever the hub's libraries raise is one sentence for the user
        raise hub_error("model", hub_id, error, OTHERWISE) from error
    return Path(folder)


def files_read(names: Sequence[str]) -> list[str]:
    """Return what is read of a model's files: no second copy of the weights in another format."""
    top = [name for name in names if "/" not in name]
    safe = [name for name in top if name.endswith(".safetensors")]
    # Some models come twice, whole and in the library's layout.
    weights = [name for name in safe if name.startswith("model")] or safe
    if not weights:
        weights = [name for name in top if name.startswith("pytorch_model") and ".bin" in name]
    texts = [name for name in top if name.endswith(_TEXTS)]
    return sorted({*weights, *texts})


def dataset_bytes(hub_id: str, revision: str | None = None) -> int | None:
    """Return the bytes of all files of a hub dataset; None where the hub does not say."""
    from huggingface_hub import HfApi

    try:
        facts = HfApi().dataset_info(hub_id, revision=revision, files_metadata=True)
    except Exception:
        return None
    return sum(file.size or 0 for file in facts.siblings or ()) or None


@contextmanager
def bytes_watched(
    kind: Literal["model", "dataset"], hub_id: str, total: int | None, on_bytes: OnBytes
) -> Iterator[None]:
    """Tell how far a download is, for as long as the block lasts.

    Args:
        kind: Of repository.
        hub_id: Its id.
        total: Bytes of the files wanted, those that are here already included.
        on_bytes: Called from a thread of its own while the block waits, and once at its end.
    """
    from huggingface_hub import constants

    blobs = Path(constants.HF_HUB_CACHE) / f"{kind}s--{hub_id.replace('/', '--')}" / "blobs"
    before = _bytes_in(blobs)
    over = threading.Event()

    def tell() -> None:
        here = _bytes_in(blobs)
        if here > before:  # nothing is told of what was here already
            on_bytes(here, total if total is not None and here <= total else None)

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            tell()

    watcher = threading.Thread(target=watch, name="download", daemon=True)
    pieces = getattr(constants, "DOWNLOAD_CHUNK_SIZE", PIECE_BYTES)
    constants.DOWNLOAD_CHUNK_SIZE = min(pieces, PIECE_BYTES)
    watcher.start()
    try:
        yield
    finally:
        constants.DOWNLOAD_CHUNK_SIZE = pieces
        over.set()
        watcher.join()
        tell()


def _bytes_in(blobs: Path) -> int:
    total = 0
    try:
        files: list[Any] = list(blobs.iterdir())
    except OSError:
        return 0
    for file in files:
        try:
            total += file.stat().st_size
        except OSError:
            continue  # renamed between the look and the question
    return total
