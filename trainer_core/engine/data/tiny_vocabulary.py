"""Makes the tokenizer of the model `tiny` from the training rows of `python-stdlib`.

    python -m trainer_core.engine.data.tiny_vocabulary trainer_core/builtin/tiny_tokenizer

The files ship with the package; this is how they came to be, and a test makes them again.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

from trainer_core.builtin import PYTHON_STDLIB
from trainer_core.engine.data.prompt_format import PromptFormat

VOCABULARY = 2048
"""Entries. A larger head would eat the time of a model of 2 M parameters."""

CONTEXT = 1024
"""Tokens the model `tiny` takes at most."""

END_TOKEN = "<|endoftext|>"  # noqa: S105 - a token of text, not a secret


def training_texts(rows: Path = PYTHON_STDLIB) -> list[str]:
    """Return the training rows of the built-in dataset as `tiny` sees them."""
    prompt = PromptFormat(name="alpaca-short")
    with gzip.open(rows, "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    return [
        prompt.request(row["instruction"], row["input"]) + row["output"]
        for row in found
        if row["split"] == "train"
    ]


def make(folder: Path) -> None:
    """Train the vocabulary and write a complete tokenizer folder."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_TOKEN],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_texts(), trainer)
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


if __name__ == "__main__":
    make(Path(sys.argv[1]))
