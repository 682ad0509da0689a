"""What a run writes is known before it starts, and what else would fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from trainer_core.errors import ConfigError
from trainer_core.plan.types import Hardware
from trainer_core.run.config.catalog import require_model
from trainer_core.run.config.run_config import CheckpointConfig, RunConfig
from trainer_core.run.forecast import disk_plan as plans
from trainer_core.run.forecast.disk_plan import checkpoint_bytes, disk_plan, require_room, with_disk
from trainer_core.run.forecast.draft import verdict_for
from trainer_core.run.storage.disk import Place

TINY = RunConfig(from_scratch=True)


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How much fits: one disk for runs, one for caches, set by the test."""
    monkeypatch.setenv("MOAI_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rooms = {"runs": 1 << 40, "cache": 1 << 40}

    def placed(path: Path) -> Place:
        kind = "cache" if "cache" in str(path) else "runs"
        return Place(path=str(path), mount=f"/{kind}", filesystem="ext4", total_bytes=1 << 41,
                     free_bytes=rooms[kind])  # fmt: skip

    monkeypatch.setattr(plans, "place_of", placed)
    monkeypatch.setattr(plans, "roomier_place", lambda needed, than: None)
    return rooms


def shape():
    found = require_model("tiny").shape
    assert found is not None
    return found


def test_sums_are_told_by_place(room: dict[str, int]) -> None:
    found = disk_plan(TINY, shape())
    assert found.fits
    runs, cache = found.needs
    sizes = {item.name: item.bytes for item in (*runs.items, *cache.items)}
    each = checkpoint_bytes(TINY, shape())
    assert sizes["checkpoints"] == 4 * each  # two kept, the best, one being written
    assert sizes["final model"] * 3 == each
    assert {"logs", "tokenised rows"} <= sizes.keys()
    assert "ext4" in found.lines[0]
    assert "1024 GiB free" in found.lines[0]


def test_a_disk_that_holds_fewer_is_offered_fewer(room: dict[str, int]) -> None:
    config = msgspec.structs.replace(TINY, checkpoint=CheckpointConfig(keep=5))
    needed = disk_plan(config, shape()).needs[0].needed_bytes
    room["runs"] = needed - 2 * checkpoint_bytes(config, shape())
    with pytest.raises(ConfigError) as caught:
        require_room(config, shape())
    assert "--set checkpoint.keep=3" in str(caught.value)
    assert "--method lora" in str(caught.value)
    smaller = msgspec.structs.replace(config, checkpoint=CheckpointConfig(keep=3))
    require_room(smaller, shape())


def test_another_disk_is_offered_with_its_variable(
    room: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Place(path="/scratch/moai-tui/runs", mount="/scratch", filesystem="xfs",
                  total_bytes=1 << 42, free_bytes=1 << 41)  # fmt: skip
    monkeypatch.setattr(plans, "roomier_place", lambda needed, than: other)
    room["runs"] = 0
    found = disk_plan(TINY, shape())
    assert not found.fits
    assert "it does not fit" in found.lines[0]
    assert found.offers == ("set MOAI_TUI_RUNS=/scratch/moai-tui/runs, where 2048 GiB are free",)
    room["runs"], room["cache"] = 1 << 40, 0
    assert disk_plan(TINY, shape()).offers[-1].startswith("set XDG_CACHE_HOME=")


def test_adapters_are_small(room: dict[str, int]) -> None:
    lora = msgspec.structs.replace(TINY, method="lora")
    assert checkpoint_bytes(lora, shape()) < checkpoint_bytes(TINY, shape()) / 2


def test_a_place_that_cannot_be_looked_at_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> Place:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(plans, "place_of", refuse)
    with pytest.raises(PermissionError):
        disk_plan(TINY, shape())
    require_room(TINY, shape())  # refuses nothing


def test_the_answer_to_a_draft_says_what_is_written_and_whether_there_is_room(
    room: dict[str, int], h100s: Callable[[int], Hardware]
) -> None:
    machine = h100s(1)
    ready = with_disk(verdict_for(TINY, machine))
    assert ready.problems == ()
    assert ready.verdict is not None
    assert any("the run writes up to" in note for note in ready.verdict.notes)
    room["runs"] = 1 << 20
    ((field, sentence),) = with_disk(verdict_for(TINY, machine)).problems
    assert field == "checkpoint.keep"
    assert "has room for 1 MiB" in sentence
    described = replace(machine, described=True)
    assert with_disk(verdict_for(TINY, described)).problems == ()
