"""What a run leaves behind at its borders: evaluations, samples, checkpoints, the model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch

from trainer_core.engine.distributed import all_agree, largest_over_ranks, reshard
from trainer_core.engine.evaluation import evaluate
from trainer_core.engine.generate import generate_texts
from trainer_core.engine.metrics import device_name
from trainer_core.engine.model_folder import ModelCard, save_model_folder
from trainer_core.engine.parallel.stages import Pipeline, StagedText
from trainer_core.engine.prediction import predicted_peak_bytes
from trainer_core.engine.reporting import Reporter, versions
from trainer_core.engine.saver import FULL, SaveProblem
from trainer_core.engine.saves import Saves
from trainer_core.engine.setup import DATA_FACT, Parts
from trainer_core.run.record.directory import RunDirectory, read_meta
from trainer_core.run.record.events import (
    ModelSaved,
    Notice,
    RunStarted,
    Sample,
    SamplePair,
)

MODEL_FOLDER = "model"

QUICK_SECONDS = 5.0
"""What took at most so long before is done once more when somebody stops the run."""


class Outcomes:
    """Makes them, times them, writes their events; every rank has one and calls it alike."""

    def __init__(self, parts: Parts, run_folder: Path, *, reporter: Reporter, attempt: int) -> None:
        self._parts, self._run_folder = parts, run_folder
        self._reporter = reporter
        before = parts.checkpoint.extra.get("first_eval_loss") if parts.checkpoint else None
        self._eval_losses: list[float] = [] if before is None else [before]
        self._evaluated_step: int | None = None
        self.saves = Saves(parts, run_folder, reporter=reporter, attempt=attempt)
        self._seconds: dict[str, float] = {}
        """How long the last evaluation and the last sample took in this attempt."""

    def announce(self, peak_flops: float | None) -> None:
        """Write what is known before the first step.

        Args:
            peak_flops: What MFU is taken against; None where unknown.
        """
        parts, settled = self._parts, self._parts.settled
        chosen = (*read_meta(RunDirectory(self._run_folder)).choices, parts.numerics.reason)
        checkpoint = parts.checkpoint
        for problem in checkpoint.problems if checkpoint else ():
            self._reporter.event(
                Notice(level="warning", text=f"A checkpoint was passed over: {problem}.")
            )
        if checkpoint is not None and checkpoint.world_size != settled.world_size:
            text = (
                f"The checkpoint of step {checkpoint.step} was made by {checkpoint.world_size} "
                f"ranks, {settled.world_size} go on from it: losses may differ in the last digits."
            )
            self._reporter.event(Notice(level="info", text=text))
        self._reporter.event(
            RunStarted(
                model=settled.config.model,
                dataset=settled.config.dataset,
                method=settled.config.method,
                parameters=parts.loaded.parameters,
                trained_parameters=parts.loaded.trained_parameters,
                train_rows=len(parts.data.train),
                eval_rows=len(parts.data.eval),
                train_sequences=settled.sequences,
                counted_tokens_per_epoch=parts.data.train.counted_count,
                tokens_per_epoch=parts.data.train.token_count,
                total_steps=settled.total_steps,
                steps_per_epoch=settled.sequences / settled.global_batch_size,
                world_size=settled.world_size,
                devices=(device_name(parts.device),) * settled.world_size,
                plan=settled.plan_line(parts.numerics.word),
                choices=(*chosen, *settled.choices, *parts.loaded.choices),
                peak_flops=peak_flops,
                predicted_memory_bytes=predicted_peak_bytes(
                    settled, parts.loaded.shape, parts.numerics, parts.device
                ),
                resumed_from_step=checkpoint.step if checkpoint else None,
                eval_every_steps=settled.eval_every,
                checkpoint_every_steps=settled.checkpoint_every,
                versions=versions(),
            )
        )

    def evaluate(self, step: int, interrupted: Callable[[], bool]) -> bool:
        """Measure the held-out rows; nothing where there are none.

        Returns:
            Whether it was left because somebody wants the run to end.
        """
        parts = self._parts
        if parts.eval_feed is None:
            return False
        self._reporter.phase("evaluating", 0, len(parts.eval_feed.rows), "rows")
        event = evaluate(
            parts.objective,
            parts.eval_feed,
            step=step,
            rows_at_once=self._parts.settled.micro_batch_size * parts.mesh.degrees.data,
            own_share=parts.mesh.own_share,
            halves=parts.mesh.passes_alone,
            progress=lambda done, total: self._reporter.phase("evaluating", done, total, "rows"),
            interrupted=interrupted,
        )
        if event is None:
            text = f"The evaluation at step {step} was left: the run was asked to end."
            self._reporter.event(Notice(level="info", text=text))
            return True
        self._eval_losses.append(event.eval_loss)
        self._evaluated_step = step
        self._seconds["evaluate"] = event.seconds
        self._reporter.event(event)
        return False

    def is_quick(self, what: Literal["evaluate", "sample"]) -> bool:
        """Whether every rank did it before in so little time that a stop may wait for it."""
        return all_agree(self._seconds.get(what, math.inf) <= QUICK_SECONDS)

    def sample(self, step: int) -> None:
        """Generate from the same prompts before and after, to be read side by side."""
        parts, sample = self._parts, self._parts.settled.config.sample
        pairs: list[tuple[str, str, str | None]]
        if sample.prompts:
            wrap = parts.data.prompt_format.wrap
            pairs = [(prompt, wrap(prompt), None) for prompt in sample.prompts]
        else:
            pairs = [(r.prompt, r.wrapped, r.reference) for r in parts.data.samples[: sample.count]]
        takes_part = parts.mesh.holders is not None or parts.mesh.has_whole_rows
        if not pairs or not takes_part:
            self._seconds["sample"] = 0.0
            return
        self._reporter.phase("sampling", 0, len(pairs), "prompts")
        began = time.perf_counter()
        made = []
        with torch.compiler.set_stance("force_eager"):
            for done, (prompt, wrapped, reference) in enumerate(pairs, start=1):
                text = self._generate(wrapped, sample.new_tokens)
                made.append(SamplePair(prompt=prompt, text=text, reference=reference))
                self._reporter.phase("sampling", done, len(pairs), "prompts")
        seconds = self._seconds["sample"] = time.perf_counter() - began
        self._reporter.event(Sample(step=step, samples=tuple(made), seconds=seconds))

    def _generate(self, wrapped: str, new_tokens: int) -> str:
        with self._parts.numerics.autocast():
            objective = self._parts.objective
            staged = StagedText(objective) if isinstance(objective, Pipeline) else None
            return generate_texts(
                staged or self._parts.model, self._parts.tokenizer, [wrapped], new_tokens=new_tokens
            )[0]

    def save(self, step: int) -> None:
        """Begin a checkpoint, once a step; every rank calls it."""
        facts: dict[str, Any] = dict(self._parts.settled.position_facts())
        facts[DATA_FACT] = self._parts.data.fingerprint
        if self._eval_losses:
            facts["first_eval_loss"] = self._eval_losses[0]
        if self._evaluated_step == step:
            facts["eval_loss"] = self._eval_losses[-1]
        self.saves.begin(step, facts)

    def save_model(self, step: int) -> SaveProblem | None:
        """Write `model/`, one complete Hugging Face folder; every rank calls it.

        Returns:
            What the disk refused; an older folder is then still there.
        """
        self._reporter.phase("saving", detail="model")
        self._gather_nothing()
        parts = self._parts
        began = time.perf_counter()
        try:
            size = save_model_folder(
                self._run_folder / MODEL_FOLDER,
                model=parts.model,
                tokenizer=parts.tokenizer,
                prompt_format=parts.data.prompt_format,
                card=self._model_card(step),
                rank=parts.world.rank,
            )
        except OSError as error:
            (full,) = largest_over_ranks((error.errno in FULL,))
            if not full:
                raise
            needed = sum(p.numel() * p.element_size() for p in parts.model.parameters())
            text = error.strerror or str(error)
            return SaveProblem(step=step, disk_is_full=True, needed_bytes=needed, text=text)
        seconds = time.perf_counter() - began
        self._reporter.event(ModelSaved(step=step, path=MODEL_FOLDER, bytes=size, seconds=seconds))
        return None

    def _model_card(self, step: int) -> ModelCard:
        config = self._parts.settled.config
        return ModelCard(
            base_model=config.model,
            dataset=config.dataset,
            method=config.method,
            step=step,
            eval_loss=self._eval_losses[-1] if len(self._eval_losses) > 1 else None,
            first_eval_loss=self._eval_losses[0] if self._eval_losses else None,
            run_name=read_meta(RunDirectory(self._run_folder)).name or "",
        )

    def _gather_nothing(self) -> None:
        if self._parts.mesh.holders is not None:
            reshard(self._parts.model)
