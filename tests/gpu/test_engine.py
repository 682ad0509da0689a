"""The engine on a CUDA card: the kernel for documents, compiled blocks, a real step.

Runs without Textual, with torch 2.11 and transformers 5.17: `python -m pytest -m gpu tests/gpu`.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.timeout(600),
]


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MOAI_TUI_RENDEZVOUS"):
        monkeypatch.delenv(name, raising=False)
    yield
    # Deterministic kernels are a setting of the whole process.
    torch.use_deterministic_algorithms(False)


def train(folder: Path, **changes: Any) -> list[dict[str, Any]]:
    """Run one rank in this process and return its events."""
    from trainer_core.engine import rank
    from trainer_core.run.config.config_file import dump_config
    from trainer_core.run.config.run_config import RunConfig

    settings: dict[str, Any] = {
        "model": "tiny",
        "from_scratch": True,
        "dataset": "python-stdlib",
        "sequence_length": 256,
        "global_batch_size": 8,
        "learning_rate": 1e-3,
        "steps": 12,
        "checkpoint": {"every_steps": 0},
        "eval": {"every_steps": 0},
        "sample": {"count": 0},
        **changes,
    }
    folder.mkdir()
    config = msgspec.convert(settings, RunConfig)
    (folder / "config.yaml").write_text(dump_config(config))
    code = rank.main(folder)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert code == 0, events[-1]
    return events


def losses(events: list[dict[str, Any]]) -> list[float]:
    return [event["train_loss"] for event in events if event["type"] == "step"]


@pytest.mark.parametrize("key_value_heads", [4, 2])
@pytest.mark.parametrize("window", [None, 9])
def test_the_kernel_equals_attention_per_document_in_fp32(key_value_heads, window):
    from trainer_core.engine import attention

    device = torch.device("cuda")
    assert attention.varlen_available(device)
    lengths = (5, 33, 1, 25)
    torch.manual_seed(0)
    shapes = [(1, heads, sum(lengths), 32) for heads in (4, key_value_heads, key_value_heads)]
    rough = [torch.randn(shape, device=device, dtype=torch.bfloat16) for shape in shapes]
    kernel = [tensor.clone().requires_grad_() for tensor in rough]
    exact = [tensor.float().requires_grad_() for tensor in rough]
    # The last two documents are empty, as they are where shapes are kept constant.
    ends = torch.tensor([0, 5, 38, 39, 64, 64, 64], device=device, dtype=torch.int32)
    module = torch.nn.Module()
    shared = {"scaling": 0.2, "sliding_window": window}
    one, _ = attention.document_attention(
        module, *kernel, None, **shared, **attention.document_arguments(lengths, ends, longest=64)
    )
    other, _ = attention.document_attention(
        module, *exact, None, **shared, **attention.document_arguments(lengths)
    )
    assert one.shape == other.shape == (1, 64, 4, 32)
    assert torch.allclose(one.float(), other, atol=0.02)
    weights = torch.randn_like(other)
    (one.float() * weights).sum().backward()
    (other * weights).sum().backward()
    for rounded, whole in zip(kernel, exact, strict=True):
        error = (rounded.grad.float() - whole.grad).norm() / whole.grad.norm()
        assert float(error) < 0.02


def test_queries_in_fp32_reach_the_kernel_as_bf16():
    """As rotary embeddings leave them under autocast."""
    from trainer_core.engine import attention

    torch.manual_seed(0)
    tensors = [torch.randn(1, 2, 16, 32, device="cuda") for _ in range(3)]
    tensors[2] = tensors[2].bfloat16()
    ends = torch.tensor([0, 7, 16], device="cuda", dtype=torch.int32)
    arguments = attention.document_arguments((7, 9), ends, longest=16)
    found, _ = attention.document_attention(torch.nn.Module(), *tensors, None, **arguments)
    assert found.dtype == torch.bfloat16
    assert torch.isfinite(found).all()


def test_a_compiled_bf16_run_learns_what_an_fp32_run_learns(tmp_path):
    compiled = train(tmp_path / "bf16")
    exact = train(tmp_path / "fp32", precision="fp32")
    names = [event["name"] for event in compiled if event["type"] == "phase"]
    assert "compiling" in names
    assert names.index("compiling") < names.index("training")
    for one, other in zip(losses(compiled), losses(exact), strict=True):
        assert one == pytest.approx(other, rel=0.02)
    started = next(event for event in compiled if event["type"] == "run_started")
    assert "bf16" in started["plan"]
    steps = [event for event in compiled if event["type"] == "step"]
    assert all(step["peak_memory_bytes"] for step in steps[1:])
    assert all(step["padded_tokens"] == 8 * 256 for step in steps)


def test_the_same_seed_gives_the_same_digits_on_a_card(tmp_path):
    assert losses(train(tmp_path / "one")) == losses(train(tmp_path / "two"))


def test_compiling_and_recomputation_hardly_show(tmp_path, monkeypatch):
    compiled = losses(train(tmp_path / "compiled"))
    again = losses(train(tmp_path / "recomputed", parallel={"recomputation": "blocks"}))
    monkeypatch.setenv("MOAI_TUI_COMPILE", "0")
    eager = losses(train(tmp_path / "eager"))
    for curve in (again, eager):
        assert max(abs(a - b) for a, b in zip(curve, compiled, strict=True)) < 0.05


def test_nothing_is_compiled_after_the_first_steps(tmp_path):
    from torch._dynamo.utils import counters

    counters.clear()
    torch._dynamo.reset()
    with torch._dynamo.config.patch(recompile_limit=4, fail_on_recompile_limit_hit=True):
        train(tmp_path / "fixed", steps=8)
    assert not counters["graph_break"], dict(counters["graph_break"])


def test_a_loss_that_is_no_number_leaves_the_weights_on_the_card():
    from trainer_core.engine.optimizer import build_optimizer, gradient_norm, guarded_step
    from trainer_core.run.config.run_config import OptimizerConfig

    network = torch.nn.Linear(8, 8, device="cuda")
    optimizer = build_optimizer(network, OptimizerConfig(), 0.1)
    before = network.weight.detach().clone()
    network(torch.ones(2, 8, device="cuda")).sum().backward()
    network.weight.grad[0, 0] = math.nan
    guarded_step(optimizer, torch.ones((), device="cuda"), gradient_norm(network.parameters()), 1.0)
    assert torch.equal(network.weight, before)


@pytest.mark.skipif(os.environ.get("MOAI_TUI_QUICK") == "1", reason="takes a minute")
def test_111m_from_scratch_takes_steps_and_tells_its_mfu(tmp_path):
    events = train(
        tmp_path / "111m",
        model="cerebras-gpt-111m",
        from_scratch=True,
        sequence_length=1024,
        global_batch_size=32,
        learning_rate=6e-4,
        steps=20,
    )
    curve = losses(events)
    assert curve[-1] < curve[0] - 2
    late = [event for event in events if event["type"] == "step"][10:]
    if "H100" in torch.cuda.get_device_name():
        assert all(0 < step["mfu"] < 1 for step in late)
    speeds = [step["tokens_per_second"] for step in late]
    peak = max(step["peak_memory_bytes"] for step in late)
    median = sorted(speeds)[len(speeds) // 2]
    print(f"111M: {median:,.0f} tokens/s, mfu {late[-1]['mfu']}, {peak / 2**30:.1f} GiB")
