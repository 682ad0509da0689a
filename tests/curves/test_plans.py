"""Every kind of plan gives one rank's losses, on real ranks that meet over gloo."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.trainer_core.engine.conftest import small_model
from trainer_core.engine.data.tokenizer import load_tokenizer
from trainer_core.plan.degrees import EXECUTED, Degrees, degrees_of

pytestmark = [pytest.mark.curves, pytest.mark.integration]

PROGRAM = Path(__file__).with_name("ranks_program.py")

STEPS = 12
SETTINGS: dict[str, Any] = {
    "data": {"eval_fraction": 0.02},
    "sample": {"count": 1, "new_tokens": 3},
}


@dataclass(frozen=True)
class Case:
    """One plan on some ranks."""

    ranks: int
    parallel: dict[str, Any]
    model: str = "gpt2"

    @property
    def degrees(self) -> Degrees:
        return degrees_of(self.ranks, **self.parallel)

    @property
    def name(self) -> str:
        return f"{self.model}-{self.degrees.kind.replace('+', '-')}"


CASES = [
    Case(2, {"strategy": "ddp"}),
    Case(2, {"strategy": "fsdp"}),
    Case(4, {"strategy": "fsdp", "shard": 2}),
    Case(2, {"tensor": 2}),
    Case(2, {"tensor": 2}, "Llama"),
    Case(4, {"tensor": 2, "strategy": "ddp"}),
    Case(4, {"tensor": 2, "strategy": "fsdp"}),
    Case(4, {"tensor": 2, "context": 2}),
    Case(2, {"pipeline": 2}),
    Case(2, {"pipeline": 2}, "Llama"),
    Case(4, {"pipeline": 2, "strategy": "ddp"}),
    Case(4, {"pipeline": 2, "tensor": 2}),
    Case(2, {"context": 2}),
    Case(4, {"context": 2, "strategy": "ddp"}),
    Case(4, {"context": 2, "strategy": "fsdp"}),
]


@pytest.fixture(scope="module")
def models(folders: Path) -> dict[str, Path]:
    """Two blocks, width 32: what is tested is the same for any."""
    tokenizer = load_tokenizer("tiny")
    found = {}
    for kind, context in (("gpt2", "n_positions"), ("Llama", "max_position_embeddings")):
        found[kind] = folders / f"plans-{kind}"
        changes = {"vocab_size": len(tokenizer), context: 128}
        small_model(kind, **changes).save_pretrained(found[kind])
        tokenizer.save_pretrained(found[kind])
    return found


@pytest.fixture(scope="module")
def references(train_here, models) -> dict[str, list[tuple[float, float]]]:
    """The same on one rank."""
    return {
        kind: train_here(f"alone-{kind}", model=str(models[kind]), **SETTINGS) for kind in models
    }


@pytest.fixture(scope="module")
def folder_of(
    make_folder: Callable[..., Path], models, references, tmp_path_factory
) -> Callable[[Case], Path]:
    """Return a finder of a case's run; all have run, one after the other, in one test process."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    made = shared / "plans.json"
    with (shared / "plans.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            folders = {case.name: str(_folder(case, make_folder, models)) for case in CASES}
            start([{"folder": folders[case.name], "ranks": case.ranks} for case in CASES])
            made.write_text(json.dumps(folders))
    found = json.loads(made.read_text())
    return lambda case: Path(found[case.name])


def _folder(case: Case, make_folder: Callable[..., Path], models: dict[str, Path]) -> Path:
    return make_folder(
        case.name,
        model=str(models[case.model]),
        parallel=case.parallel,
        micro_batch_size=2,
        checkpoint={"every_steps": 6},
        **SETTINGS,
    )


def start(jobs: list[dict[str, Any]]) -> None:
    """Run jobs to their end; every rank must end well."""
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM.parents[2]), "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, str(PROGRAM), json.dumps(jobs)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    codes = [json.loads(line) for line in done.stdout.splitlines()]
    assert codes == [[0] * job["ranks"] for job in jobs], done.stderr + logs_of(
        jobs[len(codes) - 1]
    )


def logs_of(job: dict[str, Any]) -> str:
    return "\n".join(path.read_text()[-3000:] for path in sorted(Path(job["folder"]).glob("*.log")))


def events_of(folder: Path, kind: str) -> list[dict[str, Any]]:
    events = map(json.loads, (folder / "events.jsonl").read_text().splitlines())
    return [event for event in events if event["type"] == kind]


def assert_same(curve, reference) -> None:
    assert len(curve) == len(reference) == STEPS
    losses = [abs(a[0] - b[0]) for a, b in zip(curve, reference, strict=True)]
    norms = [abs(a[1] - b[1]) / b[1] for a, b in zip(curve, reference, strict=True)]
    assert max(losses) <= 1e-5, losses
    assert sum(losses) / STEPS <= 5e-6, losses
    assert max(norms) <= 1e-4, norms


def test_every_kind_that_is_said_to_run_is_here():
    assert {case.degrees.kind for case in CASES} | {"single"} == EXECUTED


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_plan_does_not_show(case, folder_of, references, losses, folders):
    """Losses, norms, the evaluations, what is generated and the tokens counted are one rank's."""
    folder, alone = folder_of(case), folders / f"alone-{case.model}"
    assert_same(losses(folder), references[case.model])
    for kind, fields in (
        ("step", ("tokens", "counted_tokens", "epoch", "learning_rate")),
        ("sample", ("samples",)),
        ("eval", ("eval_tokens",)),
    ):
        mine, theirs = events_of(folder, kind), events_of(alone, kind)
        assert [[e[f] for f in fields] for e in mine] == [[e[f] for f in fields] for e in theirs]
    for mine, theirs in zip(events_of(folder, "eval"), events_of(alone, "eval"), strict=True):
        assert mine["eval_loss"] == pytest.approx(theirs["eval_loss"], abs=1e-5)
    assert events_of(folder, "run_started")[0]["plan"].startswith(case.degrees.words)


MOVES = [CASES[3], CASES[8], CASES[6], CASES[2], CASES[12]]
"""tensor, pipeline, tensor+fsdp, hsdp, context: each goes on from the one before, then one rank."""


def test_a_checkpoint_moves_from_plan_to_plan_and_to_one_rank(
    folder_of, references, losses, folders
):
    """Each plan goes on from a checkpoint of the one before: steps 6, 7, 8, 9 and 10."""
    from trainer_core.run.config.config_file import dump_config, load_config

    folder = folders / "moved"
    shutil.copytree(folder_of(MOVES[0]), folder)
    config = load_config(folder / "config.yaml")
    sizes = {1: "Small", 2: "Medium", 4: "Large"}
    jobs = [
        {
            "folder": str(folder),
            "ranks": case.ranks,
            "config": dump_config(
                config_with(
                    config,
                    parallel=case.parallel,
                    size=sizes[case.ranks],
                    checkpoint={"every_steps": 1, "keep": STEPS},
                )
            ),
            "forget": [f"step-{step:08}" for step in range(first, STEPS + 1)],
        }
        for first, case in enumerate([*MOVES[1:], Case(1, {})], start=7)
    ]
    start(jobs)
    curve = {}
    for event in events_of(folder, "step"):
        curve[event["step"]] = event["train_loss"]
    for step, (loss, _) in enumerate(references["gpt2"], start=1):
        assert curve[step] == pytest.approx(loss, abs=1e-5)


def config_with(config: Any, **changes: Any) -> Any:
    import msgspec

    return msgspec.convert({**msgspec.to_builtins(config), **changes}, type(config))
