"""The planner's answer: every size judged, one plan chosen, and why, from the same numbers."""

from __future__ import annotations

from trainer_core.accelerators.base import SIZE_NAMES, Size
from trainer_core.machine_settings import SAYS_WHO
from trainer_core.plan.candidates import why_none
from trainer_core.plan.mend import cheapest_mend
from trainer_core.plan.search import plans_for
from trainer_core.plan.types import (
    Hardware,
    Plan,
    SizeVerdict,
    Verdict,
    VerdictWord,
    Workload,
)
from trainer_core.plan.words import (
    gib,
    next_better,
    planned_only,
    reason_for,
    runner_up_cost,
)

FITS_SHARE = 0.9
"""Above this share of usable memory a plan is called tight."""

SAME_SPEED = 0.02
"""Plans within this share of the fastest count as equally fast; the smallest of them is taken."""

COMPUTED_ONLY = "computed only: no run on this machine has measured these sizes"
COMPUTED_REST = "computed only: no run on this machine has measured"


def make_verdict(workload: Workload, hardware: Hardware, size_devices: int | None) -> Verdict:
    """Judge all 13 sizes for a workload and choose.

    Args:
        workload: With its precision settled.
        hardware: One device, and how many of them there are.
        size_devices: Devices of the size asked for; None takes the fastest size that fits.
    """
    judged = {devices: _judge(workload, hardware, devices) for devices in SIZE_NAMES}
    verdicts = {devices: verdict for devices, (verdict, _) in judged.items()}
    choice = _choice(verdicts, size_devices)
    notes: tuple[str, ...] = _not_measured(verdicts)
    if hardware.described:
        notes += (f"{hardware.name} is a described machine: nothing is started on it",)
    if choice is None:
        return Verdict(
            sizes=tuple(verdicts.values()),
            choice=None,
            reason=_no_size(verdicts),
            notes=notes,
            memory_bytes=hardware.memory_bytes,
        )
    plans = judged[choice.devices][1]
    runner_up = _runner_up(choice, plans, hardware)
    only = planned_only(choice, plans, hardware.memory_bytes)
    notes += (only,) if only else ()
    return Verdict(
        sizes=tuple(verdicts.values()),
        choice=choice,
        reason=reason_for(choice, plans, workload, hardware),
        runner_up=runner_up,
        runner_up_cost=runner_up_cost(choice, runner_up),
        next_better=next_better(choice, plans, hardware, worth=SAME_SPEED),
        notes=notes,
        memory_bytes=hardware.memory_bytes,
    )


def best_plan(plans: tuple[Plan, ...], memory_bytes: int) -> Plan | None:
    """Return the plan to take; the one that needs least where none fits.

    Args:
        plans: All plans of one size.
        memory_bytes: Usable on one device.
    """
    for share in (FITS_SHARE, 1.0):
        fitting = [plan for plan in plans if plan.memory.total <= share * memory_bytes]
        if fitting:
            return _fastest(fitting)
    return min(plans, key=lambda plan: plan.memory.total, default=None)


def word_for(plan: Plan, memory_bytes: int) -> VerdictWord:
    """Return `fits`, `tight` or `no` for a plan on devices with this much usable memory."""
    if plan.memory.total <= FITS_SHARE * memory_bytes:
        return "fits"
    return "tight" if plan.memory.total <= memory_bytes else "no"


def _fastest(plans: list[Plan]) -> Plan:
    """Return the least memory among the plans that are as good as fastest."""
    top = max(plan.tokens_per_second or 0.0 for plan in plans)
    close = [plan for plan in plans if (plan.tokens_per_second or 0.0) >= (1 - SAME_SPEED) * top]
    if top == 0.0:
        # Nothing known of speed: recomputation always costs, passes cost a little.
        close = sorted(close, key=lambda plan: plan.recomputation)
        close = [plan for plan in close if plan.recomputation == "none"] or close
    return min(close, key=lambda plan: plan.computed_bytes)


def _judge(
    workload: Workload, hardware: Hardware, devices: int
) -> tuple[SizeVerdict, tuple[Plan, ...]]:
    label = Size(devices=devices, device_memory_gb=hardware.device_memory_gb).label
    most = hardware.largest_allowed
    if most is not None and devices > most:
        why = f"is larger than {SIZE_NAMES[most]}, {SAYS_WHO}"
        return SizeVerdict(size=label, devices=devices, verdict="cannot be formed", why=why), ()
    if devices > hardware.devices:
        needs = f"needs {devices} device{'s' if devices > 1 else ''}"
        why = f"{needs}, this machine has {hardware.devices}"
        return SizeVerdict(size=label, devices=devices, verdict="cannot be formed", why=why), ()
    plans = plans_for(workload, hardware, devices)
    best = best_plan(plans, hardware.memory_bytes)
    if best is None:
        why, mend = why_none(workload, devices)
        return SizeVerdict(size=label, devices=devices, verdict="no", why=why, mend=mend), ()
    verdict = word_for(best, hardware.memory_bytes)
    why, change = "", None
    if verdict == "tight":
        share = best.memory.total / hardware.memory_bytes
        why = f"takes {share:.0%} of the usable memory"
    elif verdict == "no":
        change = cheapest_mend(workload, hardware, devices, best_plan, plans_for)
        need = f"needs {gib(best.memory.total)} on each device, {gib(hardware.memory_bytes)} usable"
        why = f"{need}; {change.sentence}" if change else f"{need}; no single change makes it fit"
    found = SizeVerdict(
        size=label,
        devices=devices,
        verdict=verdict,
        plan=best,
        why=why,
        mend=(change.field, change.text) if change else None,
    )
    return found, plans


def _choice(verdicts: dict[int, SizeVerdict], size_devices: int | None) -> SizeVerdict | None:
    if size_devices is not None:
        return verdicts.get(size_devices)
    for word in ("fits", "tight"):
        able = [verdict for verdict in verdicts.values() if verdict.verdict == word]
        if able:
            # Of two sizes equally fast the smaller one leaves devices to others.
            return max(able, key=lambda verdict: (_speed(verdict), -verdict.devices))
    return None


def _not_measured(verdicts: dict[int, SizeVerdict]) -> tuple[str, ...]:
    """Name the sizes whose figures are arithmetic alone."""
    planned = [verdict for verdict in verdicts.values() if verdict.plan is not None]
    computed = [verdict.size for verdict in planned if verdict.plan and not verdict.plan.measured]
    if len(computed) == len(planned):
        return (COMPUTED_ONLY,)
    return (f"{COMPUTED_REST} {', '.join(computed)}",) if computed else ()


def _speed(verdict: SizeVerdict) -> float:
    return (verdict.plan.tokens_per_second or 0.0) if verdict.plan else 0.0


def _runner_up(
    choice: SizeVerdict, plans: tuple[Plan, ...], hardware: Hardware
) -> SizeVerdict | None:
    """Return the best plan of the same size that is another kind of plan."""
    if choice.plan is None or choice.verdict == "no":
        return None
    kind = (choice.plan.degrees.kind, choice.plan.recomputation)
    others = tuple(
        plan
        for plan in plans
        if (plan.degrees.kind, plan.recomputation) != kind
        and plan.memory.total <= hardware.memory_bytes
    )
    best = best_plan(others, hardware.memory_bytes)
    if best is None:
        return None
    return SizeVerdict(
        size=choice.size,
        devices=choice.devices,
        verdict=word_for(best, hardware.memory_bytes),
        plan=best,
    )


def _no_size(verdicts: dict[int, SizeVerdict]) -> str:
    """Say why nothing fits: the words of the size that comes nearest."""
    judged = [verdict for verdict in verdicts.values() if verdict.verdict == "no"]
    planned = [verdict for verdict in judged if verdict.plan is not None]
    if planned:
        nearest = min(planned, key=lambda verdict: verdict.plan.memory.total if verdict.plan else 0)
        return f"no size of this machine fits; {nearest.size} {nearest.why}"
    if judged:
        return f"no plan adds up: {judged[0].why}"
    return "this machine has no device"
