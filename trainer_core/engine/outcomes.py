"""What a run leaves behind at its borders: evaluations, samples, checkpoints, the model."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Literal

import torch

from trainer_core.engine.checkpoint import save_checkpoint
from trainer_core.engine.distributed import all_agree, reshard
from trainer_core.engine.evaluation import evaluate
from trainer_core.engine.generate import generate_texts
from trainer_core.engine.metrics import device_name
from trainer_core.engine.model_folder import ModelCard, save_model_folder
from trainer_core.engine.prediction import predicted_peak_bytes
from trainer_core.engine.reporting import Reporter, versions
from trainer_core.engine.setup import Parts
from trainer_core.run.directory import RunDirectory, read_meta
from trainer_core.run.events import (
    CheckpointSaved,
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
        self._reporter, self._attempt = reporter, attempt
        self._eval_losses: list[float] = []
        self._saved_step: int | None = None
        self._seconds: dict[str, float] = {}
        """How long the last evaluation and the last sample took in this attempt."""

    def announce(self, peak_flops: float | None) -> None:
        """Write what is known before the first step.

        Args:
            peak_flops: What MFU is taken against; None where unknown.
        """
        parts, settled = self._parts, self._parts.settled
        before_start = read_meta(RunDirectory(self._run_folder)).choices
        checkpoint = parts.checkpoint
        for problem in checkpoint.problems if checkpoint else ():
            self._reporter.event(
                Notice(level="warning", text=f"A checkpoint was passed over: {problem}.")
            )
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
                choices=(
                    *before_start,
                    parts.numerics.reason,
                    *settled.choices,
                    *parts.loaded.choices,
                ),
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

    def evaluate(self, step: int) -> None:
        """Measure the held-out rows; nothing where there are none."""
        parts = self._parts
        if parts.eval_feed is None:
            return
        self._reporter.phase("evaluating", 0, len(parts.eval_feed.rows), "rows")
        event = evaluate(
            parts.objective,
            parts.eval_feed,
            step=step,
            rows_at_once=self._parts.settled.micro_batch_size * parts.world.size,
            progress=lambda done, total: self._reporter.phase("evaluating", done, total, "rows"),
        )
        self._eval_losses.append(event.eval_loss)
        self._seconds["evaluate"] = event.seconds
        self._reporter.event(event)

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
        if not pairs or not (parts.world.leads or self._parts.settled.strategy == "fsdp"):
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
            return generate_texts(
                self._parts.model, self._parts.tokenizer, [wrapped], new_tokens=new_tokens
            )[0]

    def save(self, step: int) -> None:
        """Save a checkpoint, once a step; every rank calls it."""
        if self._saved_step == step:
            return
        self._reporter.phase("saving")
        self._gather_nothing()
        parts, settled = self._parts, self._parts.settled
        info = save_checkpoint(
            self._run_folder,
            step,
            model=parts.model,
            optimizer=parts.optimizer,
            extra=settled.position_facts(),
            tokenizer=parts.tokenizer,
            prompt_format=parts.data.prompt_format,
            rank=parts.world.rank,
            world_size=parts.world.size,
            keep=settled.config.checkpoint.keep,
            attempt=self._attempt,
        )
        self._saved_step = step
        self._reporter.event(
            CheckpointSaved(
                step=step,
                path=str(info.path.relative_to(self._run_folder)),
                bytes=info.bytes,
                seconds=info.seconds,
            )
        )

    def save_model(self, step: int) -> None:
        """Write `model/`, one complete Hugging Face folder; every rank calls it."""
        self._reporter.phase("saving", detail="model")
        self._gather_nothing()
        parts, config = self._parts, self._parts.settled.config
        began = time.perf_counter()
        size = save_model_folder(
            self._run_folder / MODEL_FOLDER,
            model=parts.model,
            tokenizer=parts.tokenizer,
            prompt_format=parts.data.prompt_format,
            card=ModelCard(
                base_model=config.model,
                dataset=config.dataset,
                method=config.method,
                step=step,
                eval_loss=self._eval_losses[-1] if len(self._eval_losses) > 1 else None,
                first_eval_loss=self._eval_losses[0] if self._eval_losses else None,
                run_name=read_meta(RunDirectory(self._run_folder)).name or "",
            ),
            rank=parts.world.rank,
        )
        seconds = time.perf_counter() - began
        self._reporter.event(ModelSaved(step=step, path=MODEL_FOLDER, bytes=size, seconds=seconds))

    def _gather_nothing(self) -> None:
        if self._parts.settled.strategy == "fsdp":
            reshard(self._parts.model)
