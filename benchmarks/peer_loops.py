"""The peers' ways to train, each written as its own documentation has it, on rows we tokenised.

Both run in a process of their own and print one JSON line; `train_speed.py` starts them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

WARM_STEPS = 4
"""Left out of the time: compiling, allocating."""


def plain_loop(
    model: Any, documents: list[list[int]], *, length: int, rows: int, steps: int
) -> dict[str, Any]:
    """Train as the platform's tutorial does: rows padded, bf16 weights, `loss.item()` each step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    meter = Meter(steps)
    for step in range(steps):
        picked = [documents[(step * rows + place) % len(documents)] for place in range(rows)]
        ids = torch.zeros((rows, length), dtype=torch.int64)
        mask = torch.zeros((rows, length), dtype=torch.int64)
        for place, document in enumerate(picked):
            ids[place, : len(document)] = torch.tensor(document)
            mask[place, : len(document)] = 1
        ids, mask = ids.cuda(), mask.cuda()
        labels = ids.masked_fill(mask == 0, -100)
        loss = model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        meter.step(sum(map(len, picked)), rows * length, loss.item())
    return meter.result()


def hugging_face_trainer(
    model: Any,
    documents: list[list[int]],
    *,
    length: int,
    rows: int,
    steps: int,
    folder: str,
    **changes: Any,
) -> dict[str, Any]:
    """Train with transformers' Trainer at its best: concatenated blocks, bf16 weights, compiled.

    Documents in a block see each other there, which ours do not let them.
    """
    from transformers import Trainer, TrainingArguments

    flat = [token for document in documents for token in document]
    blocks = [flat[start : start + length] for start in range(0, len(flat) - length, length)]
    data = [{"input_ids": block, "labels": block} for block in blocks]
    meter = Meter(steps)
    settings = {
        "output_dir": folder,
        "per_device_train_batch_size": rows,
        "max_steps": steps,
        "learning_rate": 1e-4,
        "optim": "adamw_torch_fused",
        "lr_scheduler_type": "constant",
        "torch_compile": True,
        "logging_steps": 5,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        **changes,
    }
    arguments = TrainingArguments(**settings)
    Trainer(
        model=model,
        args=arguments,
        train_dataset=data,
        data_collator=_stacked,
        callbacks=[_watch(meter, rows * length)],
    ).train()
    return meter.result()


def fresh_peer(config: Any) -> tuple[Any, list[list[int]]]:
    """Return a run's network with fresh bf16 weights on the card, and its training documents."""
    from trainer_core.engine import pretrained
    from trainer_core.engine.data.prepared import prepare
    from trainer_core.engine.data.tokenizer import load_tokenizer
    from trainer_core.engine.model import fresh_config

    data = prepare(config, load_tokenizer(config.model))
    documents = [data.train.document(place).tokens.tolist() for place in range(len(data.train))]
    source = pretrained.find_source(config.model, from_scratch=True)
    shape = source.config or fresh_config(source.shape)
    shape.use_cache, shape._attn_implementation = False, "sdpa"
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    with pretrained.in_format(torch.bfloat16), torch.device("cuda"):
        return pretrained.model_class_of(shape)(shape).train(), documents


class Meter:
    """Counts tokens and takes the time of whole steps, synchronised where the clock is read."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._began = self._ended = 0.0
        self._tokens = self._padded = 0
        self.losses: list[float] = []

    def step(self, tokens: int, padded: int, loss: float | None) -> None:
        """Note the end of a step."""
        self._done += 1
        self.losses += [loss] if loss is not None else []
        if self._done > WARM_STEPS:
            self._tokens, self._padded = self._tokens + tokens, self._padded + padded
        if self._done in (WARM_STEPS, self._steps):
            torch.cuda.synchronize()
            self._began = time.perf_counter() if self._done == WARM_STEPS else self._began
            self._ended = time.perf_counter()

    def result(self) -> dict[str, Any]:
        """Return what a line of the table needs."""
        seconds = self._ended - self._began
        return {
            "tokens_per_second": self._tokens / seconds,
            "padded_tokens_per_second": self._padded / seconds,
            "peak_gib": torch.cuda.max_memory_allocated() / 2**30,
            "first_loss": self.losses[0] if self.losses else None,
            "last_loss": self.losses[-1] if self.losses else None,
            "steps": self._done - WARM_STEPS,
        }


def _watch(meter: Meter, tokens: int) -> Any:
    """Return what tells a meter of each of Trainer's steps, of so many tokens, and its losses."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            meter.step(tokens, tokens, None)

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any
        ) -> None:
            meter.losses += [float(logs["loss"])] if logs and "loss" in logs else []

    return Watch()


def _stacked(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}


LOOPS: dict[str, Callable[..., dict[str, Any]]] = {
    "tutorial": plain_loop,
    "hf": hugging_face_trainer,
}
