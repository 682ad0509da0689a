"""How fast small models train on a CPU, side by side with the peers' ways on the same rows.

Usage: python benchmarks/cpu_speed.py [SET ...] [--repeat 3] [--ways ours,hf-group] [--out FILE]

Sets: gpt2-256 gpt2-1024 gpt2-50k llama. Every way runs in a process of its own, all ways in turn,
`--repeat` times; the table shows medians and what ours is worth against each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from own_process import result_of, tell

FORMULA = (
    "tokens/CPU-s = tokens without padding, prompts included and trained on, over user and system "
    "time of the process in whole timed steps: others' work on the machine does not count. "
    "Peak = largest resident size of the process"
)
ROOT = Path(__file__).parents[1]

WARM_STEPS = 2

GROUP_CYCLE = 50
"""Batches that transformers sorts by length together, the longest first: fewer would show only
its largest batches, whose cost a token is lowest."""

WAYS = ("ours", "hf-group", "hf-packed", "hf-pad", "tutorial")


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One model on one length of rows."""

    family: str
    vocabulary: int
    length: int
    rows: int
    steps: int


CASES = {
    "gpt2-256": Case(family="gpt2", vocabulary=8192, length=256, rows=8, steps=10),
    "gpt2-1024": Case(family="gpt2", vocabulary=8192, length=1024, rows=4, steps=6),
    "gpt2-50k": Case(family="gpt2", vocabulary=50257, length=256, rows=8, steps=6),
    "llama": Case(family="llama", vocabulary=8192, length=256, rows=4, steps=6),
}


def main() -> int:
    """Run what is asked for and print one table a set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(CASES)}")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=float, default=300, help="seconds a run may take")
    parser.add_argument("--out", type=Path, help="JSON lines are appended to it")
    parser.add_argument("--here", metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sets = options.sets or list(CASES)
    if options.here:
        tell(measure(CASES[sets[0]], options.ways, options.here))
        return 0
    print(FORMULA)
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as scratch:
        for name in sets:
            folder = Path(scratch) / name
            prepare_model(CASES[name], folder / "model")
            run_set(name, folder, options)
    return 0


def run_set(name: str, folder: Path, options: argparse.Namespace) -> None:
    """Run all ways of a set in turn and print what came out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(options.repeat):
        for way in options.ways.split(","):
            result = started(name, way, folder, options)
            found.setdefault(way, []).append(result)
            if options.out:
                with options.out.open("a") as file:
                    file.write(json.dumps({"set": name, "way": way, **result}) + "\n")
    print(f"\n{name}: {CASES[name]}, {options.threads} thread(s), {machine()}")
    ours = median(found.get("ours", []), "tokens_per_cpu_second")
    for way, results in found.items():
        speed = median(results, "tokens_per_cpu_second")
        if speed is None:
            print(f"  {way:10} FAILED {results[0].get('error')}")
            continue
        each = " ".join(f"{r['tokens_per_cpu_second']:.0f}" for r in results if "error" not in r)
        peak, padded = (
            median(results, key) or 0.0 for key in ("peak_gib", "padded_tokens_per_cpu_second")
        )
        worth = f"ours x{ours / speed:.2f}" if ours else ""
        losses = f"loss {results[0]['first_loss']:.2f} → {results[0]['last_loss']:.2f}"
        print(
            f"  {way:10} {speed:7.0f} tok/CPU-s ({padded:.0f} padded)  {worth:10}  "
            f"{peak:.2f} GiB  {losses}  [{each}]",
            flush=True,
        )


def started(name: str, way: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process of its own, with nothing of one run left to the next."""
    command = [sys.executable, __file__, name, "--ways", way, "--here", str(folder)]
    environment = dict(
        os.environ,
        PYTHONPATH=str(ROOT),
        OMP_NUM_THREADS=str(options.threads),
        # Threads that spin while they wait would count as work done.
        OMP_WAIT_POLICY="PASSIVE",
        HF_HUB_OFFLINE="1",
        CUDA_VISIBLE_DEVICES="",
        TOKENIZERS_PARALLELISM="false",
    )
    return result_of(command, limit_seconds=options.limit, environment=environment)


def prepare_model(case: Case, folder: Path) -> None:
    """Write configuration and tokenizer; weights are drawn by each run from one seed."""
    from transformers import GPT2Config, LlamaConfig

    from trainer_core.engine.data.tokenizer import load_tokenizer

    tokenizer = load_tokenizer("cerebras-gpt-111m")
    if case.vocabulary < len(tokenizer):
        tokenizer = tokenizer.train_new_from_iterator(texts(), case.vocabulary)
    ends = {"bos_token_id": tokenizer.eos_token_id, "eos_token_id": tokenizer.eos_token_id}
    common = {"vocab_size": case.vocabulary, "use_cache": False, **ends}
    if case.family == "gpt2":
        shape = {"n_layer": 4, "n_embd": 256, "n_head": 4, "n_positions": 2048}
        dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
        config: Any = GPT2Config(**shape, **dropout, **common)
        config.architectures = ["GPT2LMHeadModel"]
    else:
        config = LlamaConfig(
            num_hidden_layers=8,
            hidden_size=512,
            num_attention_heads=8,
            num_key_value_heads=4,
            intermediate_size=1376,
            max_position_embeddings=2048,
            tie_word_embeddings=False,
            **common,
        )
        config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def texts() -> list[str]:
    """Return the built-in rows as text, to make a small vocabulary of."""
    from trainer_core.engine.data.read import open_source
    from trainer_core.engine.data.source import find_source
    from trainer_core.run.config.run_config import DataConfig

    opened = open_source(find_source("python-stdlib", DataConfig()))
    return ["\n".join(map(str, r.value.values())) for r in opened.records(lambda _: None)]


def measure(case: Case, way: str, folder: Path) -> dict[str, Any]:
    """Measure one way in this process."""
    from trainer_core.engine.memory import peak_memory_bytes

    config = config_of(case, folder)
    if way == "ours":
        result = measure_ours(config, folder)
    else:
        result = measure_peer(case, config, way, folder)
    import torch

    peak = peak_memory_bytes(torch.device("cpu")) or 0
    return {**result, "peak_gib": peak / 2**30, "torch": torch.__version__}


def config_of(case: Case, folder: Path) -> Any:
    """Return the run's configuration: fresh weights, built-in rows cut to the length."""
    import msgspec

    from trainer_core.run.config.run_config import RunConfig

    settings = {
        "model": str(folder / "model"),
        "from_scratch": True,
        "dataset": "python-stdlib",
        "sequence_length": case.length,
        "global_batch_size": case.rows,
        "learning_rate": 3e-4,
        "steps": case.steps + WARM_STEPS,
        "data": {"train_on_prompt": True, "truncate": True},
        "checkpoint": {"every_steps": 0},
        "eval": {"every_steps": 0},
        "sample": {"count": 0},
    }
    return msgspec.convert(settings, RunConfig)


def measure_ours(config: Any, folder: Path) -> dict[str, Any]:
    """Train with the engine itself, set up as a rank sets itself up."""
    from trainer_core.engine.rank import prepare_process

    prepare_process()
    from benchmarks.cpu_peers import Meter
    from trainer_core.engine import setup
    from trainer_core.engine.device import choose_device
    from trainer_core.engine.distributed import World
    from trainer_core.engine.reporting import Reporter
    from trainer_core.engine.trainer import Trainer
    from trainer_core.engine.wishes import Wishes

    meter = Meter(WARM_STEPS)

    class Metered(Trainer):
        def _train_step(self, step: int) -> None:
            feed = self._parts.train_feed
            work = feed.feed.work_of(feed._order.step_rows(step - 1, feed._global_batch_size))
            meter.begin(work.tokens, work.padded_tokens)
            super()._train_step(step)
            meter.end(float(self._late.numbers[0]) if self._late else 0.0)

    with tempfile.TemporaryDirectory() as run_folder:
        reporter = Reporter(Path(run_folder), rank=0, attempt=1)
        parts = setup.build(
            config, Path(run_folder), world=World(), device=choose_device(0), reporter=reporter
        )
        wishes = Wishes(Path(run_folder), leads=True)
        Metered(parts, Path(run_folder), reporter=reporter, wishes=wishes, attempt=1).train()
        parts.train_feed.close()
        reporter.close()
    return meter.result()


def measure_peer(case: Case, config: Any, way: str, folder: Path) -> dict[str, Any]:
    """Train the same network on the same rows in a peer's way."""
    import torch

    from benchmarks.cpu_peers import LOOPS, Meter
    from trainer_core.engine import pretrained
    from trainer_core.engine.data.prepared import prepare
    from trainer_core.engine.data.tokenizer import load_tokenizer

    data = prepare(config, load_tokenizer(config.model))
    documents = [data.train.document(place).tokens.tolist() for place in range(len(data.train))]
    order = torch.randperm(len(documents), generator=torch.Generator().manual_seed(0)).tolist()
    documents = [documents[place] for place in order]
    shape = pretrained.find_source(config.model, from_scratch=True).config
    shape._attn_implementation = "sdpa"
    torch.manual_seed(config.seed)
    model = pretrained.model_class_of(shape)(shape).train()
    meter = Meter(WARM_STEPS)
    LOOPS[way](
        model,
        documents,
        meter,
        length=case.length,
        rows=case.rows,
        steps=steps_of(case, way) + WARM_STEPS,
        folder=str(folder / "peer"),
        mode=way.removeprefix("hf-"),
    )
    return meter.result()


def steps_of(case: Case, way: str) -> int:
    """Return the steps to time of a peer's way, so that they stand for the whole dataset."""
    if way == "hf-group":
        return GROUP_CYCLE
    # A padded batch holds a third of a packed one's tokens: as many tokens are timed.
    return case.steps * (1 if way == "hf-packed" else 3)


def median(results: list[dict[str, Any]], key: str) -> float | None:
    """Return the median of what succeeded; None where nothing did."""
    values = [result[key] for result in results if "error" not in result]
    return statistics.median(values) if values else None


def machine() -> str:
    """Return the processor's name, as the kernel has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"


if __name__ == "__main__":
    raise SystemExit(main())
