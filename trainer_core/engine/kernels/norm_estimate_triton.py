"""`norm_estimate.after_plainly` as one launch: ten operations on scalars would each cost one."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from trainer_core.engine.kernels.norm_estimate import CAUTION, MEMORY, MOST_GROWTH


@triton.jit
def _after(
    SQUARES,
    RUNNING,
    USUAL,
    DIVISOR,
    max_norm,
    SLOTS: tl.constexpr,
    CAUTION: tl.constexpr,
    MEMORY: tl.constexpr,
    MOST_GROWTH: tl.constexpr,
):
    seen = tl.sum(tl.load(SQUARES + tl.arange(0, SLOTS)))
    usual_all = tl.load(RUNNING + 2)
    known = tl.load(USUAL).to(tl.float64)
    now = seen - tl.load(RUNNING)
    usual_seen = tl.load(RUNNING + 1) + known
    caution = CAUTION * usual_all
    whole = seen
    if usual_all > 0:
        left = tl.maximum(usual_all - usual_seen, 0.0)
        whole += left * (seen + caution) / (usual_seen + caution)
    norm = tl.sqrt(whole) / max_norm
    tl.store(DIVISOR, tl.where(norm > 1.0, norm, 1.0).to(tl.float32))
    tl.store(RUNNING, seen)
    tl.store(RUNNING + 1, usual_seen)
    if now < float("inf"):
        renewed = now
        if known > 0:
            renewed = MEMORY * known + (1 - MEMORY) * tl.minimum(now, MOST_GROWTH * known)
        tl.store(USUAL, renewed.to(tl.float32))


def after_on_card(
    squares: Tensor, running: Tensor, usual: Tensor, divisor: Tensor, max_norm: float
) -> None:
    """Take in one tensor's squares; arguments as `norm_estimate.after_plainly`."""
    _after[(1,)](
        squares,
        running,
        usual,
        divisor,
        max_norm,
        SLOTS=squares.numel(),
        CAUTION=CAUTION,
        MEMORY=MEMORY,
        MOST_GROWTH=MOST_GROWTH,
        num_warps=1,
    )
