"""The peers' ways to train on a CPU, each as its own documentation has it, on rows we tokenised.

Run in processes of their own by `cpu_speed.py`, which says what is counted and why.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

import torch


class Meter:
    """Counts tokens and CPU seconds of whole steps, the first few apart."""

    def __init__(self, warm_steps: int) -> None:
        self._warm, self._done = warm_steps, 0
        self._tokens = self._padded = 0
        self._began = self._ended = 0.0
        self.losses: list[float] = []

    def begin(self, tokens: int, padded: int) -> None:
        """Note a batch before it is trained on; the clock starts with the first that is timed."""
        if self._done == self._warm and not self._began:
            self._began = cpu_seconds()
        if self._done >= self._warm:
            self._tokens, self._padded = self._tokens + tokens, self._padded + padded

    def end(self, loss: float) -> None:
        """Note the end of a step."""
        self._done += 1
        self.losses.append(loss)
        self._ended = cpu_seconds()

    def result(self) -> dict[str, Any]:
        """Return what a line of the table needs."""
        seconds = self._ended - self._began
        return {
            "tokens_per_cpu_second": self._tokens / seconds,
            "padded_tokens_per_cpu_second": self._padded / seconds,
            "steps": self._done - self._warm,
            "cpu_seconds": seconds,
            "first_loss": self.losses[0],
            "last_loss": self.losses[-1],
        }


def cpu_seconds() -> float:
    """Return user and system time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def tutorial_loop(
    model: Any,
    documents: list[list[int]],
    meter: Meter,
    *,
    length: int,
    rows: int,
    steps: int,
    **unused: object,
) -> None:
    """Train as the platform's tutorial does: every row padded to the length, AdamW's defaults."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    for step in range(steps):
        picked = [documents[(step * rows + place) % len(documents)] for place in range(rows)]
        ids = torch.zeros((rows, length), dtype=torch.int64)
        mask = torch.zeros((rows, length), dtype=torch.int64)
        for place, document in enumerate(picked):
            ids[place, : len(document)] = torch.tensor(document)
            mask[place, : len(document)] = 1
        meter.begin(sum(map(len, picked)), rows * length)
        labels = ids.masked_fill(mask == 0, -100)
        loss = model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        meter.end(loss.item())


def hugging_face_trainer(
    model: Any,
    documents: list[list[int]],
    meter: Meter,
    *,
    length: int,
    rows: int,
    steps: int,
    folder: str,
    mode: str,
) -> None:
    """Train with transformers' Trainer as a competent user sets it.

    Args:
        model: A causal language model.
        documents: Token ids.
        meter: Told of every step.
        length: Of a concatenated block.
        rows: Of one of the steps.
        steps: In all.
        folder: Where it may write.
        mode: `pad` to the longest of a batch, `group` rows of like lengths, or `packed`:
            documents concatenated and cut into blocks, in which they see each other.
    """
    from transformers import Trainer, TrainerCallback

    if mode == "packed":
        flat = [token for document in documents for token in document]
        starts = range(0, len(flat) - length, length)
        documents = [flat[start : start + length] for start in starts]

    class Metered(Trainer):  # type: ignore[misc]
        def training_step(self, model: Any, inputs: Any, *others: Any, **more: Any) -> Any:
            mask = inputs["attention_mask"]
            meter.begin(int(mask.sum()), mask.numel())
            return super().training_step(model, inputs, *others, **more)

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            logs = others.get("logs")
            if logs and "loss" in logs:
                meter.end(float(logs["loss"]))

    Metered(
        model=model,
        args=_arguments(rows, steps, folder, mode),
        train_dataset=[{"input_ids": document} for document in documents],
        data_collator=_padded,
        callbacks=[Watch()],
    ).train()


def _arguments(rows: int, steps: int, folder: str, mode: str) -> Any:
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=rows,
        max_steps=steps,
        learning_rate=3e-4,
        optim="adamw_torch_fused",
        lr_scheduler_type="constant",
        weight_decay=0.01,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        dataloader_drop_last=True,
        disable_tqdm=True,
        use_cpu=True,
        seed=0,
        train_sampling_strategy="group_by_length" if mode == "group" else "random",
    )


def _padded(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """Pad to the longest; what transformers' language-modelling collator makes of them."""
    longest = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.int64)
    mask = torch.zeros((len(rows), longest), dtype=torch.int64)
    for place, row in enumerate(rows):
        size = len(row["input_ids"])
        ids[place, :size] = torch.tensor(row["input_ids"])
        mask[place, :size] = 1
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "labels": ids.masked_fill(mask == 0, -100),
    }


LOOPS: dict[str, Callable[..., None]] = {
    "tutorial": tutorial_loop,
    "hf-pad": hugging_face_trainer,
    "hf-group": hugging_face_trainer,
    "hf-packed": hugging_face_trainer,
}
