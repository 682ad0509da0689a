"""Whether the fast path learns as well as fp32 weights with AdamW: paired seeds, same data order.

    python benchmarks/equal_learning.py finetune scratch --arms plain auto all --jobs 6

Each seed runs once in every arm, in a process of its own. `plain` is the reference (fp32 weights
and states, products in bf16 under autocast, gradients clipped by their global norm), `auto` what
`numerics: auto` picks for this size, `all` everything the fast path can do at once: fp8 products,
states in 8 bits, weights stepped inside the backward pass and clipped by an estimate of the norm.
`fp8`, `states` and `inside` do one of these, `small` fp8 products and 8-bit states.
`gradients` instead of a task writes down the relative error of a step's gradients by block.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from own_process import result_of, tell


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What is trained, and how near the means must be."""

    settings: dict[str, Any]
    limit: float
    """Largest mean difference of eval loss, as a share."""


SHARED = {
    "sequence_length": 1024,
    "global_batch_size": 8,
    "micro_batch_size": 8,
    "checkpoint": {"every_steps": 0},
    "eval": {"every_steps": 0},
    "sample": {"count": 0},
}

TASKS = {
    "finetune": Task(
        settings={"model": "smollm2-135m", "learning_rate": 1e-4, "steps": 90},
        limit=0.005,
    ),
    "scratch": Task(
        settings={
            "model": "cerebras-gpt-111m",
            "from_scratch": True,
            "global_batch_size": 6,
            "micro_batch_size": 6,
            "learning_rate": 6e-4,
            "steps": 1000,
            "data": {"train_on_prompt": True},
        },
        limit=0.01,
    ),
}

WARMUP = {"finetune": 15, "scratch": 100}

ARMS: dict[str, dict[str, Any]] = {
    "plain": {"numerics": "plain"},
    "auto": {"numerics": "auto"},
    "fp8": {"numerics": "auto", "products": "fp8"},
    "states": {"numerics": "auto", "optimizer": {"states": "fp8"}},
    "inside": {"numerics": "auto", "optimizer": {"in_backward": "yes"}},
    "small": {"numerics": "auto", "products": "fp8", "optimizer": {"states": "fp8"}},
    "all": {
        "numerics": "auto",
        "products": "fp8",
        "optimizer": {"states": "fp8", "in_backward": "yes"},
    },
}

TEXT_BYTES = 16_000_000
"""Of Python source that the 111M is trained on: a little more than 1,000 steps read once."""

WAYS: dict[str, dict[str, Any]] = {
    "plain": {"numerics": "plain", "precision": "bf16"},
    "bf16": {"numerics": "auto", "products": "bf16"},
    "fp8": {"numerics": "auto", "products": "fp8"},
}
"""Whose gradients are compared with those in fp32."""


def main() -> int:
    """Run what is asked for and print figures and verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="+", choices=[*TASKS, "gradients"])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--steps", type=int, help="instead of each task's own")
    parser.add_argument("--model", help="instead of each task's own")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time on the card")
    parser.add_argument("--limit", type=float, default=400, help="seconds a run may take")
    parser.add_argument("--out", type=Path, help="JSON lines are appended to it")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here is not None:
        tell(one_run(options.tasks[0], options.here, options))
        return 0
    os.environ.setdefault("MOAI_TUI_HOME", tempfile.mkdtemp())
    fine = True
    for task in options.tasks:
        results = list(all_runs(task, options))
        for line in gradient_lines(results) if task == "gradients" else verdict(task, results):
            print(line)
        fine = fine and all("error" not in result for result in results)
    return 0 if fine else 1


def all_runs(task: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Run every arm of every seed, several at a time; the data is prepared once, before them."""
    if task == "gradients":
        result = started(task, "111m", options)
        keep(result, options)
        yield result
        return
    started(task, "prepare", options)
    wanted = [f"{arm}/{seed}" for seed in options.seeds for arm in options.arms]
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(lambda run: started(task, run, options), wanted):
            print(one_line(task, result), flush=True)
            keep(result, options)
            yield result


def keep(result: dict[str, Any], options: argparse.Namespace) -> None:
    """Append a result to the file that was asked for, at once: the call may be cut off."""
    if options.out:
        with options.out.open("a") as file:
            file.write(json.dumps(result) + "\n")


def started(task: str, run: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run in a process of its own and return what it found."""
    command = [sys.executable, __file__, task, "--here", run]
    for name in ("steps", "model"):
        if getattr(options, name) is not None:
            command += [f"--{name}", str(getattr(options, name))]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([os.getcwd(), *sys.path]))
    return {"task": task, "run": run} | result_of(
        command, limit_seconds=options.limit, environment=environment
    )


def one_run(task: str, run: str, options: argparse.Namespace) -> dict[str, Any]:
    """Do one run in this process: prepare data, compare gradients, or train an arm with a seed."""
    from trainer_core.engine.rank import keep_compiled_kernels

    keep_compiled_kernels()
    if task == "gradients":
        return {"task": task, "run": run, **compared_gradients(options)}
    arm, _, seed = run.partition("/")
    changes = {} if arm == "prepare" else {**ARMS[arm], "seed": int(seed)}
    config = config_of(task, changes, options)
    with tempfile.TemporaryDirectory() as folder:
        if arm == "prepare":
            return {"task": task, "run": run, "tokens": prepared_tokens(config)}
        return {"task": task, "run": run, **trained(config, Path(folder))}


def prepared_tokens(config: Any) -> int:
    """Leave tokens and converted weights in the cache for all runs to find; returns the tokens."""
    import torch

    from trainer_core.engine import pretrained
    from trainer_core.engine.data.prepared import prepare
    from trainer_core.engine.data.tokenizer import load_tokenizer

    source = pretrained.find_source(config.model, from_scratch=config.from_scratch)
    if not source.fresh:
        pretrained.load_weights(
            source, dtype=torch.bfloat16, device=torch.device("cpu"), attention="sdpa"
        )
    return prepare(config, load_tokenizer(config.model)).train.token_count


def config_of(task: str, changes: dict[str, Any], options: argparse.Namespace) -> Any:
    """Return the configuration of one run."""
    import msgspec

    from trainer_core.run.config.run_config import RunConfig

    settings = {**SHARED, **TASKS[task].settings, **changes}
    if task == "scratch":
        settings["dataset"] = str(python_text(Path(os.environ["MOAI_TUI_HOME"])))
    settings |= {name: getattr(options, name) for name in ("steps", "model") if vars(options)[name]}
    warmup = min(WARMUP[task], settings["steps"] // 5)
    settings["optimizer"] = {**settings.get("optimizer", {}), "warmup_steps": warmup}
    return msgspec.convert(settings, RunConfig)


def python_text(folder: Path) -> Path:
    """Return a file of Python sources of the installed packages, made where it is not there."""
    import sysconfig

    file = folder / "python-text.jsonl"
    if file.exists():
        return file
    folder.mkdir(parents=True, exist_ok=True)
    size, lines = 0, []
    for source in sorted(Path(sysconfig.get_paths()["purelib"]).rglob("*.py")):
        text = source.read_text(errors="replace")
        if 500 <= len(text) <= 20_000 and size < TEXT_BYTES:
            lines.append(json.dumps({"text": text}))
            size += len(text)
    partial = file.with_suffix(".partial")
    partial.write_text("\n".join(lines))
    partial.rename(file)
    return file


def trained(config: Any, folder: Path) -> dict[str, Any]:
    """Train with the engine itself; returns eval loss before and after, and how steady it was."""
    from trainer_core.engine.evaluation import evaluate
    from trainer_core.engine.trainer import Trainer
    from trainer_core.engine.wishes import Wishes

    parts, reporter = built(config, folder)

    def held_out(step: int) -> float:
        assert parts.eval_feed is not None
        rows = parts.settled.micro_batch_size
        found = evaluate(
            parts.objective,
            parts.eval_feed,
            step=step,
            rows_at_once=rows,
            progress=lambda done, total: None,
        )
        return found.eval_loss

    before, began = held_out(0), time.perf_counter()
    Trainer(parts, folder, reporter=reporter, wishes=Wishes(folder, leads=True), attempt=1).train()
    seconds = time.perf_counter() - began
    after = held_out(parts.settled.total_steps)
    reporter.close()
    events = map(json.loads, (folder / "events.jsonl").read_text().splitlines())
    steps = [event for event in events if event["type"] == "step"]
    losses = [step["train_loss"] for step in steps]
    norms = [step["grad_norm"] for step in steps]
    return {
        "eval_before": before,
        "eval_loss": after,
        "first_loss": losses[0],
        "largest_rise": largest_rise(losses),
        "median_norm": statistics.median(norms),
        "largest_norm": max(norms[len(norms) // 5 :]),
        "seconds": seconds,
        "tokens": sum(step["tokens"] for step in steps),
        "choices": list(parts.settled.choices),
    }


def built(config: Any, folder: Path) -> tuple[Any, Any]:
    """Return a run ready for its first step, and what takes its events."""
    from trainer_core.engine import setup
    from trainer_core.engine.device import choose_device
    from trainer_core.engine.distributed import World
    from trainer_core.engine.reporting import Reporter

    folder.mkdir(exist_ok=True)
    reporter = Reporter(folder, rank=0, attempt=1)
    device = choose_device(0)
    return setup.build(config, folder, world=World(), device=device, reporter=reporter), reporter


def largest_rise(losses: list[float], window: int = 20) -> float:
    """Return how far the mean loss of a window ever rose above the lowest before it."""
    lowest, rise = float("inf"), 0.0
    for start in range(len(losses) - window + 1):
        mean = statistics.fmean(losses[start : start + window])
        lowest = min(lowest, mean)
        rise = max(rise, mean - lowest)
    return rise


def one_line(task: str, result: dict[str, Any]) -> str:
    """Return one run as a line."""
    if "error" in result:
        return f"{task:9} {result['run']:9} FAILED {result['error']}"
    return (
        f"{task:9} {result['run']:9} eval {result['eval_before']:.4f} → {result['eval_loss']:.4f}  "
        f"first loss {result['first_loss']:.4f}  largest rise {result['largest_rise']:.3f}  "
        f"gradient norm median {result['median_norm']:.2f} largest {result['largest_norm']:.2f}  "
        f"{result['seconds']:.0f} s"
    )


def verdict(task: str, results: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Compare every arm with the reference, seed by seed."""
    found: dict[str, dict[str, float]] = {}
    for result in results:
        arm, _, seed = result["run"].partition("/")
        if "error" not in result:
            found.setdefault(arm, {})[seed] = result["eval_loss"]
    limit = TASKS[task].limit
    reference = found.pop("plain", {})
    for arm, losses in found.items():
        pairs = [(loss, reference[seed]) for seed, loss in losses.items() if seed in reference]
        if len(pairs) < 2:
            continue
        shares = [one / other - 1 for one, other in pairs]
        mean = statistics.fmean(shares)
        error = statistics.stdev(shares) / len(shares) ** 0.5
        near = "within" if abs(mean) <= limit else "NOT within"
        yield (
            f"{task}: {arm} against plain, {len(pairs)} seeds: mean difference {mean:+.3%} of eval "
            f"loss, {near} {limit:.1%}; standard error {error:.3%}, so "
            f"{abs(mean) / error if error else 0:.1f} of them; each "
            + " ".join(f"{share:+.2%}" for share in shares)
        )


def compared_gradients(options: argparse.Namespace) -> dict[str, Any]:
    """Compare one step's gradients of each way with fp32 ones, after some steps of training."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        short = argparse.Namespace(**{**vars(options), "steps": 40})
        parts, reporter = built(config_of("scratch", ARMS["auto"], short), home / "train")
        from trainer_core.engine.trainer import Trainer
        from trainer_core.engine.wishes import Wishes

        wishes = Wishes(home / "train", leads=True)
        Trainer(parts, home / "train", reporter=reporter, wishes=wishes, attempt=1).train()
        weights = {name: value.cpu() for name, value in parts.model.state_dict().items()}
        del parts
        exact = gradients_of("exact", weights, home, options)
        errors = {}
        for way in WAYS:
            torch._dynamo.reset()
            errors[way] = relative_errors(gradients_of(way, weights, home, options), exact)
    return {"errors": errors}


def gradients_of(way: str, weights: Any, home: Path, options: argparse.Namespace) -> Any:
    """Return the gradients of one micro-batch by name, fp32 on the CPU.

    `exact` is fp32 throughout, uncompiled, without TF32.
    """
    import torch

    exact = {"numerics": "plain", "precision": "fp32"}
    config = config_of("scratch", exact if way == "exact" else WAYS[way], options)
    os.environ["MOAI_TUI_COMPILE"] = "0" if way == "exact" else "1"
    parts, reporter = built(config, home / way)
    torch.set_float32_matmul_precision("highest" if way == "exact" else "high")
    parts.model.load_state_dict(weights)
    batches, _ = parts.train_feed.take(1, last=True)
    loss = parts.objective(**batches.micro_batches[0].arguments())
    (loss / batches.work.counted_tokens).backward()
    reporter.close()
    parts.train_feed.close()
    named = parts.model.named_parameters()
    return {name: value.grad.float().cpu() for name, value in named if value.grad is not None}


def relative_errors(found: dict[str, Any], exact: dict[str, Any]) -> dict[str, float]:
    """Return the relative error of all gradients of each block, and of what is outside blocks."""
    sums: dict[str, list[float]] = {}
    for name, value in exact.items():
        number = next((part for part in name.split(".") if part.isdigit()), None)
        place = name if number is None else f"block {number}"
        both = sums.setdefault(place, [0.0, 0.0])
        both[0] += float((found[name] - value).square().sum())
        both[1] += float(value.square().sum())
    return {place: (error / size) ** 0.5 for place, (error, size) in sums.items() if size}


def gradient_lines(results: list[dict[str, Any]]) -> Iterator[str]:
    """Return a table of the errors."""
    for result in results:
        if "error" in result:
            yield f"gradients FAILED {result['error']}"
            continue
        errors = result["errors"]
        yield "relative error of gradients against fp32   " + "  ".join(f"{w:>7}" for w in errors)
        for place in errors["plain"]:
            yield f"{place:42} " + "  ".join(f"{errors[way][place]:7.2%}" for way in errors)


if __name__ == "__main__":
    raise SystemExit(main())
