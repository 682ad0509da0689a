"""On a card: adapters learn the same over frozen weights whose products run in fp8 as in bf16."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from trainer_core.engine import rank

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card"),
    pytest.mark.timeout(600),
]

SETTINGS = """
model: cerebras-gpt-111m
from_scratch: true
dataset: python-stdlib
method: lora
lora: {rank: 16}
numerics: auto
sequence_length: 256
global_batch_size: 8
learning_rate: 1.0e-3
steps: 6
checkpoint: {every_steps: 0}
eval: {every_steps: 0}
sample: {count: 0}
"""


def events_of(folder: Path, products: str) -> list[dict[str, Any]]:
    """Run one rank in this process and return its events."""
    folder.mkdir()
    (folder / "config.yaml").write_text(f"{SETTINGS}products: {products}\n")
    code = rank.main(folder)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert code == 0, events[-1]
    return events


def test_frozen_products_in_fp8_learn_what_bf16_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    losses = {}
    for products in ("bf16", "fp8"):
        events = events_of(tmp_path / products, products)
        (started,) = [event for event in events if event["type"] == "run_started"]
        said = any("fp8 products with the frozen" in choice for choice in started["choices"])
        assert said is (products == "fp8")
        losses[products] = [event["train_loss"] for event in events if event["type"] == "step"]
    torch.use_deterministic_algorithms(False)
    assert losses["fp8"] == pytest.approx(losses["bf16"], rel=0.01)
    assert losses["fp8"] != losses["bf16"]
