"""Speed and memory of LoRA and QLoRA on one card, beside HF Trainer with peft on the same rows.

Usage: python benchmarks/adapter_speed.py MODEL/ROWS/WAY ... [--steps 6] [--out FILE]

MODEL: 13b (Cerebras-GPT 13B, rows of 1,024 tokens), llama-8b (vocabulary 128,256, rows of 4,096),
tiny (to try the script). WAY: lora, lora-auto (numerics: auto), qlora (one row at a time), full
(numerics: auto), hf (Trainer and peft on concatenated blocks), hf-compiled. Adapters of rank 16 on
every linear layer; fresh weights; `train_speed.py` defines what is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from own_process import result_of, tell

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import train_speed  # noqa: E402  # the folder is not installed

RANK, ALPHA = 16, 32

LENGTHS = {"13b": 1024, "llama-8b": 4096, "tiny": 256}

LLAMA_8B = {
    "vocab_size": 128_256,
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14_336,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
}


def main() -> int:
    """Run what is asked for, each in a process of its own, and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="MODEL/ROWS/WAY")
    parser.add_argument("--steps", type=int, default=6, help="timed steps")
    parser.add_argument("--limit", type=float, default=120, help="seconds a run may take")
    parser.add_argument("--out", type=Path, help="JSON lines are appended to it")
    parser.add_argument("--profile", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        tell(measure(options.runs[0], options))
        return 0
    print(train_speed.FORMULA)
    for run in options.runs:
        began = time.perf_counter()
        result = started(run, options)
        print(train_speed.line_of(result), f"[{time.perf_counter() - began:.0f} s]", flush=True)
        if options.out:
            with options.out.open("a") as file:
                file.write(json.dumps(result) + "\n")
    return 0


def started(run: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process of its own, so that nothing of one run is left to the next."""
    command = [sys.executable, __file__, run, "--here", "--steps", str(options.steps)]
    return {"run": run} | result_of(command, limit_seconds=options.limit)


def measure(run: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one run in this process."""
    from trainer_core.engine.rank import prepare_process

    began = time.perf_counter()
    prepare_process()
    name, rows, way = run.split("/")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("MOAI_TUI_HOME", scratch)
        config = config_of(name, int(rows), way, options.steps, Path(scratch))
        if way.startswith("hf"):
            result = measure_peer(config, int(rows), way, options.steps, Path(scratch))
        else:
            result = train_speed.measure_ours(config, Path(scratch), began, options)
    return {"run": run, "ready_seconds": time.perf_counter() - began, **result}


def config_of(name: str, rows: int, way: str, steps: int, scratch: Path) -> Any:
    """Return the configuration of a run."""
    import msgspec

    from trainer_core.run.config.run_config import RunConfig

    # What the planner picks on 80 GB: four rows of 4,096 at once would have to be recomputed.
    by_the_row = name == "llama-8b" and way.startswith("lora")
    settings = {
        "model": model_of(name, scratch),
        "from_scratch": True,
        "dataset": "python-stdlib",
        "method": {"full": "full", "qlora": "qlora"}.get(way, "lora"),
        "lora": {"rank": RANK, "alpha": ALPHA},
        "sequence_length": LENGTHS[name],
        "global_batch_size": rows,
        "micro_batch_size": 1 if way == "qlora" or by_the_row else rows,
        "learning_rate": 1e-4,
        "steps": steps + train_speed.WARM_STEPS,
        "numerics": "auto" if way in ("full", "lora-auto") else "plain",
        "data": {"train_on_prompt": True},
        "checkpoint": {"every_steps": 0},
        "eval": {"every_steps": 0},
        "sample": {"count": 0},
    }
    return msgspec.convert(settings, RunConfig)


def model_of(name: str, scratch: Path) -> str:
    """Return what `model` names; a Llama's configuration is written first."""
    if name != "llama-8b":
        return name if name == "tiny" else f"cerebras-gpt-{name}"
    from transformers import LlamaConfig

    from trainer_core.engine.data.tokenizer import load_tokenizer

    shape = LlamaConfig(**LLAMA_8B)
    shape.architectures = ["LlamaForCausalLM"]
    shape.save_pretrained(scratch / name)
    load_tokenizer("cerebras-gpt-111m").save_pretrained(scratch / name)
    return str(scratch / name)


def measure_peer(config: Any, rows: int, way: str, steps: int, scratch: Path) -> dict[str, Any]:
    """Train the same adapters on the same rows with HF Trainer and peft, in bf16."""
    from peft import LoraConfig, get_peft_model

    from benchmarks.peer_loops import WARM_STEPS, fresh_peer, hugging_face_trainer

    model, documents = fresh_peer(config)
    adapters = LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        target_modules="all-linear",
        fan_in_fan_out=model.config.model_type == "gpt2",
        task_type="CAUSAL_LM",
    )
    return hugging_face_trainer(
        get_peft_model(model, adapters),
        documents,
        length=config.sequence_length,
        rows=rows,
        steps=steps + WARM_STEPS,
        folder=str(scratch / "peer"),
        torch_compile=way == "hf-compiled",
        bf16=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
