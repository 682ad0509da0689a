"""Checkpoints that are whole or absent: written aside, hashed, renamed, read back.

Layout of `checkpoints/step-00000100/`: a Hugging Face folder of the weights, `trainer/` with
optimizer, random states and position, and `MANIFEST.json`, written last, with the size and
SHA-256 of every file. No pickle anywhere. Tensors are stored whole and by parameter name, so a
checkpoint moves between numbers of devices.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from trainer_core.durable import publish_folder, sha256_of, write_whole
from trainer_core.engine.data.prompt_format import PROMPT_FILE, PromptFormat
from trainer_core.engine.distributed import all_agree, barrier
from trainer_core.engine.gather import (
    gather_optimizer,
    gather_weights,
    named_weights,
    place_like,
    plain_module,
)
from trainer_core.errors import UserError

FOLDER = "checkpoints"
MANIFEST = "MANIFEST.json"
STEP_NAME = re.compile(r"^step-(\d{8,})$")
LAYOUT_VERSION = 1


class CheckpointError(UserError):
    """No checkpoint can be used although there are some; nothing was started afresh."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointInfo:
    """What was just saved."""

    step: int
    path: Path
    bytes: int
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint whose every byte was compared with its manifest."""

    step: int
    path: Path
    extra: dict[str, Any]
    """What the trainer stored beside the tensors, e.g. position and tokens seen."""
    problems: tuple[str, ...] = field(default=())
    """Newer checkpoints that were passed over, one sentence each."""


def step_folder(run_folder: Path, step: int) -> Path:
    """Return the final folder of the checkpoint of `step`."""
    return run_folder / FOLDER / f"step-{step:08d}"


def save_checkpoint(
    run_folder: Path,
    step: int,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    extra: dict[str, Any],
    tokenizer: Any,
    prompt_format: PromptFormat | None,
    rank: int = 0,
    world_size: int = 1,
    keep: int = 2,
    attempt: int = 1,
) -> CheckpointInfo:
    """Save everything a resume needs; every rank calls it, rank 0 alone names folders.

    Weights and optimizer states are stored whole and by name, `extra` as JSON, tokenizer and
    prompt format beside them so that the folder loads by itself. `keep` verified checkpoints
    are left, at least one.

    Raises:
        OSError: If the disk refuses; nothing is left under the final name.
    """
    began = time.monotonic()
    final = step_folder(run_folder, step)
    aside = final.with_name(f".tmp-{final.name}-{attempt}")
    trainer = aside / "trainer"
    if rank == 0:
        shutil.rmtree(aside, ignore_errors=True)
        trainer.mkdir(parents=True)
    barrier()
    save_file(random_states(), trainer / f"rng-rank-{rank}.safetensors")
    weights, states = gather_weights(model, rank), gather_optimizer(model, optimizer, rank)
    barrier()
    size, problem = 0, None
    if rank == 0:
        facts = {"step": step, "world_size": world_size, "attempt": attempt, "extra": extra}
        try:
            write_model_files(aside, model, weights, tokenizer, prompt_format)
            save_file(_unwritten(aside, model, weights), trainer / "weights.safetensors")
            save_file(states, trainer / "optimizer.safetensors")
            (trainer / "state.json").write_text(json.dumps(facts, indent=1))
            size = _publish(aside, final, step)
            _retire(run_folder, keep, saved=final)
        except Exception as error:  # every rank must learn of it before it is raised
            shutil.rmtree(aside, ignore_errors=True)
            problem = error
    if not all_agree(problem is None):
        raise problem or OSError(f"rank 0 could not save the checkpoint of step {step}")
    return CheckpointInfo(step=step, path=final, bytes=size, seconds=time.monotonic() - began)


def write_model_files(
    folder: Path,
    model: nn.Module,
    weights: dict[str, Tensor],
    tokenizer: Any,
    prompt_format: PromptFormat | None,
) -> None:
    """Write weights, configuration, tokenizer and prompt format as one Hugging Face folder."""
    plain = cast(Any, plain_module(model))
    plain.save_pretrained(folder, state_dict=weights)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    if prompt_format is not None:
        (folder / PROMPT_FILE).write_text(prompt_format.to_json(), encoding="utf-8")


def latest_checkpoint(run_folder: Path) -> VerifiedCheckpoint | None:
    """Return the newest checkpoint that verifies; None when the run has never saved one.

    Raises:
        CheckpointError: If there are checkpoints and none of them is good.
    """
    problems: list[str] = []
    for path in checkpoint_folders(run_folder):
        problem = verify(path)
        if problem is None:
            facts = json.loads((path / "trainer" / "state.json").read_text())
            return VerifiedCheckpoint(
                step=facts["step"], path=path, extra=facts["extra"], problems=tuple(problems)
            )
        problems.append(f"{path.name}: {problem}")
    if problems:
        raise CheckpointError(
            "no good checkpoint is left in "
            f"{run_folder / FOLDER} ({'; '.join(problems)}); start a new run from its config.yaml"
        )
    return None


def checkpoint_folders(run_folder: Path) -> list[Path]:
    """Return folders under a checkpoint's final name, newest step first (links are left out)."""
    parent = run_folder / FOLDER
    if not parent.is_dir():
        return []
    named = [path for path in parent.iterdir() if STEP_NAME.match(path.name)]
    named = [path for path in named if path.is_dir() and not path.is_symlink()]
    return sorted(named, key=lambda path: int(path.name.removeprefix("step-")), reverse=True)


def verify(path: Path) -> str | None:
    """Compare every file with the manifest; one sentence on the first difference, else None."""
    try:
        manifest = json.loads((path / MANIFEST).read_text())
        files: dict[str, Any] = manifest["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return "its manifest is missing or unreadable"
    if path.name != f"step-{manifest.get('step', -1):08d}":
        return "its manifest belongs to another step"
    for name, facts in files.items():
        file = path / name
        if ".." in Path(name).parts or Path(name).is_absolute() or file.is_symlink():
            return f"{name} points outside the checkpoint"
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != facts["bytes"] or sha256_of(file) != facts["sha256"]:
            return f"{name} was changed or cut short after it was saved"
    return None


def load_checkpoint(
    checkpoint: VerifiedCheckpoint,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    rank: int = 0,
) -> None:
    """Put weights, optimizer states and random states back, into any sharding of the same model.

    Raises:
        CheckpointError: If a trained weight is not in the checkpoint.
    """
    stored = _stored_weights(checkpoint.path)
    states = _stored_states(checkpoint.path)
    with torch.no_grad():
        for name, parameter in named_weights(model):
            if name in stored:
                parameter.copy_(place_like(stored[name], parameter))
            elif parameter.requires_grad:
                raise CheckpointError(
                    f"{checkpoint.path}: the weight {name} is not in it; "
                    "resume with the configuration the run was started with"
                )
            if name in states:
                optimizer.state[parameter] = {
                    key: _placed(key, value, optimizer, parameter)
                    for key, value in states[name].items()
                }
    random_file = checkpoint.path / "trainer" / f"rng-rank-{rank}.safetensors"
    if random_file.exists():
        set_random_states(load_file(random_file))


def stored_state_names(checkpoint: VerifiedCheckpoint) -> frozenset[str]:
    """Return the names of the optimizer states in a checkpoint, such as `exp_avg`."""
    with safe_open(checkpoint.path / "trainer" / "optimizer.safetensors", "pt") as opened:
        return frozenset(key.rpartition("|")[2] for key in opened.keys())


def random_states() -> dict[str, Tensor]:
    """Return the states of torch's generators of this rank as byte tensors."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: dict[str, Tensor]) -> None:
    """Put torch's generators of this rank back."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def sweep(run_folder: Path) -> None:
    """Remove what a killed save left behind; called by rank 0 at the start of an attempt."""
    parent = run_folder / FOLDER
    for path in parent.glob(".tmp-*") if parent.is_dir() else ():
        shutil.rmtree(path, ignore_errors=True)
    for path in parent.glob(".trash-*") if parent.is_dir() else ():
        shutil.rmtree(path, ignore_errors=True)


def _placed(
    name: str, value: Tensor, optimizer: torch.optim.Optimizer, parameter: nn.Parameter
) -> Tensor:
    """Return a stored state as the optimizer keeps it beside its weight.

    Raises:
        CheckpointError: If the run keeps states of another format now.
    """
    own = getattr(optimizer, "place_state", None)
    if own is not None:
        try:
            return cast(Tensor, own(parameter, name, value))
        except ValueError as error:
            raise CheckpointError(
                f"its optimizer states do not fit this run: {error}; "
                "resume with the configuration the run was started with"
            ) from None
    return (
        place_like(value, parameter.detach())
        if value.dim()
        else _counter(value, optimizer, parameter)
    )


def _counter(value: Tensor, optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> Tensor:
    """Return the step counter where AdamW keeps it: beside the weight if fused, else on the CPU."""
    fused = optimizer.defaults.get("fused") or optimizer.defaults.get("capturable")
    return value.to(parameter.device) if fused else value


def _stored_states(path: Path) -> dict[str, dict[str, Tensor]]:
    """Return weight name → state name → tensor."""
    states: dict[str, dict[str, Tensor]] = {}
    for key, value in load_file(path / "trainer" / "optimizer.safetensors").items():
        name, _, state = key.rpartition("|")
        states.setdefault(name, {})[state] = value
    return states


def _stored_weights(path: Path) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    for file in sorted(path.glob("*.safetensors")):
        weights.update(load_file(file))
    extra = path / "trainer" / "weights.safetensors"
    if extra.exists():
        weights.update(load_file(extra))
    return weights


def _unwritten(folder: Path, model: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights that the Hugging Face folder does not hold under our names (adapters, renamed)."""
    written: set[str] = set()
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as opened:
            written.update(opened.keys())
    trained = {name for name, parameter in named_weights(model) if parameter.requires_grad}
    return {name: weights[name] for name in sorted(trained - written)}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST)


def _publish(aside: Path, final: Path, step: int) -> int:
    """Hash, name and read back a finished folder; return its bytes."""
    size = _write_manifest(aside, step)
    publish_folder(aside, final)
    _read_back(final)
    return size


def _write_manifest(folder: Path, step: int) -> int:
    files = {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in _files(folder)
    }
    manifest = {"version": LAYOUT_VERSION, "step": step, "files": files}
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    return sum(cast(int, facts["bytes"]) for facts in files.values())


def _read_back(final: Path) -> None:
    manifest = json.loads((final / MANIFEST).read_text())
    for name, facts in manifest["files"].items():
        if (final / name).stat().st_size != facts["bytes"]:
            raise OSError(f"{final / name} was not written whole")


def _retire(run_folder: Path, keep: int, *, saved: Path) -> None:
    """Remove the oldest checkpoints beyond `keep`; only verified ones count as kept."""
    good = 0
    for path in checkpoint_folders(run_folder):
        if good < max(1, keep):
            good += path == saved or verify(path) is None  # what was just saved was just hashed
            continue
        trash = path.with_name(f".trash-{path.name}-{secrets.token_hex(4)}")
        path.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)
