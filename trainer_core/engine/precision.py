"""Number formats of a run: what weights are kept in and what is computed in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch

from trainer_core.errors import ConfigError
from trainer_core.run.config.run_config import Precision

_FP32 = "fp32 weights and products"


@dataclass(frozen=True, kw_only=True, slots=True)
class Numerics:
    """The formats of one run.

    Plainly, weights that are trained and their optimizer states stay in fp32; with bf16 the
    products run in bf16 under autocast, and frozen weights are kept in bf16 as well. On the fast
    path the trained weights are bf16 too and nothing is cast.
    """

    compute: torch.dtype
    device_type: str
    weights: torch.dtype = torch.float32
    """Format of the weights that are trained."""
    reason: str
    """One sentence for the run's list of choices."""

    @property
    def word(self) -> Literal["fp32", "bf16"]:
        """`fp32` or `bf16`."""
        return "bf16" if self.compute == torch.bfloat16 else "fp32"

    @property
    def frozen(self) -> torch.dtype:
        """Format of weights that are not trained."""
        return self.compute

    def autocast(self) -> AbstractContextManager[object]:
        """Context for forward passes of models whose weights are fp32."""
        if self.compute in (torch.float32, self.weights):
            return nullcontext()
        return torch.autocast(self.device_type, dtype=self.compute)


def choose_numerics(precision: Precision, device: torch.device) -> Numerics:
    """Settle `precision: auto` for a device.

    Raises:
        ConfigError: If bf16 was asked for on a device that has no units for it.
    """
    if device.type != "cuda":
        return _on_cpu(precision)
    if precision == "fp32":
        return Numerics(compute=torch.float32, device_type="cuda", reason=_FP32)
    if torch.cuda.is_bf16_supported(including_emulation=False):
        why = "" if precision == "bf16" else ", because the card has it"
        reason = f"bf16 products with fp32 weights{why}"
        return Numerics(compute=torch.bfloat16, device_type="cuda", reason=reason)
    if precision == "bf16":
        raise ConfigError("precision", "bf16", "use fp32 or auto", "this card has no bf16 units")
    return Numerics(
        compute=torch.float32,
        device_type="cuda",
        reason=f"{_FP32}, because the card has no bf16 units",
    )


def _on_cpu(precision: Precision) -> Numerics:
    if precision == "bf16":
        return Numerics(
            compute=torch.bfloat16,
            device_type="cpu",
            reason="bf16 products: without bf16 units a CPU is many times slower in it",
        )
    reason = f"{_FP32}, because the run is on a CPU" if precision == "auto" else _FP32
    return Numerics(compute=torch.float32, device_type="cpu", reason=reason)
