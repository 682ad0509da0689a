"""Small models, documents and run folders for the engine's tests."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from trainer_core.engine.data.token_rows import TokenRows

VOCABULARY = 96

WORDS = "read write open close first last value index number list name path".split()


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is read from or left in the user's folders; handlers and threads are put back."""
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MOAI_TUI_RENDEZVOUS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    torch.set_num_threads(1)
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def small_model(kind: str, attention: str | None = None, **changes: Any) -> Any:
    """Return a two-layer model of an architecture, the same weights every time."""
    from trainer_core.engine import attention as document_attention

    document_attention.register()
    attention = attention or document_attention.NAME
    torch.manual_seed(3)
    if kind == "gpt2":
        from transformers import GPT2Config, GPT2LMHeadModel

        config = GPT2Config(
            **{
                "vocab_size": VOCABULARY,
                "n_positions": 64,
                "n_embd": 32,
                "n_layer": 2,
                "n_head": 4,
                "resid_pdrop": 0.0,
                "embd_pdrop": 0.0,
                "attn_pdrop": 0.0,
                "bos_token_id": 0,
                "eos_token_id": 0,
                **changes,
            }
        )
        config._attn_implementation = attention
        return GPT2LMHeadModel(config)
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        **{
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 64,
            "max_position_embeddings": 64,
            "pad_token_id": 0,
            **changes,
        }
    )
    config._attn_implementation = attention
    return getattr(transformers, f"{kind}ForCausalLM")(config)


def some_documents(lengths: list[int], seed: int = 0) -> TokenRows:
    """Return random documents; the second half of each counts in the loss."""
    draw = np.random.default_rng(seed)
    sizes = np.array(lengths, dtype=np.int64)
    counted = np.concatenate([np.arange(size) >= max(1, size // 2) for size in lengths])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    counted_lengths = np.add.reduceat(counted.astype(np.int64), starts)
    return TokenRows(
        tokens=draw.integers(1, VOCABULARY, int(sizes.sum())).astype(np.uint16),
        counted=counted.astype(np.uint8),
        starts=starts,
        lengths=sizes,
        counted_lengths=counted_lengths,
        counted_bytes=counted_lengths * 3,
    )


def gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return copies of all gradients by name and clear them."""
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def relative_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Return the largest difference between equal-named tensors, relative to their norm."""
    assert one.keys() == other.keys()
    scale = max(float(tensor.norm()) for tensor in other.values())
    return max(float((one[name] - other[name]).norm()) / scale for name in one)


@pytest.fixture
def make_model() -> Callable[..., Any]:
    return small_model


@pytest.fixture
def make_documents() -> Callable[..., TokenRows]:
    return some_documents


@pytest.fixture
def take_gradients() -> Callable[[torch.nn.Module], dict[str, torch.Tensor]]:
    return gradients


@pytest.fixture
def difference() -> Callable[..., float]:
    return relative_difference


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of run folders: a two-layer GPT-2 on 60 rows made of a dozen words."""

    def make(name: str = "run", **changes: Any) -> Path:
        from trainer_core.run.config.config_file import dump_config
        from trainer_core.run.config.run_config import RunConfig

        data = tmp_path / "rows.jsonl"
        if not data.exists():
            rows = [
                {
                    "prompt": f"{WORDS[n % 12]} {WORDS[(n * 5) % 12]}",
                    "completion": " ".join(WORDS[(n * k) % 12] for k in range(1, 3 + n % 9)),
                }
                for n in range(60)
            ]
            data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        model = tmp_path / "model"
        if not model.exists():
            from trainer_core.engine.data.tokenizer import load_tokenizer

            tokenizer = load_tokenizer("tiny")
            small_model("gpt2", vocab_size=len(tokenizer), n_positions=128).save_pretrained(model)
            tokenizer.save_pretrained(model)
        settings: dict[str, Any] = {
            "model": str(model),
            "dataset": str(data),
            "sequence_length": 64,
            "global_batch_size": 8,
            "micro_batch_size": 4,
            "learning_rate": 5e-3,
            "steps": 4,
            "data": {"eval_fraction": 0.1},
            "checkpoint": {"every_steps": 0},
            "eval": {"every_steps": 0},
            "sample": {"count": 1, "new_tokens": 4},
            **changes,
        }
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.yaml").write_text(dump_config(msgspec.convert(settings, RunConfig)))
        return folder

    return make


@pytest.fixture
def read_events() -> Callable[[Path], list[dict[str, Any]]]:
    """Return a reader of a run's own events, in order."""

    def read(folder: Path, kind: str | None = None) -> list[dict[str, Any]]:
        lines = (folder / "events.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        return [event for event in events if kind is None or event["type"] == kind]

    return read
