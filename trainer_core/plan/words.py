"""The planner's sentences, made from the numbers that chose."""

from __future__ import annotations

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
    parts = [_strategy_reason(plan, plans, hardware), _recomputation_reason(plan, plans, hardware)]
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


def _strategy_reason(plan: Plan, plans: tuple[Plan, ...], hardware: Hardware) -> str:
    use = f"{gib(plan.memory.total)} of {gib(hardware.memory_bytes)}"
    if plan.strategy == "single":
        return f"one device holds the whole run ({use})"
    if plan.strategy == "ddp":
        return f"every device holds the whole model ({use}), so only gradients travel"
    whole = [other.memory.total for other in plans if other.strategy == "ddp"]
    if whole and min(whole) > hardware.memory_bytes:
        return (
            f"sharded over {plan.devices} devices ({use} on each): "
            f"whole copies would need {gib(min(whole))}"
        )
    rates = [other.tokens_per_second or 0.0 for other in plans if other.strategy == "ddp"]
    gain = (
        "faster than" if (plan.tokens_per_second or 0.0) > max(rates, default=0.0) else "as fast as"
    )
    return f"sharded over {plan.devices} devices ({use} on each), {gain} whole copies"


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
