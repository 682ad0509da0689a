"""Fill rows of one sequence length with whole documents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def plan_rows(
    lengths: Sequence[int] | npt.NDArray[np.int64],
    sequence_length: int,
    *,
    packing: bool = True,
) -> list[tuple[int, ...]]:
    """Choose which documents share a row: best fit, longest documents first.

    Deterministic: equal lengths keep the order of the source. One sort, then one look-up a
    document: open rows are kept by the room left in them, and a big integer with one bit for each
    room that occurs finds the tightest one.

    Args:
        lengths: Tokens of each document.
        sequence_length: Tokens of one row.
        packing: False gives every document a row of its own, in the order of the source.

    Returns:
        Rows of document numbers; every document stands in exactly one.

    Raises:
        ValueError: If a document is empty or longer than `sequence_length`.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    if len(sizes) == 0:
        return []
    if int(sizes.min()) < 1 or int(sizes.max()) > sequence_length:
        raise ValueError(f"documents must have 1 to {sequence_length} tokens")
    if not packing:
        return [(index,) for index in range(len(sizes))]
    order = np.argsort(-sizes, kind="stable")
    rows: list[list[int]] = []
    by_room: list[list[int]] = [[] for _ in range(sequence_length + 1)]
    rooms = 0
    for index, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        wide_enough = rooms >> size
        if wide_enough:
            room = size + (wide_enough & -wide_enough).bit_length() - 1
            row = by_room[room].pop()
            if not by_room[room]:
                rooms &= ~(1 << room)
            rows[row].append(index)
        else:
            room, row = sequence_length, len(rows)
            rows.append([index])
        left = room - size
        if left:
            by_room[left].append(row)
            rooms |= 1 << left
    return [tuple(row) for row in rows]
