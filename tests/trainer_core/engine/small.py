"""A model of a few thousand weights, and steps on random rows."""

from __future__ import annotations

import torch
from transformers import GPT2Config, GPT2LMHeadModel


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
