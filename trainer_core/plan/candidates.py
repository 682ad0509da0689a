"""Every layout there can be for a workload on a number of devices, simplest first."""

from __future__ import annotations

from collections.abc import Iterator

from trainer_core.errors import ConfigError
from trainer_core.plan.degrees import EXECUTED, Degrees, degrees_of, divisors, shape_problem
from trainer_core.plan.types import Hardware, Layout, Workload

_MICRO_BATCHES_MAX = 128

LONG_LENGTH = 8_192
"""Rows are cut over ranks from this length on, unless asked for: shorter ones leave each rank too
little to do while keys and values travel."""

RECOMPUTED_PARTS = 4
"""Recomputation is tried in steps of a quarter of the blocks where the engine can take a part."""


def candidates(
    workload: Workload, devices: int, hardware: Hardware | None = None
) -> Iterator[Layout]:
    """Yield the layouts whose micro-batches add up to the global batch; none where none does.

    Args:
        workload: Its set degrees, micro-batch and recomputation are kept.
        devices: Of the size.
        hardware: Its node borders bound tensor parallelism. A described machine is planned with
            every kind of parallelism, a real one with those that the engine executes.
    """
    for degrees in all_degrees(workload, devices, hardware):
        for micro, passes in micro_batches(workload, degrees):
            for again in recomputations(workload):
                yield Layout(
                    degrees=degrees,
                    micro_batch_size=micro,
                    gradient_accumulation_steps=passes,
                    recomputed_blocks=again,
                )


def all_degrees(
    workload: Workload, devices: int, hardware: Hardware | None = None
) -> Iterator[Degrees]:
    """Yield the splits of devices that the model and the batch allow, simplest first."""
    described = hardware is not None and hardware.described
    per_node = (hardware.devices_per_node if hardware else None) or devices
    # Who names a strategy means it: what splits the model is then only what is named too.
    open_ = workload.strategy == "auto"
    found = set()
    for tensor in _asked(workload.tensor, devices, open_=open_):
        for stages in _asked(workload.pipeline, devices // tensor, open_=open_):
            rest = devices // tensor // stages
            for context in _asked(workload.context, rest, open_=open_):
                in_node = max(1, per_node // (tensor * context))
                for shards in _shards(workload, rest // context, in_node):
                    degrees = Degrees(
                        replicas=rest // context // shards,
                        shards=shards,
                        tensor=tensor,
                        stages=stages,
                        context=context,
                    )
                    if _allowed(workload, degrees, described=described, per_node=per_node):
                        found.add(degrees)
    yield from sorted(found, key=_plainness)


def micro_batches(workload: Workload, degrees: Degrees) -> Iterator[tuple[int, int]]:
    """Yield (rows of a micro-batch, micro-batches of a step) of the ranks that read one row."""
    each, left_over = divmod(workload.global_batch_size, degrees.data)
    if left_over or not each:
        return
    if workload.micro_batch_size is not None:
        sizes: Iterator[int] | tuple[int, ...] = (workload.micro_batch_size,)
    else:
        sizes = (size for size in divisors(each) if size <= _MICRO_BATCHES_MAX)
    for micro in sizes:
        passes, left_over = divmod(each, micro)
        # With fewer micro-batches than stages some stage never has anything to do.
        if not left_over and (passes >= degrees.stages or degrees.stages == 1):
            yield micro, passes


def recomputations(workload: Workload) -> tuple[int, ...]:
    """Return how many blocks are tried to be computed again, fewest first."""
    layers = workload.shape.layers
    return {"none": (0,), "blocks": (layers,), "auto": (0, layers)}[workload.recomputation]


def why_none(workload: Workload, devices: int) -> tuple[str, tuple[str, str]]:
    """Say why no layout adds up, and the field and text that mend it."""
    if workload.strategy == "single" and devices > 1:
        why = f"parallel.strategy single uses one device, this size has {devices}"
        return why, ("parallel.strategy", "auto")
    problem = _degrees_problem(workload, devices)
    if problem is not None:
        return str(problem), (problem.field, problem.fix.rpartition(" ")[2])
    batch, micro = workload.global_batch_size, workload.micro_batch_size
    inner = (workload.tensor or 1) * (workload.pipeline or 1) * (workload.context or 1)
    per_round = devices // inner * (micro or 1) * (workload.pipeline or 1)
    below = batch // per_round * per_round
    nearest = f"{below} or {below + per_round}" if below else str(per_round)
    parts = f"{devices} device{'s' if devices > 1 else ''}"
    if micro:
        parts += f" in micro-batches of {micro}"
    why = f"a global batch of {batch} cannot be shared by {parts}; use {nearest}"
    return why, ("global_batch_size", str(below or per_round))


def _degrees_problem(workload: Workload, devices: int) -> ConfigError | None:
    """Return what is wrong with the degrees that were asked for."""
    try:
        degrees = degrees_of(
            devices,
            strategy=workload.strategy,
            shard=workload.shard,
            tensor=workload.tensor,
            pipeline=workload.pipeline,
            context=workload.context,
        )
    except ConfigError as error:
        return error
    field = _largest_split(degrees)
    if field and workload.method != "full":
        problem = f"{workload.method} adapters are copied to every device, never split"
        return ConfigError(field, getattr(workload, field.partition(".")[2]), "use 1", problem)
    wrong = shape_problem(degrees, workload.shape, workload.sequence_length)
    if wrong is None and field and degrees.kind not in EXECUTED:
        problem = f"this version does not run {degrees.words}"
        return ConfigError(field, getattr(workload, field.partition(".")[2]), "use 1", problem)
    return wrong


def _largest_split(degrees: Degrees) -> str:
    """Return the field of the largest degree that splits the model; empty where none does."""
    splits = {
        "parallel.tensor": degrees.tensor,
        "parallel.pipeline": degrees.stages,
        "parallel.context": degrees.context,
    }
    field = max(splits, key=lambda name: splits[name])
    return field if splits[field] > 1 else ""


def _asked(wanted: int | None, devices: int, *, open_: bool) -> tuple[int, ...]:
    if wanted is None:
        return divisors(devices) if open_ else (1,)
    return (wanted,) if devices % wanted == 0 else ()


def _shards(workload: Workload, data: int, in_node: int) -> tuple[int, ...]:
    """Return over how many ranks a copy may be cut, of which `in_node` lie in one node."""
    if workload.method != "full" or workload.strategy in ("single", "ddp"):
        # Adapters mix number formats in one block, which FSDP does not take.
        return (1,) if workload.shard in (None, 1) else ()
    if workload.shard is not None:
        return (workload.shard,) if data % workload.shard == 0 else ()
    if workload.strategy == "fsdp":
        return tuple(part for part in _worth_cutting(data, in_node) if part > 1)
    return _worth_cutting(data, in_node)


def _worth_cutting(data: int, in_node: int) -> tuple[int, ...]:
    # Beyond a node a copy takes whole nodes.
    nodes = data // in_node
    several = tuple(nodes // part for part in (4, 2) if nodes % part == 0 and nodes > part)
    cuts = {1, *divisors(min(data, in_node)), *(in_node * some for some in several), data}
    return tuple(sorted(cut for cut in cuts if data % cut == 0))


def _allowed(workload: Workload, degrees: Degrees, *, described: bool, per_node: int) -> bool:
    return (
        (degrees.data == 1 or workload.strategy != "single")
        and (described or degrees.kind in EXECUTED)
        and workload.global_batch_size % degrees.data == 0
        # Sums of every product between nodes would take longer than the products.
        and (degrees.tensor <= per_node or workload.tensor is not None)
        and (degrees.context == 1 or _is_long(workload, degrees))
        and (not degrees.splits_model or workload.method == "full")
        and shape_problem(degrees, workload.shape, workload.sequence_length) is None
    )


def _is_long(workload: Workload, degrees: Degrees) -> bool:
    """Whether rows may be cut over ranks: asked for, or long enough to be worth it."""
    if workload.context is not None:
        return True
    part = workload.sequence_length // degrees.context
    return workload.sequence_length >= LONG_LENGTH and part >= LONG_LENGTH // 4


def _plainness(degrees: Degrees) -> tuple[int, ...]:
    """Return what sorts simple plans before those with more kinds of parallelism in them."""
    split = (degrees.stages, degrees.tensor, degrees.context)
    kinds = sum(part > 1 for part in (*split, degrees.shards))
    return (degrees.splits_model, kinds, *split, degrees.shards)
