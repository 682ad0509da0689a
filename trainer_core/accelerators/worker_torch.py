"""Whether the worker's torch can use the cards that the driver shows, and if not, the way out.

torch is asked in a process of its own: it may be another interpreter's, and importing it costs
seconds and hundreds of megabytes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from trainer_core.accelerators.base import DeviceSnapshot

OLDEST_PYTHON = (3, 11)
TIMEOUT_SECONDS = 180.0
"""The first import of torch from a cold network disk was seen to take a minute."""

WHEELS = "https://pytorch.org/get-started/locally"

SCRIPT = """
import json, sys
facts = {"python": sys.version.split()[0]}
try:
    import torch
    facts["torch"] = str(torch.__version__)
    facts["cuda"] = torch.version.cuda
    facts["hip"] = getattr(torch.version, "hip", None)
    try:
        torch.cuda.init()
        count = torch.cuda.device_count()
        facts["device_count"] = count
        facts["architectures"] = list(torch.cuda.get_arch_list())
        facts["capabilities"] = [list(torch.cuda.get_device_capability(i)) for i in range(count)]
        if count:
            torch.zeros(1, device="cuda").add_(1).item()
    except Exception as error:
        facts["error"] = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
except ImportError as error:
    facts["missing"] = str(error)
print(json.dumps(facts))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class TorchFacts:
    """What the worker's torch says of itself; None where it was not asked or does not know."""

    python: str | None = None
    torch: str | None = None
    cuda: str | None = None
    """CUDA version the build was made for; None in a CPU or ROCm build."""
    hip: str | None = None
    device_count: int | None = None
    architectures: tuple[str, ...] = ()
    """Card generations the build has code for, e.g. `sm_90`."""
    capabilities: tuple[tuple[int, int], ...] = ()
    error: str | None = None
    """First line of what torch said when it was asked to use a card."""
    missing: str | None = None
    """Why torch could not be imported."""


def probe(
    python: str | None = None, variables: Mapping[str, str] | None = None
) -> TorchFacts | str:
    """Ask an interpreter's torch; one sentence where it cannot be asked.

    Args:
        python: The worker's interpreter; None is this process's own.
        variables: Set for it over our own environment, e.g. which cards it may see.
    """
    import subprocess

    command = [python or sys.executable, "-P", "-c", SCRIPT]
    if python is not None and not _knows_safe_path(python):
        command.remove("-P")
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
            cwd="/",
            env={**os.environ, **(variables or {})},
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not answer within {TIMEOUT_SECONDS:.0f} s when it loaded torch"
    except OSError as error:
        return f"{command[0]} cannot be started ({error.strerror}); set worker.python to a Python"
    return _facts(answer.stdout, answer.stderr, command[0])


def driver_cuda(devices: Sequence[DeviceSnapshot]) -> str | None:
    """Return the newest CUDA version of the NVIDIA driver; None without one of its cards."""
    if not any(device.kind == "nvidia" for device in devices):
        return None
    from trainer_core.accelerators.nvidia import NvidiaSource

    return NvidiaSource().driver_facts().cuda_version


def why_unusable(
    facts: TorchFacts | str,
    devices: Sequence[DeviceSnapshot],
    driver_cuda: str | None = None,
    python: str | None = None,
) -> str | None:
    """Say in one sentence why the worker cannot train on these devices; None where it can.

    Args:
        facts: What `probe` returned.
        devices: The devices a run would use; cards are judged, a processor needs torch alone.
        driver_cuda: Newest CUDA version the driver runs, None where it is not known.
        python: The worker's interpreter as the user knows it, for the way out.
    """
    if isinstance(facts, str):
        return facts
    worker = python or sys.executable
    if facts.python and _parts(facts.python)[:2] < OLDEST_PYTHON:
        return (
            f"The worker's Python {worker} is {facts.python} and ours needs 3.11; set "
            "worker.python to a newer one with torch"
        )
    if facts.torch is None:
        return f"{worker} has no torch; install it with {worker} -m pip install 'moai-tui[train]'"
    if any(device.kind == "moai" for device in devices):
        return (
            "A MoAI machine trains with the platform's own torch (Python 3.8 to 3.10), which our "
            "worker cannot run in; use the platform's scripts there"
        )
    for kind, judge in (("nvidia", _why_no_cuda), ("amd", _why_no_rocm)):
        cards = [device for device in devices if device.kind == kind]
        reason = judge(facts, cards, driver_cuda) if cards else None
        if reason:
            return reason
    return None


def _why_no_cuda(
    facts: TorchFacts, cards: Sequence[DeviceSnapshot], driver_cuda: str | None
) -> str | None:
    version = cards[0].driver_version
    driver = f"driver {version or 'of unknown version'}"
    driver += f" (CUDA {driver_cuda})" if driver_cuda else ""
    if facts.cuda is None:
        kind = "for AMD cards" if facts.hip else "without CUDA"
        return (
            f"The worker's torch {facts.torch} is a build {kind} and cannot use {cards[0].name} "
            f"with {driver}; install a CUDA build from {WHEELS}"
        )
    if driver_cuda and _parts(facts.cuda)[:1] > _parts(driver_cuda)[:1]:
        return (
            f"The worker's torch {facts.torch} needs CUDA {facts.cuda} and the {driver} is older; "
            f"update the driver, or install a torch for CUDA {_parts(driver_cuda)[0]} from {WHEELS}"
        )
    unknown = _without_code(facts)
    if unknown:
        return (
            f"The worker's torch {facts.torch} has no code for {unknown} of {cards[0].name} with "
            f"{driver}; install a newer torch from {WHEELS}"
        )
    if not facts.error:
        return None
    closed = _closed_nodes(("/dev/nvidiactl", "/dev/nvidia-uvm", *_numbered("/dev/nvidia", cards)))
    return closed or (
        f"The worker's torch {facts.torch} (CUDA {facts.cuda}) cannot use {cards[0].name} with "
        f"{driver}: {facts.error}"
    )


def _why_no_rocm(
    facts: TorchFacts, cards: Sequence[DeviceSnapshot], _driver_cuda: str | None
) -> str | None:
    driver = f"driver {cards[0].driver_version or 'of unknown version'}"
    if facts.hip is None:
        kind = f"for CUDA {facts.cuda}" if facts.cuda else "without ROCm"
        return (
            f"The worker's torch {facts.torch} is a build {kind} and cannot use {cards[0].name} "
            f"with {driver}; install a ROCm build from {WHEELS}"
        )
    if not facts.error:
        return None
    renders = sorted(str(node) for node in Path("/dev/dri").glob("renderD*"))
    return _closed_nodes(("/dev/kfd", *renders)) or (
        f"The worker's torch {facts.torch} (ROCm {facts.hip}) cannot use {cards[0].name} with "
        f"{driver}: {facts.error}"
    )


def _without_code(facts: TorchFacts) -> str | None:
    """Name the first card generation newer or older than all the build has code for."""
    built = {text[3:-1] for text in facts.architectures if text.startswith("sm_")}
    portable = any(text.startswith("compute_") for text in facts.architectures)
    if not built or portable:
        return None
    for major, minor in facts.capabilities:
        if str(major) not in built:
            return f"generation sm_{major}{minor}"
    return None


def _closed_nodes(nodes: Sequence[str]) -> str | None:
    for node in nodes:
        if os.path.exists(node) and not os.access(node, os.R_OK | os.W_OK):
            return (
                f"This user may not open {node}; ask the administrator for the group that owns it "
                f"({_group(node)})"
            )
    return None


def _group(node: str) -> str:
    import grp

    try:
        return grp.getgrgid(os.stat(node).st_gid).gr_name
    except (OSError, KeyError):
        return "unknown"


def _numbered(prefix: str, cards: Sequence[DeviceSnapshot]) -> tuple[str, ...]:
    return tuple(f"{prefix}{card.index}" for card in cards)


def _facts(output: bytes, complaint: bytes, python: str) -> TorchFacts | str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        said = complaint.decode("utf-8", "replace").strip().splitlines()
        return f"{python} could not load torch: {said[-1] if said else 'it said nothing'}"
    known = {field.name for field in fields(TorchFacts)}
    values = {name: value for name, value in found.items() if name in known}
    values["architectures"] = tuple(values.get("architectures", ()))
    values["capabilities"] = tuple(tuple(pair) for pair in values.get("capabilities", ()))
    return TorchFacts(**values)


def _knows_safe_path(python: str) -> bool:
    """Python below 3.11 has no -P; a name that states its version tells without a start."""
    name = Path(python).name.removeprefix("python")
    return not (name.startswith("3.") and _parts(name)[:2] < OLDEST_PYTHON)


def _parts(version: str) -> tuple[int, ...]:
    numbers = []
    for part in version.split("."):
        digits = "".join(letter for letter in part if letter.isdigit())
        numbers.append(int(digits) if digits else 0)
    return tuple(numbers)
