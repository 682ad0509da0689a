"""How the vocabulary of the model `tiny` came to be."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from trainer_core.engine.data.encoder import read_encoder, tiny_encoder
from trainer_core.engine.data.tiny_vocabulary import VOCABULARY, make, training_texts


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    texts = [f"def word{number}(x):\n    return x + {number}\n" for number in range(200)]
    for split in ("train", "held_out"):
        (tmp_path / split).mkdir()
        with gzip.open(tmp_path / split / "a.jsonl.gz", "wt") as file:
            file.writelines(json.dumps({"text": f"{split} {text}"}) + "\n" for text in texts)
    told = [{"bytes": 8000, "held_out": False}, {"bytes": 8000, "held_out": True}]
    (tmp_path / "sources.json").write_text(json.dumps(told))
    return tmp_path


def test_it_is_made_of_the_training_part_always_the_same(corpus: Path, tmp_path: Path) -> None:
    half = list(training_texts(corpus, 4000))
    assert 60 < len(half) < 140
    assert all(text.startswith("train") for text in half)
    for name in ("one", "two"):
        make(corpus, tmp_path / name, vocabulary=300)
    one, two = (read_encoder(tmp_path / name) for name in ("one", "two"))
    assert one is not None
    assert two is not None
    assert one.fingerprint() == two.fingerprint()
    assert one.vocabulary == 300


def test_the_one_in_the_package_has_its_size_and_gives_text_back() -> None:
    encoder = tiny_encoder()
    assert encoder.vocabulary == VOCABULARY
    text = "def größer(x):\n\treturn x ≥ 1\n"
    ids = encoder.backend.encode(text).ids
    assert encoder.backend.decode(ids, skip_special_tokens=False) == text
