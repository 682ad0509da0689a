"""A model of a few thousand weights, and steps on random rows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from trainer_core.engine.companions import companions_of
from trainer_core.engine.distributed import World
from trainer_core.engine.saver import SaveProblem, Saver
from trainer_core.engine.snapshot import take_snapshot
from trainer_core.run.storage.checkpoints import FOLDER

ALONE = World()


def small_model(seed: int = 0) -> GPT2LMHeadModel:
    """Return a two-block GPT-2 with weights drawn from `seed`."""
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=64,
        n_positions=32,
        n_embd=16,
        n_layer=2,
        n_head=2,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config)


def optimizer_of(model: torch.nn.Module) -> torch.optim.AdamW:
    """Return fused AdamW with a rate that moves the weights visibly."""
    return torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)


def train(model: torch.nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> list[float]:
    """Take steps on rows drawn from torch's generator, so that its state matters."""
    losses = []
    for _ in range(steps):
        ids = torch.randint(0, 64, (2, 8))
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def save(
    run: Path,
    step: int,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    keep: int = 2,
    facts: dict[str, Any] | None = None,
    world: World = ALONE,
    attempt: int = 1,
) -> SaveProblem | None:
    """Save a checkpoint and wait for it; every rank of `world` calls it."""
    (run / FOLDER).mkdir(exist_ok=True)
    saver = Saver(
        run,
        world=world,
        attempt=attempt,
        keep=keep,
        companions=companions_of(model, None, None, scratch=run / FOLDER),
        on_saved=lambda info: None,
    )
    facts = {"position": step * 4} if facts is None else facts
    saver.start(take_snapshot(step, model, optimizer, world=world, facts=facts), time.monotonic())
    return saver.wait()


def states_of(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return `<parameter name>|<state name>` → whole tensor."""
    return take_snapshot(0, model, optimizer, world=ALONE, facts={}).states
