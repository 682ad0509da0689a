"""Counted tokens per second of a full fine-tune on one card, ours and the peers', on the same rows.

    python benchmarks/train_speed.py 1.3b/32 1.3b/8/tutorial 1.3b/8/hf 13b/6

Each argument is model/rows a step[/way]; ways are `ours`, `plain` (our numerics: plain), `bf16`
(no fp8), `tutorial` or `hf`. Each runs in its own process. The formula is printed with the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from own_process import result_of, tell

FORMULA = (
    "tokens/s = tokens without padding, prompts included, over device time of whole steps "
    "(median step; the waits for data are in it); mfu = (6 N + 12 L d s) x tokens/s / dense bf16 "
    "peak, N in matrix products with the tied head once, s = sum of squared document lengths over "
    "sum of lengths, fp8 too against the bf16 peak"
)

WARM_STEPS = 3

LENGTH = 1024

LLAMA_1B = {
    "num_hidden_layers": 16,
    "hidden_size": 2048,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 8192,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}


def main() -> int:
    """Run what is asked for and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="MODEL/ROWS[/WAY]")
    parser.add_argument("--steps", type=int, default=10, help="timed steps")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON lines are appended to it")
    parser.add_argument("--profile", type=Path, help="folder for one profile a run")
    parser.add_argument("--limit", type=float, default=150, help="seconds a run may take")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        tell(measure(options.runs[0], options))
        return 0
    print(FORMULA)
    results = []
    for run in options.runs * options.repeat:
        result = started(run, options)
        results.append(result)
        print(line_of(result), flush=True)
        if options.out:
            with options.out.open("a") as file:
                file.write(json.dumps(result) + "\n")
    return 1 if any("error" in result for result in results) else 0


def started(run: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process of its own, so that nothing of one run is left to the next."""
    command = [sys.executable, __file__, run, "--here", "--steps", str(options.steps)]
    if options.profile:
        command += ["--profile", str(options.profile)]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([os.getcwd(), *sys.path]))
    return {"run": run} | result_of(command, limit_seconds=options.limit, environment=environment)


def line_of(result: dict[str, Any]) -> str:
    """Return one line of the table."""
    if "error" in result:
        return f"{result['run']:22} FAILED {result['error']}"
    mfu = f"{result['mfu']:.1%}" if result.get("mfu") else "–"
    loss = [f"{result[name]:.3f}" if result[name] else "–" for name in ("first_loss", "last_loss")]
    return (
        f"{result['run']:22} {result['tokens_per_second']:>9,.0f} tok/s  mfu {mfu:>6}  "
        f"{result['peak_gib']:5.1f} GiB  loss {loss[0]} → {loss[1]}  first step after "
        f"{result['ready_seconds']:.0f} s  {result.get('plan', '')}"
    )


def measure(run: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one run in this process."""
    from trainer_core.engine.rank import keep_compiled_kernels

    began = time.perf_counter()
    keep_compiled_kernels()
    name, rows, *rest = run.split("/")
    way = rest[0] if rest else "ours"
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("MOAI_TUI_HOME", scratch)
        config = config_of(name, int(rows), way, options.steps + WARM_STEPS, Path(scratch))
        if way in ("tutorial", "hf"):
            result = measure_peer(config, way, int(rows), options.steps, Path(scratch))
        else:
            result = measure_ours(config, Path(scratch), began, options)
    import torch

    facts = {"device": torch.cuda.get_device_name(), "torch": torch.__version__}
    return {"run": run, "ready_seconds": time.perf_counter() - began, **facts, **result}


def products_of(name: str, way: str) -> str:
    """Return the products a fine-tune of that size gets by itself: weights are fresh only here."""
    if way in ("bf16", "fp8"):
        return way
    return "auto" if name == "111m" else "fp8"


def config_of(name: str, rows: int, way: str, steps: int, scratch: Path) -> Any:
    """Return the configuration of a run: fresh weights, built-in data, prompts trained on."""
    import msgspec

    from trainer_core.run.config.run_config import RunConfig

    model = f"cerebras-gpt-{name}"
    if name == "llama-1b":
        from transformers import LlamaConfig

        from trainer_core.engine.data.tokenizer import load_tokenizer

        tokenizer = load_tokenizer("cerebras-gpt-111m")
        model = str(scratch / "llama-1b")
        shape = LlamaConfig(vocab_size=len(tokenizer), **LLAMA_1B)
        shape.architectures = ["LlamaForCausalLM"]
        shape.save_pretrained(model)
        tokenizer.save_pretrained(model)
    settings = {
        "model": model,
        "from_scratch": True,
        "dataset": "python-stdlib",
        "sequence_length": LENGTH,
        "global_batch_size": rows,
        "micro_batch_size": rows,
        "learning_rate": 1e-4,
        "steps": steps,
        "numerics": "plain" if way == "plain" else "auto",
        "products": products_of(name, way),
        "data": {"train_on_prompt": True},
        "optimizer": {"warmup_steps": 10},
        "checkpoint": {"every_steps": 0},
        "eval": {"every_steps": 0},
        "sample": {"count": 0},
    }
    return msgspec.convert(settings, RunConfig)


def measure_ours(
    config: Any, folder: Path, began: float, options: argparse.Namespace
) -> dict[str, Any]:
    """Train with the engine itself and read its own events."""
    import torch

    from trainer_core.engine import setup
    from trainer_core.engine.device import choose_device
    from trainer_core.engine.distributed import World
    from trainer_core.engine.reporting import Reporter
    from trainer_core.engine.trainer import Trainer
    from trainer_core.engine.wishes import Wishes

    reporter = Reporter(folder, rank=0, attempt=1)
    device = choose_device(0)
    parts = setup.build(config, folder, world=World(), device=device, reporter=reporter)
    built = time.perf_counter() - began
    wishes = Wishes(folder, leads=True)
    trainer = Trainer(parts, folder, reporter=reporter, wishes=wishes, attempt=1)
    trainer._outcomes.save = lambda step: None  # the one after step 1 takes a minute at 13B
    trainer.train()
    torch.cuda.synchronize()
    reporter.close()
    peak = torch.cuda.max_memory_allocated() / 2**30
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    steps = [event for event in events if event["type"] == "step"]
    timed = steps[WARM_STEPS:]
    seconds = [step["step_seconds"] for step in timed]
    median, tokens = statistics.median(seconds), statistics.mean(step["tokens"] for step in timed)
    mfu = [step["mfu"] * step["step_seconds"] for step in timed if step.get("mfu")]
    if options.profile:
        write_profile(trainer, len(steps) + 2, options.profile, config)
    return {
        "tokens_per_second": tokens / median,
        "padded_tokens_per_second": statistics.mean(s["padded_tokens"] for s in timed) / median,
        "data_wait_share": sum(s["data_seconds"] for s in timed) / sum(seconds),
        "mfu": statistics.mean(mfu) / median if mfu else None,
        "peak_gib": peak,
        "reserved_gib": torch.cuda.max_memory_reserved() / 2**30,
        "predicted_gib": (parts.settled.memory_bytes or 0) / 2**30 or None,
        "first_loss": steps[0]["train_loss"],
        "last_loss": steps[-1]["train_loss"],
        "grad_norm": steps[-1]["grad_norm"],
        "step_seconds": seconds,
        "built_seconds": built,
        "first_step_seconds": [step["step_seconds"] for step in steps[:2]],
        "phases": phases_of(events),
        "plan": parts.settled.plan_line(parts.numerics.word),
        "choices": list(parts.settled.choices),
    }


def phases_of(events: list[dict[str, Any]]) -> dict[str, float]:
    """Return the seconds from the first event to the first of each kind and phase."""
    found: dict[str, float] = {}
    for event in events:
        name = event["name"] if event["type"] == "phase" else event["type"]
        found.setdefault(name, round(event["mono"] - events[0]["mono"], 1))
    return found


def write_profile(trainer: Any, step: int, folder: Path, config: Any) -> None:
    """Write which kernels two more steps spent their time in, and how long the card was idle."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        trainer._train_step(step)
        trainer._train_step(step + 1)
    table = profiler.key_averages().table(
        sort_by="self_cuda_time_total", row_limit=70, max_name_column_width=120
    )
    kernels = sorted((e.time_range.start, e.time_range.end) for e in profiler.events())
    idle, ended = [], kernels[0][0]
    for start, end in kernels:
        idle.append(max(0.0, start - ended))
        ended = max(ended, end)
    span = ended - kernels[0][0]
    gaps = " ".join(f"{gap:.0f}" for gap in sorted(idle, reverse=True)[:20])
    head = (
        f"two steps: {span / 1e3:.1f} ms from the first kernel to the last, idle "
        f"{sum(idle) / 1e3:.1f} ms in {len(kernels)} kernels; longest gaps in microseconds: {gaps}"
    )
    name = f"profile-{Path(config.model).name}-{trainer._settled.global_batch_size}.txt"
    (folder / name).write_text(f"{head}\n{table}")
    print(head, file=sys.stderr)


def measure_peer(config: Any, way: str, rows: int, steps: int, scratch: Path) -> dict[str, Any]:
    """Train the same network on the same rows in a peer's way."""
    from benchmarks.peer_loops import LOOPS, WARM_STEPS, fresh_peer

    model, documents = fresh_peer(config)
    more = {"folder": str(scratch / "peer")} if way == "hf" else {}
    return LOOPS[way](model, documents, length=LENGTH, rows=rows, steps=steps + WARM_STEPS, **more)


if __name__ == "__main__":
    raise SystemExit(main())
