"""The planner's sentences, made from the numbers that chose."""

from __future__ import annotations

from trainer_core.plan.degrees import EXECUTED
from trainer_core.plan.types import Hardware, Plan, SizeVerdict, Workload

_GIB = 2**30


def gib(size_bytes: float) -> str:
    """Return a size as screens and tables show it: `21.4 GiB`, `227 GiB`, `640 MiB`."""
    if size_bytes < 0.95 * _GIB:
        return f"{size_bytes / 2**20:.0f} MiB"
    size = size_bytes / _GIB
    return f"{size:.1f} GiB" if size < 99.95 else f"{size:.0f} GiB"


def in_words(plan: Plan) -> str:
    """Return what kind of plan it is, without its figures."""
    recomputed = " with recomputation" if plan.recomputation == "blocks" else ""
    return plan.degrees.words + recomputed


def reason_for(
    choice: SizeVerdict, plans: tuple[Plan, ...], workload: Workload, hardware: Hardware
) -> str:
    """Say why a size's plan was taken, or why there is none."""
    plan = choice.plan
    if plan is None or choice.verdict == "no":
        word = "cannot be formed: it " if choice.verdict == "cannot be formed" else ""
        return f"{choice.size} {word}{choice.why}"
    parts = [
        _strategy_reason(plan, plans, workload, hardware),
        _recomputation_reason(plan, plans, hardware),
    ]
    parts.append(_micro_batch_reason(plan, workload))
    return f"{choice.size}: " + "; ".join(part for part in parts if part)


def runner_up_cost(choice: SizeVerdict, runner_up: SizeVerdict | None) -> str:
    """Say what the second kind of plan would cost or save against the chosen one."""
    if runner_up is None or runner_up.plan is None or choice.plan is None:
        return ""
    chosen, other = choice.plan, runner_up.plan
    parts = []
    if chosen.tokens_per_second and other.tokens_per_second:
        change = other.tokens_per_second / chosen.tokens_per_second - 1
        parts.append(f"{abs(change):.0%} {'faster' if change > 0 else 'slower'}")
    less = chosen.memory.total - other.memory.total
    parts.append(f"{gib(abs(less))} {'less' if less > 0 else 'more'} on each device")
    return f"{in_words(other)}: {', '.join(parts)}"


def next_better(
    choice: SizeVerdict, plans: tuple[Plan, ...], hardware: Hardware, *, worth: float
) -> str:
    """Say what the fastest plan that does not fit would need; empty where the chosen is as fast.

    Args:
        choice: The size with its plan.
        plans: All plans of that size, fitting or not.
        hardware: Its memory is what there is.
        worth: Share by which a plan must be faster to be worth a word.
    """
    chosen = choice.plan
    if chosen is None or not chosen.tokens_per_second or choice.verdict == "no":
        return ""
    too_large = [plan for plan in plans if plan.memory.total > hardware.memory_bytes]
    better = max(too_large, key=lambda plan: plan.tokens_per_second or 0.0, default=None)
    if better is None or not better.tokens_per_second:
        return ""
    gain = better.tokens_per_second / chosen.tokens_per_second - 1
    if gain < worth:
        return ""
    missing = better.memory.total - hardware.memory_bytes
    return (
        f"{in_words(better)} at {better.micro_batch_size} at a time would be {gain:.0%} faster; it "
        f"needs {gib(better.memory.total)} on each device, {gib(missing)} more than there is"
    )


def planned_only(choice: SizeVerdict, plans: tuple[Plan, ...], memory_bytes: int) -> str:
    """Say what the engine runs where the chosen kind of plan is none of it; empty where it is."""
    plan = choice.plan
    if plan is None or choice.verdict == "no" or plan.degrees.kind in EXECUTED:
        return ""
    able = [
        other
        for other in plans
        if other.degrees.kind in EXECUTED and other.memory.total <= memory_bytes
    ]
    best = max(able, key=lambda other: other.tokens_per_second or 0.0, default=None)
    words = f"{plan.degrees.words} is planned, not yet run by this version"
    if best is None:
        return f"{words}; nothing it runs fits this size"
    speed = f" at {best.tokens_per_second:,.0f} tokens/s" if best.tokens_per_second else ""
    return f"{words}; the best it runs here is {best.line}{speed}"


def _strategy_reason(
    plan: Plan, plans: tuple[Plan, ...], workload: Workload, hardware: Hardware
) -> str:
    use = f"{gib(plan.memory.total)} of {gib(hardware.memory_bytes)}"
    kind = plan.degrees.kind
    if kind == "single":
        return f"one device holds the whole run ({use})"
    if kind == "ddp":
        return f"every device holds the whole model ({use}), so only gradients travel"
    what = f"sharded over {plan.devices} devices" if kind == "fsdp" else plan.degrees.words
    return f"{what} ({use} on each){_against_simpler(plan, plans, workload, hardware)}"


def _against_simpler(
    plan: Plan, plans: tuple[Plan, ...], workload: Workload, hardware: Hardware
) -> str:
    """Say why the plan is no simpler one, as the end of a sentence; empty where nothing tells."""
    if any((workload.tensor, workload.pipeline, workload.context)):
        return ", as asked for"
    fsdp = plan.degrees.kind == "fsdp"
    simpler = ("ddp", "whole copies") if fsdp else ("fsdp", "sharding alone")
    others = [other for other in plans if other.degrees.kind == simpler[0]]
    if not others and workload.global_batch_size % plan.devices:
        return f": the batch cannot be shared by {plan.devices} devices"
    needs = min((other.memory.total for other in others), default=0)
    if needs > hardware.memory_bytes:
        return f": {simpler[1]} would need {gib(needs)}"
    able = [other for other in others if other.memory.total <= hardware.memory_bytes]
    if not able:
        return ""
    rate = max(other.tokens_per_second or 0.0 for other in able)
    own = plan.tokens_per_second or 0.0
    gain = f"{own / rate - 1:.0%} faster than" if own > 1.005 * rate > 0 else "as fast as"
    return f", {gain} {simpler[1]}"


def _recomputation_reason(plan: Plan, plans: tuple[Plan, ...], hardware: Hardware) -> str:
    if plan.recomputation == "none":
        return "no recomputation, everything is kept"
    kept = [
        other.memory.total
        for other in plans
        if other.strategy == plan.strategy and other.recomputation == "none"
    ]
    if kept and min(kept) > 0.9 * hardware.memory_bytes:
        return f"activations are recomputed: keeping them needs {gib(min(kept))}"
    return "activations are recomputed, which allows larger micro-batches"


def _micro_batch_reason(plan: Plan, workload: Workload) -> str:
    micro, passes = plan.micro_batch_size, plan.gradient_accumulation_steps
    sequences = f"{micro} sequence{'s' if micro > 1 else ''} at a time"
    if passes == 1:
        return f"{sequences}, the whole batch of {workload.global_batch_size} in one pass"
    return f"{sequences}, {passes} passes for the batch of {workload.global_batch_size}"
