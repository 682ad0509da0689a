"""How one card trains fastest: formats, states, stepping, recomputation and micro-batch, by size.

Used by the planner and by the engine, so that what is predicted is what runs.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

from trainer_core.plan.types import ModelShape

StateFormat = Literal["fp32", "fp8"]

USABLE_SHARE = 0.975
"""Of a card's memory; the allocator keeps some of the rest between blocks it cannot join. At 13B it
held 74.96 GiB where 74.95 were predicted (H100, torch 2.11, November 2026)."""

LOSS_CHUNK_BYTES = 640 << 20
"""Logits of one chunk of the loss; `engine.card_loss` has the same figure."""

MICRO_BATCH_TOKENS = 32_768
"""More tokens at once make no step faster on an H100."""

STATE_BYTES: dict[StateFormat, float] = {"fp32": 8.0, "fp8": 2.0 + 8 / 256}
"""Two states of one weight; codes have two fp32 scales for 256."""

FIXED_BYTES = int(0.7e9)
"""Workspaces of the matrix libraries, compiled kernels' scratch, small tensors."""

FP8_WIDTH_LEAST = 1_024
"""Narrower models lose more to the casts than their products win."""

# Bytes one block keeps of a token for its backward pass, by width and by feed-forward width; with
# all inputs of its products, or without those that are cheap to make again. Counted in the
# compiler's graphs, and seen in peaks on one H100 (November 2026): 111M bf16 17.3 GiB at 64 rows of
# 1,024 tokens, 1.3B fp8 54.8 at 32, 13B bf16 73.6 at 4, Llama 1B fp8 47.2 at 32.
_KEPT: dict[tuple[bool, bool, bool], tuple[float, float]] = {
    # gated, fp8, all inputs
    (False, False, True): (20, 3),
    (False, False, False): (16, 2),
    (False, True, True): (15, 3),
    (False, True, False): (14, 2),
    (True, False, True): (18, 6),
    (True, False, False): (18, 6),
    (True, True, True): (16, 5),
    (True, True, False): (16, 5),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What the user said of these choices; None leaves one to us."""

    micro_batch_size: int | None = None
    states: StateFormat | None = None
    in_backward: bool | None = None
    fp8: bool | None = None
    recomputation: Literal["none", "blocks"] | None = None
    from_scratch: bool = False
    """Fresh weights learn with fp8 products only where that is asked for: fine-tunes were measured
    with five seeds, training from scratch with fewer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FastPath:
    """One way to take a step on one card, and why it was taken."""

    micro_batch_size: int
    fp8: bool
    """Whether the blocks' products run in fp8."""
    keep_inputs: bool
    """Whether the input of every product is kept for the backward pass, or only of those whose
    input cannot be made again cheaply from what is kept anyway."""
    states: StateFormat
    in_backward: bool
    """Whether each weight is stepped as soon as its gradient is there."""
    recomputed_blocks: int
    memory_bytes: int
    """Predicted peak."""
    reasons: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """Formats in a word or two."""
        return "bf16 with fp8 products" if self.fp8 else "bf16"


def choose_fast_path(
    shape: ModelShape,
    *,
    memory_bytes: int,
    sequence_length: int,
    rows: int,
    fp8_works: bool,
    wanted: Wanted = Wanted(),  # frozen
) -> FastPath:
    """Choose how a step of `rows` rows is taken; the least bad way where nothing fits.

    Args:
        shape: The model.
        memory_bytes: Free on the card.
        sequence_length: Tokens of a row.
        rows: Of one optimizer step on this card.
        fp8_works: Whether the card multiplies fp8.
        wanted: What the user settled.

    Raises:
        ValueError: If stepping inside the backward pass is wanted with several passes a step.
    """
    fp8 = wanted.fp8
    if fp8 is None:
        fp8 = fp8_works and shape.width >= FP8_WIDTH_LEAST and not wanted.from_scratch
    usable = int(USABLE_SHARE * memory_bytes)
    best: FastPath | None = None
    for path in _candidates(shape, sequence_length, rows, fp8=fp8, wanted=wanted, usable=usable):
        if path.memory_bytes <= usable:
            best = path
            break
        if best is None or path.memory_bytes < best.memory_bytes:
            best = path
    if best is None:
        raise ValueError("several passes make one step, whose gradients must be added up first")
    return dataclasses.replace(
        best, reasons=_reasons(best, shape, fp8_works=fp8_works, rows=rows, wanted=wanted)
    )


def _candidates(
    shape: ModelShape, length: int, rows: int, *, fp8: bool, wanted: Wanted, usable: int
) -> list[FastPath]:
    """Return ways in the order they are liked: exact states and one pass first."""
    whole = min(rows, max(1, MICRO_BATCH_TOKENS // length))
    micros = [wanted.micro_batch_size] if wanted.micro_batch_size else _equal_parts(rows, whole)
    states: list[StateFormat] = [wanted.states] if wanted.states else ["fp32", "fp8"]
    found = []
    for state in states:
        for stepping in [wanted.in_backward] if wanted.in_backward is not None else [False, True]:
            for micro in micros:
                if stepping and micro < rows:
                    continue  # gradients of several passes must be added up before a step
                for keep in (True, False):
                    path = FastPath(
                        micro_batch_size=micro,
                        fp8=fp8,
                        keep_inputs=keep,
                        states=state,
                        in_backward=stepping,
                        recomputed_blocks=0,
                        memory_bytes=0,
                    )
                    found.append(
                        _recomputing(path, shape, length, rows, wanted=wanted, usable=usable)
                    )
    return sorted(found, key=lambda path: _cost(path, shape, length, rows))


def _cost(path: FastPath, shape: ModelShape, length: int, rows: int) -> float:
    """Return the predicted time of a step in units of its products, with a taste for exactness."""
    tokens = path.micro_batch_size * length
    passes = math.ceil(rows / path.micro_batch_size)
    cost = 1 + path.recomputed_blocks / shape.layers / 3
    cost += 0.02 * (not path.keep_inputs)
    # Casting every weight costs as much as some 400 tokens' products, once a pass.
    cost *= 1 + 400 / tokens
    cost += 0.002 * passes
    # Taken for so much of a step: neither was seen to cost a 111M anything from scratch, but exact
    # is exact (H100, November 2026).
    cost += 0.10 * (path.states == "fp8") + 0.06 * path.in_backward
    return cost


def _equal_parts(rows: int, most: int) -> list[int]:
    """Return micro-batch sizes up to `most` that share rows out evenly, largest first."""
    sizes = {math.ceil(rows / passes) for passes in range(1, rows + 1)}
    return sorted((size for size in sizes if size <= most), reverse=True)


def _recomputing(
    path: FastPath, shape: ModelShape, length: int, rows: int, *, wanted: Wanted, usable: int
) -> FastPath:
    """Return the path with its memory and the fewest recomputed blocks that make it fit."""

    def with_blocks(blocks: int) -> FastPath:
        changed = dataclasses.replace(path, recomputed_blocks=blocks)
        memory = predict_bytes(changed, shape, length, rows)
        return dataclasses.replace(changed, memory_bytes=memory)

    if wanted.recomputation is not None:
        return with_blocks(shape.layers if wanted.recomputation == "blocks" else 0)
    none = with_blocks(0)
    if none.memory_bytes <= usable or shape.layers < 2:
        return none
    # All but one: with the last, a block's activations come back while it is recomputed.
    least = shape.layers - 1
    saved = (none.memory_bytes - with_blocks(least).memory_bytes) / least
    if saved <= 0:
        return none
    blocks = math.ceil((none.memory_bytes - usable) / saved)
    return with_blocks(min(blocks, shape.layers))


def predict_bytes(path: FastPath, shape: ModelShape, length: int, rows: int) -> int:
    """Predict the peak of a step of some rows in bytes, as torch reserves them."""
    tokens = path.micro_batch_size * length
    head = shape.vocabulary * shape.width
    block_weights = (shape.parameters - head) / shape.layers
    weights = (2 + STATE_BYTES[path.states]) * shape.parameters
    per_width, per_inner = _KEPT[(shape.gated, path.fp8, path.keep_inputs)]
    block = per_width * shape.attention_width + per_inner * shape.feed_forward_width
    kept = (shape.layers - path.recomputed_blocks) * block + path.recomputed_blocks * (
        2 * shape.width
    )
    working = 6.0 * shape.feed_forward_width + 8.0 * shape.width
    if path.recomputed_blocks == shape.layers:
        working += block  # otherwise blocks that keep theirs have let go by then
    logits = 2 * shape.vocabulary * tokens
    # Several chunks are added up in fp32; one writes the gradient as it is.
    loss = min(LOSS_CHUNK_BYTES, logits) + (4 if logits <= LOSS_CHUNK_BYTES else 12) * head
    # The loss is over before the last block's backward pass begins.
    activations = tokens * kept + max(tokens * working, loss)
    if path.in_backward:
        held = activations + 2.0 * (head + block_weights)
    else:
        # In one pass gradients come as fast as what they are made of goes: one or the other is the
        # peak, and a little for what cannot be joined. In a second pass both are there. Four models
        # reserved up to 1.03 of their activations; more of gradients is a guess on the safe side.
        gradients = 2.0 * shape.parameters
        alone = path.micro_batch_size >= rows
        held = max(1.03 * activations, 1.15 * gradients) if alone else activations + gradients
    return int(weights + held + FIXED_BYTES)


def _reasons(
    path: FastPath, shape: ModelShape, *, fp8_works: bool, rows: int, wanted: Wanted
) -> tuple[str, ...]:
    reasons = ["bf16 weights, rounded stochastically: no copy in fp32 is needed"]
    if wanted.fp8 is not None:
        reasons.append(f"{'fp8' if path.fp8 else 'bf16'} products in the blocks, as asked for")
    elif path.fp8:
        reasons.append("fp8 products in the blocks: the card has them and the model is wide enough")
    elif fp8_works and shape.width >= FP8_WIDTH_LEAST:
        reasons.append(
            "bf16 products: from fresh weights fp8 ones are taken only where asked for "
            "(products: fp8, faster), since few seeds of them were measured"
        )
    elif fp8_works:
        reasons.append(f"bf16 products: at width {shape.width} casts to fp8 cost what they win")
    else:
        reasons.append("bf16 products: this card or torch build has none in fp8")
    exact = "optimizer states in fp32: they fit"
    small = "optimizer states in 8 bits with a scale for 256: fp32 ones leave too little memory"
    asked = "optimizer states as asked for"
    reasons.append(asked if wanted.states else small if path.states == "fp8" else exact)
    if path.in_backward:
        reasons.append(
            "weights stepped inside the backward pass: all gradients at once do not fit; their "
            "norm is clipped by an estimate made while they come, which cost a fine-tune 0.3 % of "
            "its loss, fp8 products and 8-bit states included (SmolLM2-135M, 5 seeds)"
        )
    if path.recomputed_blocks:
        reasons.append(
            f"{path.recomputed_blocks} of {shape.layers} blocks recomputed: "
            f"{rows} rows of activations do not fit otherwise"
        )
    return tuple(reasons)
