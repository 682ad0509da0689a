"""What the environment lets this user have: visibility variables and a Slurm allocation.

Excluded devices stay in the list, marked not permitted, and a sentence says by what.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from trainer_core.accelerators.base import DeviceKind, DeviceSnapshot


def apply_bounds(
    devices: Sequence[DeviceSnapshot], environ: Mapping[str, str]
) -> tuple[tuple[DeviceSnapshot, ...], tuple[str, ...]]:
    """Mark what may not be used.

    Returns:
        The devices in their order, and one sentence for each bound that applies.
    """
    notes: list[str] = []
    permitted = {device.uuid for device in devices if device.permitted}
    for kind, variables in _variables(environ).items():
        cards = [device for device in devices if device.kind == kind]
        if not cards:
            continue
        visible = cards
        for name in variables:
            visible = list(_visible(visible, environ[name]))
            notes.append(_sentence(f"{name}={environ[name]}", visible, cards))
            notes += _order_note(name, cards, environ)
        if not variables:
            chosen, note = _slurm(cards, environ)
            visible = list(chosen)
            notes += note
        shut_out = {device.uuid for device in cards} - {device.uuid for device in visible}
        permitted -= shut_out
    bounded = tuple(
        device if device.uuid in permitted else replace(device, permitted=False)
        for device in devices
    )
    return bounded, tuple(notes)


def _variables(environ: Mapping[str, str]) -> dict[DeviceKind, list[str]]:
    """Return for each kind the variables that apply, outermost first.

    ROCm's runtime cuts first; HIP counts what is left, and reads CUDA's variable where its own
    is not set. Source: https://rocm.docs.amd.com/en/latest/conceptual/gpu-isolation.html
    """
    amd = [name for name in ("ROCR_VISIBLE_DEVICES",) if name in environ]
    hip = ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")
    amd += [name for name in hip if name in environ][:1]
    nvidia = [name for name in ("CUDA_VISIBLE_DEVICES",) if name in environ]
    return {"nvidia": nvidia, "amd": amd}


def _visible(cards: Sequence[DeviceSnapshot], text: str) -> tuple[DeviceSnapshot, ...]:
    """Choose as the CUDA runtime does: the list ends at the first entry that names nothing."""
    chosen: list[DeviceSnapshot] = []
    for entry in (part.strip() for part in text.split(",")):
        device = _named(cards, entry)
        if device is None or device in chosen:
            break
        chosen.append(device)
    return tuple(chosen)


def _named(cards: Sequence[DeviceSnapshot], entry: str) -> DeviceSnapshot | None:
    if re.fullmatch(r"\d{1,4}", entry, re.ASCII):
        position = int(entry)
        return cards[position] if position < len(cards) else None
    lowered = entry.lower()
    found = [card for card in cards if len(entry) > 4 and card.uuid.lower().startswith(lowered)]
    return found[0] if len(found) == 1 else None


def _slurm(
    cards: Sequence[DeviceSnapshot], environ: Mapping[str, str]
) -> tuple[Sequence[DeviceSnapshot], list[str]]:
    """Keep the cards Slurm gave, where its numbers can be told apart on this host.

    With device cgroups the driver shows the given cards alone, numbered anew, so Slurm's
    numbers mean nothing and there is nothing left to exclude.
    """
    name = next((n for n in ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS") if environ.get(n)), None)
    if name is None:
        return cards, []
    numbers = _numbers(environ[name])
    if not numbers or len(cards) <= len(numbers) or max(numbers) >= len(cards):
        return cards, []
    chosen = [card for position, card in enumerate(cards) if position in numbers]
    job = environ.get("SLURM_JOB_ID")
    source = f"Slurm job {job}" if job else f"{name}={environ[name]}"
    return chosen, [_sentence(source, chosen, cards)]


def _numbers(text: str) -> frozenset[int]:
    """Read `0,2-3`; anything else is no bound."""
    numbers: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part.strip(), re.ASCII)
        if match is None:
            return frozenset()
        first = int(match[1])
        numbers.update(range(first, int(match[2] or first) + 1))
    return frozenset(numbers)


def _sentence(
    source: str, visible: Sequence[DeviceSnapshot], cards: Sequence[DeviceSnapshot]
) -> str:
    if not visible:
        return f"{source} permits none of the {len(cards)} devices"
    numbers = ", ".join(str(device.index) for device in visible)
    plural = "s" if len(visible) > 1 else ""
    return f"{source} permits device{plural} {numbers} of {len(cards)}"


def _order_note(
    name: str, cards: Sequence[DeviceSnapshot], environ: Mapping[str, str]
) -> list[str]:
    """Warn where CUDA's own numbers differ from the driver's: unlike cards, fastest first."""
    by_number = bool(re.search(r"(^|,)\s*\d", environ[name]))
    unlike = len({card.name for card in cards if card.kind == "nvidia"}) > 1
    ordered = environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    if name != "CUDA_VISIBLE_DEVICES" or ordered or not (by_number and unlike):
        return []
    return [
        "The cards are not alike and CUDA_DEVICE_ORDER is not PCI_BUS_ID: the numbers in "
        "CUDA_VISIBLE_DEVICES are read as the driver's; name UUIDs to be sure"
    ]
