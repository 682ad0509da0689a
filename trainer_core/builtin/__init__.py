"""What ships inside the package so that a machine without a network can train at once.

`python_stdlib/`: the frozen dataset; `tiny/`: the pretrained model `tiny` with its vocabulary;
`gpt2/`: the vocabulary of GPT-2, which the Cerebras-GPT family shares.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent

PYTHON_STDLIB = _HERE / "python_stdlib" / "rows.jsonl.gz"
"""Gzipped JSON lines: module, split, instruction, input, output."""

PYTHON_STDLIB_LICENCE = "PSF-2.0"

TINY = _HERE / "tiny"
"""A complete Hugging Face model folder; `docs/seed.md` says how it was made."""

GPT2 = _HERE / "gpt2"
"""`vocab.json.gz` and `merges.txt.gz`."""
