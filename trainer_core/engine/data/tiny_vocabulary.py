"""Makes the tokenizer of the model `tiny` from a corpus that `code_corpus` wrote.

    python -m trainer_core.engine.data.tiny_vocabulary CORPUS FOLDER

Byte-level BPE, as GPT-2's. Its files ship with the package; `docs/seed.md` says how they came to
be.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

VOCABULARY = 4096
"""Entries. A larger head would eat the time of a model of 8 M parameters on a CPU."""

CONTEXT = 1024
"""Tokens the model `tiny` takes at most."""

SAMPLE_BYTES = 30_000_000
"""Of text that merges are counted in: more moves the last few entries only."""

END_TOKEN = "<|endoftext|>"  # noqa: S105 - a token of text, not a secret


def training_texts(corpus: Path, size: int = SAMPLE_BYTES) -> Iterator[str]:
    """Yield texts of a corpus's training part, chosen by hash, of about a size in bytes."""
    files = sorted((corpus / "train").glob("*.jsonl.gz"))
    told = json.loads((corpus / "sources.json").read_text(encoding="utf-8"))
    total = sum(source["bytes"] for source in told if not source["held_out"])
    share = size / max(total, 1)
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                if _place(line) < share:
                    yield json.loads(line)["text"]


def make(corpus: Path, folder: Path, *, vocabulary: int = VOCABULARY) -> None:
    """Train the vocabulary and write a complete tokenizer folder."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_TOKEN],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_texts(corpus), trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_TOKEN,
        "eos_token": END_TOKEN,
        "pad_token": END_TOKEN,
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def _place(line: str) -> float:
    """Return a number from 0 to 1 by which a line is taken or left, always the same."""
    digest = hashlib.blake2b(line.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
