"""`moai-tui train`: starts a run and follows it; the same path as the form."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from moai_tui.commands import run_options as options
from moai_tui.commands.output import write_json, write_line
from moai_tui.commands.run_lines import STEP_LINE_SECONDS, RunLines, run_label, write_end
from moai_tui.formatting import download_text
from trainer_core.errors import UserError
from trainer_core.json_lines import write_json_line
from trainer_core.run.overview.follow import Follower, Listener
from trainer_core.run.overview.summarize import summarize
from trainer_core.run.record.directory import RunDirectory, read_meta
from trainer_core.run.record.event_log import encode_event
from trainer_core.run.record.events import AnyEvent
from trainer_core.run.record.summary import RunSummary

if TYPE_CHECKING:
    from trainer_core.run.config.run_config import RunConfig
    from trainer_core.run.processes.data_worker import Download, OnDownload
    from trainer_core.run.supervision.joined import Membership


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(train)


def train(
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
    detach: Annotated[
        bool, typer.Option("--detach", help="Start the run and return at once.")
    ] = False,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Own the run: INT, TERM and USR1 stop and save it.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Events as JSON lines.")] = False,
    slurm: options.Slurm = False,
    gpus_per_node: options.GpusPerNode = 8,
) -> None:
    """Start a run and follow it."""
    given = dict(locals())
    if detach and foreground:
        raise UserError("--detach and --foreground exclude each other; give one of them")
    flags = {field: value for field, value in given.items() if field in options.FLAG_FIELDS}
    wanted = options.configuration(config, flags, settings or ())
    if slurm:
        print_slurm_script(wanted, gpus_per_node)
        return
    from trainer_core.run.processes.session import logout_danger
    from trainer_core.run.supervision.joined import membership
    from trainer_core.run.supervision.requeue import launch_or_resume

    member = membership(os.environ) if foreground else None
    if member is not None:
        raise typer.Exit(join(wanted, member, json=json))
    if (danger := logout_danger()) is not None:
        write_line(f"{danger.text}; {danger.fix}", to=sys.stderr)
    directory = launch_or_resume(wanted, on_download=download_lines())
    raise typer.Exit(started(directory, detach=detach, foreground=foreground, json=json))


def print_slurm_script(config: RunConfig, gpus_per_node: int) -> None:
    """Print the script to standard output, and how to submit it beside it."""
    from trainer_core.run.config.slurm import SUBMIT, slurm_script

    sys.stdout.write(slurm_script(config, gpus_per_node))
    write_line(SUBMIT, to=sys.stderr)


def join(config: RunConfig, member: Membership, *, json: bool) -> int:
    """Run as the one rank that another launcher gave this command; returns the exit code."""
    from trainer_core.run.processes.data_worker import worker_python
    from trainer_core.run.supervision import joined
    from trainer_core.run.supervision.requeue import launch_or_resume

    if not member.leads:
        directory = joined.find_announced(member)
        return joined.run_member(directory, member, worker_python(config))
    joined.forget(member)
    os.environ[joined.JOINED_VARIABLE] = "1"
    directory = launch_or_resume(config, member.world_size, download_lines())
    joined.announce(member, directory)
    try:
        return follow_run(directory, owns=True, json=json)
    finally:
        joined.forget(member)


def started(
    directory: RunDirectory,
    *,
    detach: bool,
    foreground: bool,
    json: bool,
    since: float = 0.0,
) -> int:
    """Say that a run was started, then follow it unless told to leave it alone.

    Events before `since` (Unix time) are not printed.
    """
    if detach:
        if json:
            name = read_meta(directory).name
            write_json({"id": directory.id, "name": name, "path": str(directory.path)})
        else:
            write_line(f"Started {run_label(summarize(directory))}.")
            run = read_meta(directory).name or directory.id
            write_line(f"Watch it: moai-tui attach {run}")
            write_line(f"Stop and save it: moai-tui stop {run}")
        return 0
    return follow_run(directory, owns=foreground or not at_terminal(), json=json, since=since)


def download_lines() -> OnDownload:
    """Return what tells on standard error, now and then, how far a dataset's download is."""
    last = -STEP_LINE_SECONDS

    def tell(download: Download) -> None:
        nonlocal last
        if download.seconds - last >= STEP_LINE_SECONDS and download.done != download.total:
            last = download.seconds
            far = download_text(download.done, download.total, download.seconds)
            write_line(f"Downloading the dataset: {far}", to=sys.stderr)

    return tell


def at_terminal() -> bool:
    """Whether a person sits in front of this command and could come back to it."""
    return sys.stdin.isatty() and (sys.stdout.isatty() or sys.stderr.isatty())


def follow_run(directory: RunDirectory, *, owns: bool, json: bool, since: float = 0.0) -> int:
    """Follow a run to its end, or until told to leave; returns the exit code."""
    if json:
        listener = _json_listener(directory, since)
    else:
        listener = _line_listener(directory, since, owns=owns)
    code = Follower(directory, listener, owns=owns).follow()
    if code in (0, 1, 2):
        _write_summary(summarize(directory), json=json)
    return code


def _json_listener(directory: RunDirectory, since: float) -> Listener:
    def write(event: AnyEvent) -> None:
        if event.time < since:
            return
        write_json_line(encode_event(event))

    return Listener(
        event=write,
        tick=lambda: None,
        leaving=lambda: _say_how_to_come_back(directory),
        stopping=lambda: None,
    )


def _line_listener(directory: RunDirectory, since: float, *, owns: bool) -> Listener:
    lines = RunLines(since)
    write_line(f"Run {run_label(summarize(directory))}")
    if not owns:
        write_line("Ctrl-C leaves it running.")
    return Listener(
        event=lines.event,
        tick=lines.tick,
        leaving=lambda: _say_how_to_come_back(directory),
        stopping=lambda: write_line("Stopping: the run saves itself first …"),
    )


def _say_how_to_come_back(directory: RunDirectory) -> None:
    run = read_meta(directory).name or directory.id
    write_line("", to=sys.stderr)
    write_line(f"The run goes on. Come back: moai-tui attach {run}", to=sys.stderr)
    write_line(f"Stop and save it: moai-tui stop {run} (or ctrl-c again now)", to=sys.stderr)


def _write_summary(summary: RunSummary, *, json: bool) -> None:
    try:
        if json:
            import msgspec

            write_json({"type": "summary", **msgspec.to_builtins(summary)})
        else:
            write_end(summary)
    except OSError:
        return  # nobody reads any more; the exit code says it
