"""The norm of a step's gradients while they still come: for clipping before the last one is there.

What has come of this step is known; what is to come is taken from the steps before, grown or shrunk
as what has come is against what these tensors usually bring. So an outlier is seen with the first
tensors that it is in, and nothing is read twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from trainer_core.engine.kernels.available import has_triton

MEMORY = 0.8
"""How much of a tensor's usual squares stays with a step; the rest is the step's own."""

CAUTION = 0.005
"""Share of all squares that must have come before they are believed as much as earlier steps."""

MOST_GROWTH = 4.0
"""One step counts for no more than so many times the usual squares: twice the norm."""

After = Callable[[Tensor, Tensor, Tensor, Tensor, float], None]


class NormEstimate:
    """The divisor that clips gradients by their global norm, renewed with each that comes."""

    def __init__(self, max_norm: float, *, squares: Tensor, divisor: Tensor) -> None:
        """Keep where the numbers are.

        Args:
            max_norm: Gradients are divided so that their norm is no larger; above 0.
            squares: fp64, whose sum is the squared norm of what has come of this step.
            divisor: fp32 scalar, written anew with every gradient.
        """
        self._max_norm = max_norm
        self._squares, self._divisor = squares, divisor
        self._running = torch.zeros(3, dtype=torch.float64, device=squares.device)
        self._after = after_for(squares.device)

    def begin(self, usual: list[Tensor]) -> None:
        """Start a step, in which nothing has come.

        Args:
            usual: Each tensor's squares as the steps before brought them, fp32 scalars; 0 before
                the first.
        """
        self._running.zero_()
        self._running[2] = torch.stack(usual).double().sum()
        norm = self._running[2].sqrt() / self._max_norm
        self._divisor.copy_(norm.clamp_min(1.0))

    def after(self, usual: Tensor) -> None:
        """Take in the squares of one tensor, which `squares` has now.

        Args:
            usual: Of this tensor; changed in place.
        """
        self._after(self._squares, self._running, usual, self._divisor, self._max_norm)


def after_plainly(
    squares: Tensor, running: Tensor, usual: Tensor, divisor: Tensor, max_norm: float
) -> None:
    """Take in one tensor's squares with plain torch; nothing waits for the device.

    Args:
        squares: Sum of this step's squares so far, in parts.
        running: fp64 of this step: squares so far, what is usual of the same tensors, of all.
        usual: fp32 scalar of this tensor.
        divisor: fp32 scalar for the tensors that follow.
        max_norm: The largest norm.
    """
    before, usual_before, usual_all = running.clone().unbind()
    seen, known = squares.sum(), usual.double()
    now, usual_seen = seen - before, usual_before + known
    caution = CAUTION * usual_all
    growth = torch.where(usual_all > 0, (seen + caution) / (usual_seen + caution), 0.0)
    whole = seen + (usual_all - usual_seen).clamp_min(0.0) * growth
    norm = whole.sqrt() / max_norm
    # A norm that is no number divides by 1: a maximum would be NaN here and 1 in the kernel.
    divisor.copy_(torch.where(norm > 1.0, norm, 1.0))
    running[0], running[1] = seen, usual_seen
    bounded = torch.where(known > 0, torch.minimum(now, MOST_GROWTH * known), now)
    renewed = torch.where(known > 0, MEMORY * known + (1 - MEMORY) * bounded, now)
    usual.copy_(torch.where(torch.isfinite(now), renewed, known))


@cache
def after_for(device: torch.device) -> After:
    """Return the fastest way there is to take in a tensor's squares on a device."""
    if device.type == "cuda" and has_triton():
        from trainer_core.engine.kernels.norm_estimate_triton import after_on_card

        return after_on_card
    return after_plainly
