"""Going on from a checkpoint: which one is good, and putting every number of it back.

No pickle anywhere; only files that a verified manifest names are read, and of them each rank
reads its own rows. Tensors are stored whole and by parameter name, so a checkpoint moves between
numbers of devices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from trainer_core.engine.data.prompt_format import PROMPT_FILE, PromptFormat
from trainer_core.engine.distributed import World, largest_over_ranks
from trainer_core.engine.gather import is_shared, named_weights, plain_module
from trainer_core.engine.parallel.pieces import marked, split_of
from trainer_core.engine.sharded_model import read_rows
from trainer_core.engine.snapshot import set_random_states
from trainer_core.errors import UserError
from trainer_core.run.storage.checkpoints import (
    FOLDER,
    OnBytes,
    checkpoint_folders,
    read_manifest,
    read_state,
    step_folder,
    verify,
)

_NONE, _BAD = 0, -1


class CheckpointError(UserError):
    """No checkpoint can be used although there are some; nothing was started afresh."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint whose every byte was compared with its manifest."""

    step: int
    path: Path
    extra: dict[str, Any]
    """What the trainer stored beside the tensors, e.g. position and tokens seen."""
    world_size: int = 1
    """Ranks that made it."""
    problems: tuple[str, ...] = field(default=())
    """Newer checkpoints that were passed over, one sentence each."""


def agreed_checkpoint(
    run_folder: Path, world: World, on_bytes: OnBytes | None = None
) -> VerifiedCheckpoint | None:
    """Return the checkpoint all ranks go on from: rank 0 looks for it, the others take its word.

    Raises:
        CheckpointError: If there are checkpoints and none of them is good.
    """
    found, error, told = None, None, _NONE
    if world.leads:
        try:
            found = latest_checkpoint(run_folder, on_bytes)
            told = found.step + 1 if found else _NONE
        except CheckpointError as problem:
            error, told = problem, _BAD
    # Only rank 0's word may be the largest.
    (told,) = largest_over_ranks((told if world.leads else _BAD,))
    if told == _BAD:
        raise error or CheckpointError("rank 0 found no good checkpoint")
    if told == _NONE or world.leads:
        return found
    return _described(step_folder(run_folder, told - 1))


def latest_checkpoint(
    run_folder: Path, on_bytes: OnBytes | None = None
) -> VerifiedCheckpoint | None:
    """Return the newest checkpoint that verifies; None when the run has never saved one.

    Raises:
        CheckpointError: If there are checkpoints and none of them is good.
    """
    problems: list[str] = []
    for path in checkpoint_folders(run_folder):
        problem = verify(path, on_bytes)
        if problem is None:
            return _described(path, tuple(problems))
        problems.append(f"{path.name}: {problem}")
    if problems:
        raise CheckpointError(
            "no good checkpoint is left in "
            f"{run_folder / FOLDER} ({'; '.join(problems)}); start a new run from its config.yaml"
        )
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
    stored = _Stored(checkpoint.path, ("model", "trainer/weights"))
    states = _Stored(checkpoint.path, ("trainer/optimizer",))
    names_of: dict[str, list[str]] = {}
    for key in states.places:
        names_of.setdefault(key.rpartition("|")[0], []).append(key)
    with torch.no_grad():
        for name, parameter in named_weights(model):
            if name in stored.places:
                stored.read_into(name, parameter)
            elif parameter.requires_grad:
                raise CheckpointError(
                    f"{checkpoint.path}: the weight {name} is not in it; "
                    "resume with the configuration the run was started with"
                )
            if name in names_of:
                optimizer.state[parameter] = {
                    key.rpartition("|")[2]: _state(states, key, optimizer, parameter)
                    for key in names_of[name]
                }
    random_file = checkpoint.path / "trainer" / f"rng-rank-{rank}.safetensors"
    if random_file.exists():
        set_random_states(load_file(random_file))


def stored_state_names(checkpoint: VerifiedCheckpoint) -> frozenset[str]:
    """Return the names of the optimizer states in a checkpoint, such as `exp_avg`."""
    stored = _Stored(checkpoint.path, ("trainer/optimizer",))
    return frozenset(key.rpartition("|")[2] for key in stored.places)


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


class _Stored:
    """The tensors in a checkpoint's files of some kind."""

    def __init__(self, folder: Path, stems: tuple[str, ...]) -> None:
        files = sorted(
            name
            for name in read_manifest(folder)
            if name.startswith(stems) and name.endswith(".safetensors")
        )
        self._opened: Mapping[str, Any] = {name: safe_open(folder / name, "pt") for name in files}
        self.places = {key: name for name, file in self._opened.items() for key in file.keys()}

    def read(self, key: str) -> Tensor:
        """Return a whole tensor."""
        return cast(Tensor, self._opened[self.places[key]].get_tensor(key))

    def read_into(self, key: str, target: Tensor) -> None:
        """Read this rank's rows into a tensor, in its own type and place."""
        read_rows(self._opened[self.places[key]], key, target)


def _described(path: Path, problems: tuple[str, ...] = ()) -> VerifiedCheckpoint:
    facts = read_state(path)
    return VerifiedCheckpoint(
        step=facts["step"],
        path=path,
        extra=facts["extra"],
        world_size=facts["world_size"],
        problems=problems,
    )


def _state(
    states: _Stored, key: str, optimizer: torch.optim.Optimizer, parameter: nn.Parameter
) -> Tensor:
    """Return a stored state as the optimizer keeps it beside its weight.

    Raises:
        CheckpointError: If the run keeps states of another format now.
    """
    own = getattr(optimizer, "place_state", None)
    if own is not None:
        try:
            return cast(Tensor, own(parameter, key.rpartition("|")[2], states.read(key)))
        except ValueError as error:
            raise CheckpointError(
                f"its optimizer states do not fit this run: {error}; "
                "resume with the configuration the run was started with"
            ) from None
    if is_shared(parameter) and not key.endswith("|step"):
        target = marked(torch.empty_like(parameter.detach()), split_of(parameter))
        states.read_into(key, target)
        return target
    value = states.read(key)
    return (
        value.to(device=parameter.device, dtype=parameter.dtype, copy=True)
        if value.dim()
        else _counter(value, optimizer, parameter)
    )


def _counter(value: Tensor, optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> Tensor:
    """Return the step counter where AdamW keeps it: beside the weight if fused, else on the CPU."""
    fused = optimizer.defaults.get("fused") or optimizer.defaults.get("capturable")
    return value.to(parameter.device, copy=True) if fused else value.clone()
