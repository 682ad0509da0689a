"""The training loop: reads from top to bottom."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from trainer_core.engine.failure import TrainingFailed, memory_named
from trainer_core.engine.feed import MicroBatch, StepBatches
from trainer_core.engine.memory import peak_memory_bytes
from trainer_core.engine.metrics import (
    StepWork,
    clock_for,
    model_flops_utilization,
    on_its_way_to_host,
    peak_flops_of,
)
from trainer_core.engine.optimizer import (
    guarded_step,
    learning_rate_at,
    set_learning_rate,
)
from trainer_core.engine.outcomes import Outcomes
from trainer_core.engine.passes import Passes
from trainer_core.engine.probe import probe_memory
from trainer_core.engine.reporting import Reporter
from trainer_core.engine.saver import SaveProblem
from trainer_core.engine.setup import Parts
from trainer_core.engine.shortage import Shortage
from trainer_core.engine.wishes import Ending, Wish, Wishes
from trainer_core.run.config.time_limit import SAVE_BYTES_PER_SECOND
from trainer_core.run.record.events import Notice, Step, TrainingEnded

PATIENCE_SECONDS = 10.0
"""A checkpoint that is due waits so long for the one before; after that for a later step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LateStep:
    """A step whose numbers may still be on their way from the device."""

    step: int
    numbers: Tensor
    """[loss, norm] on the host, there once the step's clock has reached its end."""
    learning_rate: float
    work: StepWork
    data_seconds: float


class Trainer:
    """Trains what `setup.build` made and writes down what happens.

    Args:
        parts: Model, data and optimizer.
        run_folder: Where checkpoints and the model go.
        reporter: Takes events and beats.
        wishes: What is asked from outside.
        attempt: Number of this attempt, part of temporary names.
    """

    def __init__(
        self, parts: Parts, run_folder: Path, *, reporter: Reporter, wishes: Wishes, attempt: int
    ) -> None:
        self._parts, self._settled = parts, parts.settled
        self._reporter, self._wishes = reporter, wishes
        self._outcomes = Outcomes(parts, run_folder, reporter=reporter, attempt=attempt)
        self._trained = [p for p in parts.objective.parameters() if p.requires_grad]
        self._passes = Passes(parts)
        self._shortage = Shortage(parts, run_folder)
        self._clock = clock_for(parts.device)
        self._peak_flops = peak_flops_of(parts.device)
        self._peak_memory = 0
        self._late: LateStep | None = None
        self._saves = self._outcomes.saves
        self._save_owed = False
        self.step = parts.checkpoint.step if parts.checkpoint else 0
        """Optimizer steps done."""
        reporter.step = self.step

    def run(self) -> Ending | str:
        """Train to the end, or to where somebody asks to stop; returns the reason.

        Raises:
            TrainingFailed: If loss or gradients are no numbers any more.
        """
        self._outcomes.announce(self._peak_flops)
        ending = self._ask().end
        if ending is None:
            self._try_out()
        if ending is None and self.step == 0:
            self._outcomes.evaluate(self.step, self._wishes.pressing)
            ending = self._ask().end
        if ending is None and self.step == 0:
            self._outcomes.sample(self.step)
        if ending is None:
            with memory_named(self._parts, where="training"):
                ending = self.train()
        self._finish(ending)
        return ending or "finished"

    def _try_out(self) -> None:
        """Compile, then see that the longest micro-batch fits, before time is spent on the rest."""
        with memory_named(self._parts, where="the longest micro-batch, before step 1"):
            if is_compiled(self._parts.device):
                self._warm_up()
            self._reporter.phase("probing")
            self._reporter.event(probe_memory(self._parts, self._passes))

    def _warm_up(self) -> None:
        """Run every kernel once, with nothing to show for it, so that compiling has a name.

        Weights, optimizer and random states are afterwards what they were.
        """
        self._reporter.phase("compiling")
        parts = self._parts
        cards = [parts.device] if parts.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cards):
            batches, _ = parts.train_feed.take(self.step + 1, last=True)
            first = batches.micro_batches[0]
            self._passes.try_heaviest(first)
            parts.optimizer.zero_grad(set_to_none=True)
            with torch.no_grad():
                parts.objective.eval()(**first.arguments())
            parts.objective.train()

    def train(self) -> Ending | None:
        """Take the steps that are left, or up to where somebody asks to stop; returns why."""
        self._reporter.phase("training")
        self._clock.restart()
        while self.step < self._settled.total_steps:
            self._train_step(self.step + 1)
            self.step += 1
            self._reporter.step = self.step
            wish = self._ask()
            ending = wish.end or self._border(save=wish.save)
            if ending is not None:
                return ending
            self._reporter.phase("training")
        return None

    def _ask(self) -> Wish:
        """Ask what is wanted from outside; all ranks get the same answer."""
        wish = self._wishes.at_border(
            self.step,
            peak_memory_bytes(self._parts.device),
            total_steps=self._settled.total_steps,
            leaving_seconds=self._leaving_seconds(),
        )
        self._peak_memory = max(self._peak_memory, wish.peak_memory_bytes)
        self._settled = self._parts.settled = replace(
            self._settled,
            learning_rate=wish.learning_rate or self._settled.learning_rate,
            total_steps=wish.total_steps or self._settled.total_steps,
        )
        return wish

    def _leaving_seconds(self) -> float:
        """Return what the last checkpoint and the model after it will take to be written."""
        weights = list(self._parts.objective.parameters())
        states = sum(p.numel() for p in self._trained) * 8
        size = sum(p.numel() * p.element_size() for p in weights) + states
        return 2 * (self._saves.seconds or size / SAVE_BYTES_PER_SECOND)

    def _train_step(self, step: int) -> None:
        """Fetch, forward, backward, read the last step's numbers, clip, step."""
        rate = learning_rate_at(
            step,
            config=self._settled.config.optimizer,
            learning_rate=self._settled.learning_rate,
            total_steps=self._settled.total_steps,
        )
        set_learning_rate(self._parts.optimizer, rate)
        batches, waited, loss = self._passed(step)
        norm = self._passes.gradient_norm()
        self._report_late()
        if self._parts.stepper is None:
            most = self._settled.config.optimizer.max_grad_norm
            guarded_step(self._parts.optimizer, loss, norm, most)
        self._parts.optimizer.zero_grad(set_to_none=True)
        numbers = on_its_way_to_host(torch.stack([loss.float(), norm]))
        self._clock.border()
        self._late = LateStep(
            step=step,
            numbers=numbers,
            learning_rate=rate,
            work=batches.work,
            data_seconds=waited,
        )

    def _passed(self, step: int) -> tuple[StepBatches, float, Tensor]:
        """Fetch, forward, backward; once more in smaller micro-batches where memory runs out."""
        while True:
            last = step == self._settled.total_steps
            batches, waited = self._parts.train_feed.take(step, last=last)
            try:
                loss = self._forward_backward(batches.micro_batches, batches.work.counted_tokens)
            except (RuntimeError, MemoryError) as error:
                notice = self._shortage.make_smaller(error, step)
            else:
                return batches, waited, loss
            self._settled = self._parts.settled
            self._reporter.event(notice)

    def _forward_backward(
        self, micro_batches: tuple[MicroBatch, ...], counted_tokens: int
    ) -> Tensor:
        """Return the step's loss over all ranks; its gradients stand in the parameters."""
        return self._passes.forward_backward(micro_batches, counted_tokens, self._reporter.beat)

    def _report_late(self) -> None:
        """Read the numbers of the step before, check them, write its event."""
        late, self._late = self._late, None
        if late is None:
            return
        seconds = self._clock.seconds()
        loss, norm = late.numbers.tolist()
        if late.step % self._settled.config.log.every_steps == 0 or not _finite(loss, norm):
            self._reporter.event(self._step_event(late, loss, norm, seconds))
        if not _finite(loss, norm):
            what = "the loss" if not _finite(loss) else "the gradient"
            left = f"the weights were left as step {late.step - 1} made them"
            if self._parts.stepper is not None:
                left = "no weight was stepped after it; resume goes on from the last checkpoint"
            raise TrainingFailed(
                f"{what} of step {late.step} is not a finite number; {left}",
                "lower learning_rate, lengthen optimizer.warmup_steps, or look at the data",
            )

    def _step_event(self, late: LateStep, loss: float, norm: float, seconds: float) -> Step:
        work, settled = late.work, self._settled
        return Step(
            step=late.step,
            epoch=self._parts.train_feed.epoch_after(late.step),
            train_loss=loss,
            learning_rate=late.learning_rate,
            grad_norm=norm,
            tokens=work.tokens,
            padded_tokens=work.padded_tokens,
            counted_tokens=work.counted_tokens,
            step_seconds=seconds,
            data_seconds=late.data_seconds,
            tokens_per_second=work.tokens / seconds if seconds > 0 else None,
            padded_tokens_per_second=work.padded_tokens / seconds if seconds > 0 else None,
            mfu=model_flops_utilization(
                self._parts.loaded.shape,
                settled.config.method,
                work,
                seconds=seconds,
                devices=settled.world_size,
                peak_flops=self._peak_flops,
            ),
            peak_memory_bytes=self._peak_memory or None,
        )

    def _border(self, *, save: bool) -> Ending | None:
        """Evaluate and save where it is due; the clock does not count it as a step.

        Returns:
            Why the run ends here, where somebody ended it while a full disk held it.
        """
        step, total = self.step, self._settled.total_steps
        # A checkpoint right after the first step finds in a minute what would fail in an hour.
        trial = step == 1 and self._parts.checkpoint is None
        self._save_owed |= save or trial or _due(step, self._settled.checkpoint_every)
        problem = self._saves.look(PATIENCE_SECONDS if self._save_owed else 0.0)
        if problem is not None and (ending := self._mend(problem)) is not None:
            return ending
        evaluation_due = _due(step, self._settled.eval_every) and step < total
        save_now = self._save_owed and not self._saves.in_flight and step < total
        if not save_now and not evaluation_due:
            return None
        self._report_late()
        if evaluation_due and self._outcomes.evaluate(step, self._wishes.pressing):
            return self._ask().end
        if save_now:
            self._save_owed = False
            self._outcomes.save(step)
        self._clock.restart()
        return None

    def _mend(self, problem: SaveProblem) -> Ending | None:
        """Do what can be done about a save that failed: wait for room, or try again later."""
        self._report_late()
        if not problem.disk_is_full:
            self._tell_unsaved(problem, "it is tried again at the next one")
            return None
        found: SaveProblem | None = problem
        while found is not None:
            ending = self._saves.hold(found, self._ask)
            if ending is not None:
                return ending
            self._outcomes.save(self.step)
            found = self._saves.finish()
        self._clock.restart()
        return None

    def _finish(self, ending: Ending | None) -> None:
        """Leave everything behind that the ending promises."""
        self._report_late()
        self._parts.train_feed.close()
        if ending is None:
            self._outcomes.evaluate(self.step, self._wishes.pressing)
        if self.step > 0:
            ending = self._save_at_end(ending)
        if ending == "stopped" and self.step > 0:
            self._measure_quickly()
        if ending is None:
            self._outcomes.sample(self.step)
        if ending != "paused" and self.step > 0:
            ending = self._save_model(ending)
        self._saves.close()
        self._reporter.event(TrainingEnded(step=self.step, reason=ending or "finished"))
        self._reporter.sync()

    def _save_at_end(self, ending: Ending | None) -> Ending | None:
        """Save the last step and wait for it; who ends a run does not wait for a full disk.

        Returns:
            The ending, or the one somebody asked for while a full disk held the run.
        """
        tries_left = 2
        self._saves.finish()
        while True:
            self._outcomes.save(self.step)
            problem = self._saves.finish()
            if problem is None:
                return ending
            tries_left -= not problem.disk_is_full
            if ending is None and problem.disk_is_full:
                ending = self._saves.hold(problem, self._ask)
            if ending is not None:
                self._tell_unsaved(problem, "resume goes on from the checkpoint before")
                return ending
            if not tries_left:
                raise OSError(f"the checkpoint of step {problem.step}: {problem.text}")

    def _save_model(self, ending: Ending | None) -> Ending | None:
        """Write `model/`, waiting for room unless somebody wants the run to end."""
        while (problem := self._outcomes.save_model(self.step)) is not None:
            if ending is None:
                ending = self._saves.hold(problem, self._ask)
            if ending is not None:
                text = f"model/ could not be written: {problem.text}."
                fix = "`moai-tui export` makes it from the last checkpoint."
                self._reporter.event(Notice(level="error", text=text, fix=fix))
                break
        return ending

    def _tell_unsaved(self, problem: SaveProblem, what_follows: str) -> None:
        text = f"The checkpoint of step {problem.step} could not be saved ({problem.text}); "
        self._reporter.event(Notice(level="error", text=f"{text}{what_follows}."))

    def _measure_quickly(self) -> None:
        """Show what a stopped run has learnt; a stop waits seconds for it, never minutes."""
        if self._outcomes.is_quick("evaluate"):
            self._outcomes.evaluate(self.step, self._wishes.pressing)
        if self._outcomes.is_quick("sample"):
            self._outcomes.sample(self.step)


def is_compiled(device: torch.device) -> bool:
    """Whether blocks are compiled on a device, which takes a while at their first pass."""
    return device.type == "cuda"


def _finite(*numbers: float) -> bool:
    return all(math.isfinite(number) for number in numbers)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
