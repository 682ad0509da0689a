"""`moai-tui plan`: will it fit, how fast, how long, for each size, and why this plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from moai_tui.commands import run_options as options
from moai_tui.commands.output import write_json, write_line, write_table
from moai_tui.formatting import bytes_text, duration_text, rate_text
from trainer_core.errors import UserError
from trainer_core.foreign_text import show_line
from trainer_core.plan.types import Plan, SizeVerdict, Verdict
from trainer_core.run.config.run_config import RunConfig
from trainer_core.run.forecast.draft import DraftVerdict, verdict_for

if TYPE_CHECKING:
    from trainer_core.run.forecast.disk_plan import DiskPlan

Machine = Annotated[
    str | None,
    typer.Option("--machine", metavar="NAME|FILE", help="A described machine, e.g. 8xh100."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan")(plan)


def plan(
    config: options.Config = None,
    model: options.Model = None,
    from_scratch: options.FromScratch = False,
    dataset: options.Dataset = None,
    eval_dataset: options.EvalDataset = None,
    size: options.Size = None,
    devices: options.Devices = None,
    method: options.Method = None,
    sequence_length: options.SequenceLength = None,
    global_batch_size: options.GlobalBatchSize = None,
    learning_rate: options.LearningRate = None,
    steps: options.Steps = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    name: options.Name = None,
    skip_bad_rows: options.SkipBadRows = False,
    time_limit: options.TimeLimit = None,
    settings: options.Settings = None,
    machine: Machine = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say for every size whether a run fits, how fast and how long it would be, and why."""
    flags: dict[str, str | bool | None] = {
        "model": model,
        "from_scratch": from_scratch,
        "dataset": dataset,
        "eval_dataset": eval_dataset,
        "size": size,
        "devices": devices,
        "method": method,
        "sequence_length": sequence_length,
        "global_batch_size": global_batch_size,
        "learning_rate": learning_rate,
        "steps": steps,
        "epochs": epochs,
        "seed": seed,
        "name": name,
        "skip_bad_rows": skip_bad_rows,
        "time_limit": time_limit,
    }
    wanted = options.configuration(config, flags, settings or ())
    raise typer.Exit(run(wanted, machine, json))


def run(config: RunConfig, machine: str | None, json: bool) -> int:
    """Print the verdict on a configuration.

    Args:
        config: As the file and flags have it; open fields are filled.
        machine: Id or file of a described machine; None plans for this one.
        json: One JSON object instead of a table.

    Returns:
        The exit code: 0, whatever the verdict is.

    Raises:
        UserError: Wrong fields, an unknown model or machine.
    """
    draft = _on_machine(config, machine) if machine else _here(config)
    if draft.problems:
        raise UserError("\n".join(text for _, text in draft.problems))
    if draft.verdict is None:
        raise UserError(
            f"model: the shape of {config.model!r} is not known here; "
            "name a folder with its config.json, or a preset"
        )
    if json:
        write_json(_as_json(draft, draft.verdict))
    else:
        _print(draft, draft.verdict)
    return 0


def _on_machine(config: RunConfig, machine: str) -> DraftVerdict:
    from trainer_core.plan.machines import load_machine

    precision = "fp32" if config.precision == "fp32" else "bf16"
    return verdict_for(config, load_machine(machine, precision))


def _here(config: RunConfig) -> DraftVerdict:
    from trainer_core.accelerators.inventory import read_devices
    from trainer_core.accelerators.pool import AcceleratorPool

    devices = read_devices().devices
    if config.size is None and not config.devices:
        label = AcceleratorPool.load(devices).current.size.label
        config = msgspec.structs.replace(config, size=label)
    return verdict_for(config, devices)


def _print(draft: DraftVerdict, verdict: Verdict) -> None:
    write_line(_headline(draft))
    write_line()
    chosen = verdict.choice.size if verdict.choice else None
    rows = [_row(judged, judged.size == chosen) for judged in verdict.sizes]
    header = ("size", "verdict", "by", "per device", "tokens/s", "time", "plan")
    write_table(header, rows, right="lllrrrl")
    write_line()
    write_line(f"why: {verdict.reason}")
    if verdict.choice and verdict.choice.plan:
        write_line(f"memory: {_split_text(verdict.choice.plan)}")
    if verdict.runner_up_cost:
        write_line(f"runner-up: {verdict.runner_up_cost}")
    if verdict.next_better:
        write_line(f"better: {verdict.next_better}")
    for choice in draft.choices:
        write_line(f"chosen: {choice}")
    for note in verdict.notes:
        write_line(f"note: {note}")
    disk = _disk(draft, verdict)
    if disk is not None:
        for line in disk.lines:
            write_line(f"disk: {show_line(line, 500)}")
        for offer in disk.offers:
            write_line(f"disk, instead: {show_line(offer, 500)}")


def _disk(draft: DraftVerdict, verdict: Verdict) -> DiskPlan | None:
    """Return what the run would write; None for a machine that is only described."""
    from trainer_core.run.forecast.disk_plan import disk_plan

    if draft.shape is None or (draft.hardware is not None and draft.hardware.described):
        return None
    plan = verdict.choice.plan if verdict.choice else None
    try:
        return disk_plan(draft.ready, draft.shape, plan)
    except OSError:
        return None


def _headline(draft: DraftVerdict) -> str:
    config, hardware = draft.config, draft.hardware
    machine = ""
    if hardware is not None:
        described = " (described)" if hardware.described else ""
        count = f"{hardware.devices} × " if not hardware.described else ""
        machine = f" on {count}{hardware.name}{described}"
    return (
        f"{config.model}, {config.method}, {config.global_batch_size} × "
        f"{config.sequence_length} tokens a step{machine}"
    )


def _row(judged: SizeVerdict, chosen: bool) -> tuple[str, ...]:
    plan = judged.plan
    able = judged.plan if judged.verdict in ("fits", "tight") else None
    mark = "* " if chosen else "  "
    return (
        mark + judged.size,
        judged.verdict,
        "" if plan is None else "measured" if plan.measured else "computed",
        bytes_text(plan.memory.total if plan else None),
        rate_text(able.tokens_per_second if able else None),
        duration_text(able.seconds if able else None),
        able.line if able else judged.why,
    )


def _split_text(plan: Plan) -> str:
    return ", ".join(f"{name} {bytes_text(size)}" for name, size in _split(plan).items() if size)


def _split(plan: Plan) -> dict[str, int]:
    memory = plan.memory
    return {
        "weights": memory.weights,
        "gradients": memory.gradients,
        "optimizer": memory.optimizer,
        "activations": memory.activations,
        "logits": memory.logits,
        "communication": memory.communication,
        "runtime": memory.runtime,
    }


def _as_json(draft: DraftVerdict, verdict: Verdict) -> dict[str, Any]:
    config, hardware = draft.config, draft.hardware
    disk = _disk(draft, verdict)
    return {
        "disk": _disk_as_json(disk) if disk is not None else None,
        "sizes": [_size_as_json(judged) for judged in verdict.sizes],
        "choice": _size_as_json(verdict.choice) if verdict.choice else None,
        "reason": verdict.reason,
        "runner_up": _size_as_json(verdict.runner_up) if verdict.runner_up else None,
        "runner_up_cost": verdict.runner_up_cost,
        "next_better": verdict.next_better,
        "notes": list(verdict.notes),
        "computed_only": not any(s.plan and s.plan.measured for s in verdict.sizes),
        "machine": hardware.name if hardware else None,
        "described": hardware.described if hardware else False,
        "model": config.model,
        "method": config.method,
        "sequence_length": config.sequence_length,
        "global_batch_size": config.global_batch_size,
        "choices": list(draft.choices),
    }


def _disk_as_json(disk: DiskPlan) -> dict[str, Any]:
    return {
        "fits": disk.fits,
        "offers": list(disk.offers),
        "places": [
            {
                **msgspec.to_builtins(need.place),
                "needed_bytes": need.needed_bytes,
                "fits": need.fits,
                "items": {item.name: item.bytes for item in need.items},
            }
            for need in disk.needs
        ],
    }


def _size_as_json(judged: SizeVerdict) -> dict[str, Any]:
    plan = judged.plan
    able = plan if judged.verdict in ("fits", "tight") else None
    entry: dict[str, Any] = {
        "size": judged.size,
        "devices": judged.devices,
        "verdict": judged.verdict,
        "peak_memory_bytes": plan.memory.total if plan else None,
        "tokens_per_second": able.tokens_per_second if able else None,
        "seconds": able.seconds if able else None,
        "why": judged.why,
        "change": dict([judged.mend]) if judged.mend else None,
        "measured": plan.measured if plan else False,
        "plan": None,
    }
    if plan is not None:
        entry["plan"] = {
            "strategy": plan.strategy,
            "micro_batch_size": plan.micro_batch_size,
            "gradient_accumulation_steps": plan.gradient_accumulation_steps,
            "degrees": {
                "replicas": plan.degrees.replicas,
                "shards": plan.degrees.shards,
                "tensor": plan.degrees.tensor,
                "stages": plan.degrees.stages,
                "context": plan.degrees.context,
            },
            "recomputation": plan.recomputation,
            "recomputed_blocks": plan.recomputed_blocks,
            "precision": plan.precision,
            "line": plan.line,
            "memory_bytes": _split(plan),
        }
    return entry
