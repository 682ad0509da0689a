from __future__ import annotations

import pytest

from trainer_core.run.config.field_types import fields
from trainer_core.run.config.foreign_keys import ADVICE, RENAMED, advice_for

KNOWN = tuple(fields())


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("base_model", "write model"),
        ("model_name_or_path", "write model"),
        ("cutoff_len", "write sequence_length"),
        ("max_length", "write sequence_length"),
        ("sequence_len", "write sequence_length"),
        ("num_epochs", "write epochs"),
        ("num_train_epochs", "write epochs"),
        ("per_device_train_batch_size", "write micro_batch_size"),
        ("lr", "write learning_rate"),
        ("optimizer.lr", "write learning_rate"),
        ("learning-rate", "write learning_rate"),
        ("warmup_steps", "write optimizer.warmup_steps"),
        ("gradient_checkpointing", "write parallel.recomputation: blocks"),
        ("learning_rat", "the nearest known key is learning_rate"),
        ("optimzer", "the nearest known key is optimizer"),
        ("checkpoint.kep", "the nearest known key is checkpoint.keep"),
        ("per_device_train_batchsize", "the nearest known key is micro_batch_size"),
        ("xyzzy", "leave it out"),
    ],
)
def test_an_unknown_key_says_what_to_write(key: str, advice: str) -> None:
    assert advice_for(key, KNOWN) == advice


def test_every_row_of_the_tables_leads_somewhere() -> None:
    assert set(RENAMED.values()) <= set(KNOWN)
    assert not set(RENAMED) & set(KNOWN)
    assert not set(ADVICE) & set(KNOWN)
    assert not set(ADVICE) & set(RENAMED)
