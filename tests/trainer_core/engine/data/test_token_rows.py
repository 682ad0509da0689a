"""Documents are views into flat arrays."""

from __future__ import annotations

import numpy as np

from trainer_core.engine.data.token_rows import TokenRows


def test_documents_are_the_stretches_they_say() -> None:
    rows = TokenRows(
        tokens=np.arange(10, 20, dtype=np.uint16),
        counted=np.array([0, 1, 1, 0, 0, 1, 0, 1, 1, 1], dtype=np.uint8),
        starts=np.array([0, 6], dtype=np.int64),
        lengths=np.array([3, 4], dtype=np.int64),
        counted_lengths=np.array([2, 3], dtype=np.int64),
        counted_bytes=np.array([5, 6], dtype=np.int64),
    )
    assert len(rows) == 2
    document = rows.document(1)
    assert document.tokens.tolist() == [16, 17, 18, 19]
    assert document.counted.tolist() == [0, 1, 1, 1]
    assert np.shares_memory(document.tokens, rows.tokens)
    assert (rows.token_count, rows.counted_count) == (7, 5)
