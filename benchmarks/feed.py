"""How fast a dataset becomes token ids in the cache, on all cores this process may use.

Usage: python benchmarks/feed.py [--mebibytes 64] [--model cerebras-gpt-111m]

The built-in rows, repeated with a number so that none is the same, as one JSONL file; `prepare` as
a run calls it, from the file to the verified cache. Tokens a second count everything: reading,
checking, rendering, tokenising, writing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


def main() -> int:
    """Write the rows, prepare them once and once again from the cache, and print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=64)
    parser.add_argument("--model", default="cerebras-gpt-111m")
    options = parser.parse_args()
    from trainer_core.engine.data.prepared import prepare
    from trainer_core.engine.data.tokenizer import load_tokenizer
    from trainer_core.run.config.run_config import RunConfig

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = scratch
        file = Path(scratch) / "rows.jsonl"
        write_rows(file, options.mebibytes << 20)
        config = RunConfig(
            model=options.model,
            from_scratch=True,
            dataset=str(file),
            sequence_length=1024,
            skip_bad_rows=True,
        )
        tokenizer = load_tokenizer(config.model)
        for name in ("tokenised", "from the cache"):
            began, used = time.perf_counter(), cpu_seconds()
            data = prepare(config, tokenizer)
            seconds, spent = time.perf_counter() - began, cpu_seconds() - used
            tokens = data.train.token_count + data.eval.token_count
            print(
                f"{name}: {tokens:,} tokens in {seconds:.1f} s on {cores} cores: "
                f"{tokens / seconds:,.0f} tokens/s, {tokens / spent:,.0f} a CPU second",
                flush=True,
            )
    return 0


def write_rows(file: Path, size: int) -> None:
    """Write the built-in rows over and over until the file has its size."""
    from trainer_core.engine.data.read import open_source
    from trainer_core.engine.data.source import find_source
    from trainer_core.run.config.run_config import DataConfig

    opened = open_source(find_source("python-stdlib", DataConfig()))
    rows = [record.value for record in opened.records(lambda _: None)]
    written = number = 0
    with file.open("w") as out:
        while written < size:
            row = rows[number % len(rows)]
            asked = {"instruction": f"{number}: {row['instruction']}", "output": row["output"]}
            written += out.write(json.dumps(asked) + "\n")
            number += 1


def cpu_seconds() -> float:
    """Return user and system time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    raise SystemExit(main())
