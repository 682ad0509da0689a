"""Loss over the held-out rows, shared out over the ranks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from trainer_core.engine.distributed import reduce_sum
from trainer_core.engine.failure import is_out_of_memory
from trainer_core.engine.feed import RowFeed
from trainer_core.run.record.events import Eval


def evaluate(
    objective: nn.Module,
    feed: RowFeed,
    *,
    step: int,
    rows_at_once: int,
    progress: Callable[[int, int], None],
    interrupted: Callable[[], bool] = lambda: False,
    own_share: Callable[[Tensor], Tensor] = lambda total: total,
    halves: bool = True,
) -> Eval | None:
    """Measure the mean loss per counted token of all held-out documents.

    Args:
        objective: `Objective`, wrapped or not; put back into its mode afterwards.
        feed: Over the held-out documents.
        step: Optimizer steps done.
        rows_at_once: Rows of one round over all ranks.
        progress: Called after each round with (rows done, rows in all).
        own_share: What this rank adds of its sum, where other ranks make the same one.
        halves: Whether rows are measured in smaller micro-batches where memory runs out; not where
            ranks wait for each other inside a pass.
        interrupted: Asked after each round, by all ranks alike, whether to leave the rest.

    Returns:
        None where it was left.
    """
    began = time.perf_counter()
    was_training = objective.training
    objective.eval()
    device = next(objective.parameters()).device
    # fp64 so that the order of the rows and the number of ranks do not show in the digits.
    total = torch.zeros((), dtype=torch.float64, device=device)
    with torch.no_grad():
        for done, picked in _rounds(len(feed.rows), rows_at_once):
            feed, part = _round_loss(objective, feed, picked, halves=halves)
            total += part
            progress(done, len(feed.rows))
            if done < len(feed.rows) and interrupted():
                objective.train(was_training)
                return None
    total = reduce_sum(own_share(total))
    objective.train(was_training)
    return _event(step, float(total), feed, time.perf_counter() - began)


def _event(step: int, loss: float, feed: RowFeed, seconds: float) -> Eval:
    counted = feed.documents.counted_count
    bytes_counted = int(feed.documents.counted_bytes.sum())
    return Eval(
        step=step,
        eval_loss=loss / counted,
        eval_tokens=counted,
        bits_per_byte=loss / math.log(2) / bytes_counted if bytes_counted else None,
        seconds=seconds,
    )


def _round_loss(
    objective: nn.Module, feed: RowFeed, picked: range, *, halves: bool
) -> tuple[RowFeed, Tensor]:
    """Return the summed loss of some rows, and the feed that memory sufficed for.

    Training has smaller needs of its own: its micro-batches stay as they are.
    """
    while True:
        try:
            losses = [objective(**micro.arguments()).double() for micro in feed.share(picked)]
            return feed, torch.stack(losses).sum()
        except (RuntimeError, MemoryError) as error:
            if not (halves and is_out_of_memory(error) and feed.micro_batch_size > 1):
                raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        feed = feed.in_micro_batches(feed.micro_batch_size // 2)


def _rounds(rows: int, size: int) -> Iterator[tuple[int, range]]:
    for start in range(0, rows, size):
        end = min(rows, start + size)
        yield end, range(start, end)
