"""What a run will write, against the room there is; and what else would fit where it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from trainer_core.errors import ConfigError
from trainer_core.folders import cache_root, runs_root
from trainer_core.plan.memory import lora_parameters
from trainer_core.plan.types import ModelShape, Plan
from trainer_core.plan.words import gib
from trainer_core.run.config.catalog import find_model
from trainer_core.run.config.data_size import BYTES_PER_TOKEN, estimated_text_bytes
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.forecast.draft import DraftVerdict
from trainer_core.run.storage.disk import Place, place_of, roomier_place

WEIGHT_BYTES, STATE_BYTES = 4, 8
"""Of one trained parameter in a checkpoint: fp32 and both of AdamW's moments."""
FAST_WEIGHT_BYTES = 2
ADAPTER_COPIES = 2
"""Adapters stand in a checkpoint under our names and under peft's."""
TOKEN_BYTES = 5
"""An id of up to four bytes and whether it counts."""
SMALL_BYTES = 32 << 20
"""Logs, events, configuration and tokenizer."""
OTHER_CHECKPOINTS = 2
"""Beside those that are kept: the best one, and the one being written."""


class DiskItem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is written."""

    name: str
    """`base model`, `tokenised rows`, `checkpoints`, `final model` or `logs`."""
    bytes: int
    detail: str = ""


class DiskNeed(msgspec.Struct, frozen=True, kw_only=True):
    """What goes to one place."""

    place: Place
    items: tuple[DiskItem, ...]

    @property
    def needed_bytes(self) -> int:
        """Sum of the items."""
        return sum(item.bytes for item in self.items)

    @property
    def fits(self) -> bool:
        """Whether the place has room for all of them."""
        return self.needed_bytes <= self.place.room_bytes


class DiskPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run writes, by file system."""

    needs: tuple[DiskNeed, ...]
    offers: tuple[str, ...] = ()
    """What would fit instead, one imperative each with its size; empty where everything fits."""

    @property
    def fits(self) -> bool:
        """Whether every place has room."""
        return all(need.fits for need in self.needs)

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each place: path, file system, room, quota, and the planned sum."""
        return tuple(_line(need) for need in self.needs)


def disk_plan(config: RunConfig, shape: ModelShape, plan: Plan | None = None) -> DiskPlan:
    """Return what a run would write here and whether it fits.

    Args:
        config: Resolved.
        shape: Of its model.
        plan: How it will run; on the fast path weights and states are smaller.

    Raises:
        OSError: If a place cannot be looked at.
    """
    runs, cache = place_of(runs_root()), place_of(cache_root())
    each = checkpoint_bytes(config, shape, plan)
    in_runs, in_cache = _in_run_folder(config, shape, each), _in_cache(config)
    if runs.mount == cache.mount:
        needs: tuple[DiskNeed, ...] = (DiskNeed(place=runs, items=(*in_runs, *in_cache)),)
    else:
        needs = (DiskNeed(place=runs, items=in_runs), DiskNeed(place=cache, items=in_cache))
    found = DiskPlan(needs=needs)
    if found.fits:
        return found
    return msgspec.structs.replace(found, offers=_offers(config, shape, each, needs))


def require_room(config: RunConfig, shape: ModelShape, plan: Plan | None = None) -> None:
    """Refuse a run that its disk cannot hold; the arguments are those of `disk_plan`.

    Raises:
        ConfigError: With both sums, and what would fit.
    """
    try:
        found = disk_plan(config, shape, plan)
    except OSError:
        return  # what is wrong with the folder is told where it is made
    short = next((need for need in found.needs if not need.fits), None)
    if short is None:
        return
    problem = (
        f"{short.place.path} ({short.place.filesystem or 'unknown file system'}) has room for "
        f"{gib(short.place.room_bytes)} and the run writes {gib(short.needed_bytes)}"
    )
    fix = "; or ".join(found.offers) or "free space there"
    raise ConfigError("checkpoint.keep", config.checkpoint.keep, fix, problem)


def with_disk(draft: DraftVerdict) -> DraftVerdict:
    """Return the answer to a draft with what the run would write here, as notes.

    A disk without the room for it is a problem, as it is at the start. A described machine's
    disk is not known.
    """
    verdict, shape, hardware = draft.verdict, draft.shape, draft.hardware
    if verdict is None or shape is None or hardware is None or hardware.described:
        return draft
    plan = verdict.choice.plan if verdict.choice else None
    try:
        found = disk_plan(draft.ready, shape, plan)
        require_room(draft.ready, shape, plan)
    except OSError:
        return draft  # what is wrong with the folder is told where it is made
    except ConfigError as error:
        draft = replace(draft, problems=(*draft.problems, (error.field, str(error))))
    return replace(draft, verdict=replace(verdict, notes=(*verdict.notes, *found.lines)))


def checkpoint_bytes(config: RunConfig, shape: ModelShape, plan: Plan | None = None) -> int:
    """Return the size of one checkpoint of a run."""
    if plan is not None and plan.fast:
        return FAST_WEIGHT_BYTES * shape.parameters + plan.memory.optimizer
    if config.method != "full":
        trained = lora_parameters(shape, config.lora.rank)
        return trained * (ADAPTER_COPIES * WEIGHT_BYTES + STATE_BYTES)
    return shape.parameters * (WEIGHT_BYTES + STATE_BYTES)


def _in_run_folder(config: RunConfig, shape: ModelShape, each: int) -> tuple[DiskItem, ...]:
    count = max(1, config.checkpoint.keep) + OTHER_CHECKPOINTS
    return (
        DiskItem(
            name="checkpoints",
            bytes=count * each,
            detail=f"{count} of {gib(each)}: {count - OTHER_CHECKPOINTS} kept, the best, "
            "one being written",
        ),
        DiskItem(name="final model", bytes=WEIGHT_BYTES * shape.parameters),
        DiskItem(name="logs", bytes=SMALL_BYTES),
    )


def _in_cache(config: RunConfig) -> tuple[DiskItem, ...]:
    items = []
    entry = None if config.from_scratch else find_model(config.model)
    if entry is not None and not entry.here and entry.download_bytes:
        items.append(DiskItem(name="base model", bytes=entry.download_bytes))
    text = estimated_text_bytes(config)
    if text:
        size = round(TOKEN_BYTES * text / BYTES_PER_TOKEN)
        items.append(DiskItem(name="tokenised rows", bytes=size))
    return tuple(items)


def _offers(
    config: RunConfig, shape: ModelShape, each: int, needs: tuple[DiskNeed, ...]
) -> tuple[str, ...]:
    """Return what would fit: fewer checkpoints, smaller ones, another disk."""
    short = next(need for need in needs if not need.fits)
    missing = short.needed_bytes - short.place.room_bytes
    offers = []
    for keep in range(max(1, config.checkpoint.keep) - 1, 0, -1):
        saved = (max(1, config.checkpoint.keep) - keep) * each
        if saved >= missing:
            total = gib(short.needed_bytes - saved)
            offers.append(f"keep fewer with --set checkpoint.keep={keep} ({total})")
            break
    if config.method == "full":
        smaller = msgspec.structs.replace(config, method="lora")
        total_bytes = sum(
            item.bytes for item in _in_run_folder(smaller, shape, checkpoint_bytes(smaller, shape))
        )
        if total_bytes <= short.place.room_bytes:
            offers.append(f"train adapters with --method lora ({gib(total_bytes)})")
    other = roomier_place(short.needed_bytes, than=short.place)
    if other is not None:
        variable = "MOAI_TUI_RUNS" if short is needs[0] else "XDG_CACHE_HOME"
        offers.append(f"set {variable}={Path(other.path)}, where {gib(other.room_bytes)} are free")
    return tuple(offers)


def _line(need: DiskNeed) -> str:
    place = need.place
    quota = "" if place.quota_bytes is None else f", {gib(place.quota_bytes)} left of your quota"
    items = ", ".join(f"{item.name} {gib(item.bytes)}" for item in need.items)
    verdict = "" if need.fits else "; it does not fit"
    where = " over the network" if place.is_network else ""
    return (
        f"{place.path} on {place.filesystem or 'an unknown file system'}{where}: "
        f"{gib(place.free_bytes)} free{quota}; the run writes up to {gib(need.needed_bytes)} "
        f"({items}){verdict}"
    )
