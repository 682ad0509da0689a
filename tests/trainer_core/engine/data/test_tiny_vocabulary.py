"""The shipped vocabulary is what its maker makes."""

from __future__ import annotations

from pathlib import Path

from trainer_core.builtin import TINY_TOKENIZER
from trainer_core.engine.data.tiny_vocabulary import make, training_texts


def test_the_shipped_files_are_made_again_to_the_byte(tmp_path: Path) -> None:
    make(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (TINY_TOKENIZER / name).read_bytes(), name


def test_it_is_made_of_training_rows_alone() -> None:
    texts = training_texts()
    assert len(texts) == 2175
    assert texts[0].startswith("### Instruction:\nWrite the Python function `abstractmethod`")
    assert not [text for text in texts if "(module `collections`)" in text]
