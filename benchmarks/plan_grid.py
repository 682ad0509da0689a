"""Predicted peak and speed against measured ones, over a grid of models, methods and lengths.

    python benchmarks/plan_grid.py --grid card --out grid.jsonl
    python benchmarks/plan_grid.py --grid cpu --ranks 2
    python benchmarks/plan_grid.py cerebras-gpt-1.3b/full/1024/8/plain tiny/lora/256/4

A point is MODEL/METHOD/LENGTH/MICRO[/NUMERICS][/STRATEGY]. On a card the points of one model are
measured in one process, engine alone, no checkpoint; on a CPU each point is a run of its own with
its ranks, checkpoints included, as a user's. Errors are measured against predicted: positive where
the run took more memory, or was faster, than was said.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from own_process import result_of, tell

WARM_STEPS = 2

CPU_POINTS = [
    f"4x192/{method}/{length}/{micro}"
    for method in ("full", "lora")
    for length, micro in ((256, 2), (256, 8), (1024, 4))
] + [
    f"{model}/full/{length}/{micro}"
    for model in ("4x256", "8x512")
    for length, micro in ((256, 4), (512, 4))
]
"""`LAYERSxWIDTH` is a GPT-2 with the small vocabulary of `tiny`, made for the measurement."""

CARD_MODELS = {
    "tiny": ((256, 64), (1024, 16)),
    "cerebras-gpt-111m": ((256, 32), (1024, 16), (2048, 8)),
    "cerebras-gpt-590m": ((256, 16), (1024, 8), (2048, 8)),
    "cerebras-gpt-1.3b": ((256, 16), (512, 8), (1024, 8), (2048, 4)),
    "cerebras-gpt-2.7b": ((512, 8), (1024, 4), (2048, 2)),
    "cerebras-gpt-6.7b": ((512, 4), (1024, 8), (2048, 2)),
    "cerebras-gpt-13b": ((256, 8), (1024, 4), (2048, 2)),
}
PLAIN_FITS = ("tiny", "cerebras-gpt-111m", "cerebras-gpt-590m", "cerebras-gpt-1.3b",
              "cerebras-gpt-2.7b")  # fmt: skip
"""Models whose full fine-tune with fp32 weights, gradients and states fits 80 GB."""


def card_points() -> Iterator[str]:
    """Yield the grid of one 80 GB card, the points of a model one after the other."""
    for model, sizes in CARD_MODELS.items():
        for length, micro in sizes:
            yield f"{model}/full/{length}/{micro}/auto"
            if model in PLAIN_FITS:
                yield f"{model}/full/{length}/{max(1, micro // 2)}/plain"
            yield f"{model}/lora/{length}/{micro}/plain"


def main() -> int:
    """Measure the points and print one line for each, then the largest errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("points", nargs="*", metavar="MODEL/METHOD/LENGTH/MICRO")
    parser.add_argument("--grid", choices=("card", "cpu"))
    parser.add_argument("--ranks", type=int, default=1, help="CPU ranks of each point")
    parser.add_argument("--steps", type=int, default=4, help="timed steps, after two warm ones")
    parser.add_argument("--out", type=Path, help="JSON lines are appended to it")
    parser.add_argument("--limit", type=float, default=240, help="seconds of one process")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    points = options.points or list(card_points() if options.grid == "card" else CPU_POINTS)
    if options.here:
        tell({"points": [measured_on_card(point, options.steps) for point in points]})
        return 0
    results: list[dict[str, Any]] = []
    for found in _on_card(points, options) if options.grid == "card" else _on_cpu(points, options):
        results.append(found)
        print(line_of(found), flush=True)
        if options.out:
            with options.out.open("a") as file:
                file.write(json.dumps(found) + "\n")
    for name in ("memory", "speed"):
        errors = [found[f"{name}_error"] for found in results if f"{name}_error" in found]
        if errors:
            worst = max(errors, key=abs)
            mean = statistics.mean(map(abs, errors))
            print(f"{name}: {len(errors)} points, mean |error| {mean:.1%}, largest {worst:+.1%}")
    return 0


def _on_card(points: list[str], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for _, group in groupby(points, key=lambda point: point.partition("/")[0]):
        some = list(group)
        command = [sys.executable, __file__, *some, "--here", "--steps", str(options.steps)]
        path = os.pathsep.join([os.getcwd(), *sys.path])
        found = result_of(command, limit_seconds=options.limit,
                          environment=dict(os.environ, PYTHONPATH=path))  # fmt: skip
        if "error" in found:
            yield {"point": f"{some[0]} …", "error": found["error"]}
        yield from found.get("points", ())


def _on_cpu(points: list[str], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for point in points:
        with tempfile.TemporaryDirectory() as scratch:
            yield measured_on_cpu(point, options.ranks, options.steps, Path(scratch))


def line_of(found: dict[str, Any]) -> str:
    """Return one line of the table."""
    if "error" in found:
        return f"{found['point']:40} FAILED {found['error'][-200:]}"
    mib = 2**20
    speed = ""
    if "speed_error" in found:
        rate, said = found["tokens_per_second"], found["predicted_tokens_per_second"]
        speed = f"  {rate:>9,.0f} of {said:>9,.0f} tok/s {found['speed_error']:+6.1%}"
    peak, said = found["peak"] / mib, found["predicted"] / mib
    error = found["memory_error"]
    return (
        f"{found['point']:40} {peak:>9,.0f} of {said:>9,.0f} MiB {error:+6.1%}{speed}"
        f"  {found['plan']}"
    )


def compared(point: str, plan: Any, peak: int, rate: float | None) -> dict[str, Any]:
    """Return a point's figures beside what the plan said of them."""
    found = {
        "point": point,
        "plan": plan.line,
        "peak": peak,
        "predicted": plan.memory.total,
        "memory_error": peak / plan.memory.total - 1,
    }
    if rate and plan.tokens_per_second:
        found |= {
            "tokens_per_second": rate,
            "predicted_tokens_per_second": plan.tokens_per_second,
            "speed_error": rate / plan.tokens_per_second - 1,
        }
    return found


def settings_of(point: str, steps: int, scratch: Path, ranks: int = 1) -> dict[str, Any]:
    """Return the configuration of a point: two micro-batches a step on a CPU, one on a card."""
    model, method, length, micro, *rest = point.split("/")
    words = set(rest)
    numerics = "auto" if "auto" in words else "plain"
    strategy = next(iter(words & {"ddp", "fsdp"}), "auto")
    return {
        "model": made(model, scratch) if model[0].isdigit() else model,
        "from_scratch": model != "tiny",
        "dataset": "python-stdlib",
        "method": method,
        "sequence_length": int(length),
        "global_batch_size": int(micro) * ranks,
        "micro_batch_size": int(micro),
        "learning_rate": 1e-4,
        "steps": steps + WARM_STEPS,
        "numerics": numerics,
        "parallel": {"strategy": strategy, "recomputation": "none"}
        if numerics == "plain"
        else {"strategy": strategy},
        "data": {"train_on_prompt": True},
        "checkpoint": {"every_steps": 0},
        "eval": {"every_steps": 0},
        "sample": {"count": 0},
    }


def made(name: str, scratch: Path) -> str:
    """Write the folder of a GPT-2 of so many layers and such a width; returns its path."""
    from trainer_core.engine.data.tokenizer import load_tokenizer

    tokenizer = load_tokenizer("tiny")
    layers, width = (int(part) for part in name.split("x"))
    shape = {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "n_layer": layers,
        "n_embd": width,
        "n_head": width // (64 if width % 64 == 0 else 32),
        "n_positions": 1024,
        "vocab_size": len(tokenizer),
        # With dropout attention would keep its scores.
        **dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.0),
    }
    folder = scratch / name
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(shape))
    tokenizer.save_pretrained(folder)
    return str(folder)


def measured_on_cpu(point: str, ranks: int, steps: int, scratch: Path) -> dict[str, Any]:
    """Run a point as a user would and compare its summary with the plan."""
    environment = dict(
        os.environ, MOAI_TUI_HOME=str(scratch / "home"), MOAI_TUI_CPU_DEVICES=str(ranks),
        PYTHONPATH=os.pathsep.join([os.getcwd(), *sys.path]),
    )  # fmt: skip
    import yaml

    settings = settings_of(point, steps, scratch, ranks)
    settings |= {"size": {1: "Small", 2: "Medium", 4: "Large"}[ranks], "name": "point"}
    path = scratch / "run.yaml"
    path.write_text(yaml.safe_dump(settings))
    program = [sys.executable, "-m", "moai_tui"]
    asked = subprocess.run(
        [*program, "plan", str(path), "--json"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    run = subprocess.run(
        [*program, "train", str(path), "--foreground", "--json"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    shown = subprocess.run(
        [*program, "events", "point", "--json"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if asked.returncode or run.returncode:
        return {"point": point, "error": (asked.stderr or run.stderr or run.stdout)[-300:]}
    choice = json.loads(asked.stdout)["choice"]
    events = [json.loads(line) for line in shown.stdout.splitlines()]
    timed = [event for event in events if event["type"] == "step"][WARM_STEPS:]
    peak = max(event.get("peak_memory_bytes") or 0 for event in timed)
    rate = statistics.median(event["padded_tokens_per_second"] for event in timed)
    return {
        "point": point,
        "plan": choice["plan"]["line"],
        "split": choice["plan"]["memory_bytes"],
        "peak": peak,
        "predicted": choice["peak_memory_bytes"],
        "memory_error": peak / choice["peak_memory_bytes"] - 1,
        "tokens_per_second": rate,
        "predicted_tokens_per_second": choice["tokens_per_second"],
        "speed_error": rate / choice["tokens_per_second"] - 1,
    }


def measured_on_card(point: str, steps: int) -> dict[str, Any]:
    """Train a point in this process, without checkpoints, and leave the card empty."""
    import torch

    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    torch._dynamo.reset()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            os.environ["MOAI_TUI_HOME"] = scratch
            return _trained(point, steps, Path(scratch))
    except Exception as error:  # one point's failure is its result
        return {"point": point, "error": f"{type(error).__name__}: {error}"}


def _trained(point: str, steps: int, scratch: Path) -> dict[str, Any]:
    import msgspec
    import torch

    from trainer_core.accelerators.inventory import read_devices
    from trainer_core.engine import setup
    from trainer_core.engine.device import choose_device
    from trainer_core.engine.distributed import World
    from trainer_core.engine.reporting import Reporter
    from trainer_core.engine.trainer import Trainer
    from trainer_core.engine.wishes import Wishes
    from trainer_core.plan.hardware import hardware_from
    from trainer_core.plan.search import plan_of
    from trainer_core.run.config.run_config import RunConfig
    from trainer_core.run.config.workload import layout_of, workload_of

    before = hardware_from(read_devices().devices)
    config = msgspec.convert(settings_of(point, steps, scratch), RunConfig)
    reporter = Reporter(scratch, rank=0, attempt=1)
    parts = setup.build(config, scratch, world=World(), device=choose_device(0), reporter=reporter)
    trainer = Trainer(
        parts, scratch, reporter=reporter, wishes=Wishes(scratch, leads=True), attempt=1
    )
    trainer._outcomes.save = lambda step: None  # a checkpoint of 13B takes a minute
    trainer.train()
    torch.cuda.synchronize()
    reporter.close()
    events = [json.loads(line) for line in (scratch / "events.jsonl").read_text().splitlines()]
    timed = [event for event in events if event["type"] == "step"][WARM_STEPS:]
    shape = parts.loaded.shape
    assert before is not None
    plan = plan_of(workload_of(config, shape, before), before, layout_of(config, shape, 1))
    rate = statistics.median(event["padded_tokens_per_second"] for event in timed)
    found = compared(point, plan, torch.cuda.max_memory_reserved(), rate)
    settled = parts.settled.memory_bytes
    return found | {"device": torch.cuda.get_device_name(), "engine_predicted": settled}


if __name__ == "__main__":
    raise SystemExit(main())
