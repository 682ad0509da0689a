"""`moai-tui clean`: shows what is safe to remove, asks, then removes it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from moai_tui.commands.output import write_json, write_line, write_table
from moai_tui.formatting import bytes_text
from trainer_core.errors import UserError
from trainer_core.foreign_text import show_line
from trainer_core.run.storage.cleaning import Removable, removables, remove


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("clean")(clean)


def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object; asks nothing.")] = False,
) -> None:
    """Remove what is safe: left-overs of killed saves, superseded checkpoints, caches."""
    found = removables()
    if json:
        gone = [item for item in found if remove(item)] if yes and not dry_run else []
        write_json({"found": found, "removed_bytes": sum(item.bytes for item in gone)})
        return
    if not found:
        write_line("Nothing to clean.")
        return
    _show(found)
    if dry_run:
        return
    if not yes and not _agreed():
        write_line("Nothing was removed.")
        return
    gone = [item for item in found if remove(item)]
    write_line(f"Removed {len(gone)} of {len(found)}: {_sum_of(gone)} are free again.")


def _show(found: tuple[Removable, ...]) -> None:
    rows = [
        (item.kind, bytes_text(item.bytes), show_line(item.path, 300), item.why) for item in found
    ]
    write_table(("KIND", "SIZE", "PATH", "WHY IT IS SAFE"), rows, right="lrll")
    write_line(f"{len(found)} in all, {_sum_of(found)}.")


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise UserError("nobody can be asked here; add --yes to remove them, or --dry-run")
    sys.stdout.write("Remove all of it? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _sum_of(items: list[Removable] | tuple[Removable, ...]) -> str:
    return bytes_text(sum(item.bytes for item in items))
