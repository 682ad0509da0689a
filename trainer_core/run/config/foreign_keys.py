"""Keys of other trainers' configs, and what to write here instead.

The names come from axolotl, LLaMA-Factory, transformers' TrainingArguments, TRL and torchtune.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

RENAMED: dict[str, str] = {
    "base_model": "model",
    "model_name": "model",
    "model_id": "model",
    "model_name_or_path": "model",
    "model_path": "model",
    "datasets": "dataset",
    "dataset_name": "dataset",
    "dataset_path": "dataset",
    "dataset_name_or_path": "dataset",
    "data_files": "dataset",
    "train_file": "dataset",
    "eval_file": "eval_dataset",
    "validation_file": "eval_dataset",
    "test_datasets": "eval_dataset",
    "cutoff_len": "sequence_length",
    "max_length": "sequence_length",
    "max_seq_len": "sequence_length",
    "max_seq_length": "sequence_length",
    "model_max_length": "sequence_length",
    "sequence_len": "sequence_length",
    "seq_len": "sequence_length",
    "seq_length": "sequence_length",
    "block_size": "sequence_length",
    "context_length": "sequence_length",
    "lr": "learning_rate",
    "learningrate": "learning_rate",
    "num_epochs": "epochs",
    "num_train_epochs": "epochs",
    "n_epochs": "epochs",
    "epoch": "epochs",
    "max_steps": "steps",
    "num_steps": "steps",
    "total_steps": "steps",
    "max_steps_per_epoch": "steps",
    "train_steps": "steps",
    "iterations": "steps",
    "batch": "global_batch_size",
    "batch_size": "global_batch_size",
    "train_batch_size": "global_batch_size",
    "per_device_train_batch_size": "micro_batch_size",
    "per_device_batch_size": "micro_batch_size",
    "per_gpu_train_batch_size": "micro_batch_size",
    "device_batch_size": "micro_batch_size",
    "random_seed": "seed",
    "data_seed": "seed",
    "run_name": "name",
    "experiment_name": "name",
    "dtype": "precision",
    "torch_dtype": "precision",
    "mixed_precision": "precision",
    "sample_packing": "data.packing",
    "packed": "data.packing",
    "train_on_inputs": "data.train_on_prompt",
    "train_on_input": "data.train_on_prompt",
    "val_set_size": "data.eval_fraction",
    "val_size": "data.eval_fraction",
    "validation_split": "data.eval_fraction",
    "template": "data.prompt_format",
    "chat_template": "data.prompt_format",
    "prompt_template": "data.prompt_format",
    "dataset_text_field": "data.text_column",
    "dataset_config_name": "data.subset",
    "lr_scheduler": "optimizer.schedule",
    "lr_scheduler_type": "optimizer.schedule",
    "scheduler": "optimizer.schedule",
    "num_warmup_steps": "optimizer.warmup_steps",
    "adam_beta1": "optimizer.beta1",
    "adam_beta2": "optimizer.beta2",
    "adam_epsilon": "optimizer.epsilon",
    "gradient_clipping": "optimizer.max_grad_norm",
    "grad_clip": "optimizer.max_grad_norm",
    "clip_grad_norm": "optimizer.max_grad_norm",
    "lora_r": "lora.rank",
    "lora_rank": "lora.rank",
    "r": "lora.rank",
    "lora_alpha": "lora.alpha",
    "lora_dropout": "lora.dropout",
    "lora_target": "lora.target_modules",
    "lora_target_modules": "lora.target_modules",
    "save_steps": "checkpoint.every_steps",
    "save_total_limit": "checkpoint.keep",
    "logging_steps": "log.every_steps",
    "log_interval": "log.every_steps",
    "eval_steps": "eval.every_steps",
    "num_threads": "worker.threads",
    "num_gpus": "size",
    "gpus": "devices",
    "gpu_ids": "devices",
    "max_new_tokens": "sample.new_tokens",
}
"""Foreign key → our field with the same meaning."""

ADVICE: dict[str, str] = {
    "gradient_accumulation_steps": "leave it out: it is global_batch_size over micro_batch_size"
    " and devices",
    "output_dir": "leave it out: every run has its own folder; set MOAI_TUI_RUNS to move them all",
    "save_model_dir": "leave it out: the model is saved in the run's folder, `moai-tui export`"
    " copies it",
    "dataset_dir": "leave it out and write the path in dataset",
    "resume_from_checkpoint": "leave it out and type `moai-tui resume RUN`",
    "adapter": "write method: lora",
    "finetuning_type": "write method: full, or method: lora",
    "use_peft": "write method: lora",
    "use_lora": "write method: lora",
    "load_in_4bit": "leave it out and write method: lora",
    "load_in_8bit": "leave it out and write method: lora",
    "bf16": "write precision: bf16",
    "fp16": "write precision: bf16, or leave it out for auto",
    "tf32": "leave it out",
    "warmup_ratio": "write optimizer.warmup_steps, a number of steps",
    "completion_only_loss": "write data.train_on_prompt, which means the opposite",
    "assistant_only_loss": "write data.train_on_prompt, which means the opposite",
    "gradient_checkpointing": "write parallel.recomputation: blocks",
    "activation_checkpointing": "write parallel.recomputation: blocks",
    "enable_activation_checkpointing": "write parallel.recomputation: blocks",
    "disable_gradient_checkpointing": "write parallel.recomputation: none",
    "optim": "leave it out: the optimizer is AdamW; its settings stand under optimizer",
    "flash_attention": "leave it out: the fastest attention is chosen",
    "deepspeed": "leave it out and write parallel.strategy: fsdp",
    "fsdp": "write parallel.strategy: fsdp",
    "report_to": "leave it out: the log is the run's events.jsonl",
    "trust_remote_code": "leave it out: code from a model's page is never run",
}
"""Foreign key → what to do, where one field does not say it."""


def advice_for(key: str, known: Sequence[str]) -> str:
    """Say what to write instead of an unknown key.

    Args:
        key: As the user wrote it, with its section: `optimizer.lr`.
        known: Our dotted field names.

    Returns:
        An imperative without a full stop.
    """
    whole = key.lower().replace("-", "_")
    leaf = whole.rpartition(".")[2]
    if leaf in ADVICE:
        return ADVICE[leaf]
    same_leaf = [name for name in known if name.rpartition(".")[2] == leaf]
    meant = RENAMED.get(leaf) or (same_leaf[0] if len(same_leaf) == 1 else None)
    if meant is None and (near := _nearest(whole, leaf, known)):
        return f"the nearest known key is {near}"
    return f"write {meant}" if meant else "leave it out"


def _nearest(whole: str, leaf: str, known: Sequence[str]) -> str | None:
    """Return the known key spelled most like it; None where none is near."""
    # A key without a section may be one, misspelt.
    sections = [] if "." in whole else sorted({name.partition(".")[0] for name in known})
    for name in difflib.get_close_matches(whole, [*known, *sections], n=1, cutoff=0.6):
        return name
    leaves = {name.rpartition(".")[2]: name for name in reversed(known)}
    for name in difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.7):
        return leaves[name]
    for name in difflib.get_close_matches(leaf, RENAMED, n=1, cutoff=0.85):
        return RENAMED[name]
    return None
