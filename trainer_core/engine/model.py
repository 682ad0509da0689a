"""From a model's name to a network ready to train: built fresh or loaded, any causal LM."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from trainer_core.engine import attention, pretrained
from trainer_core.engine.four_bits import (
    draw_the_rest,
    hold_in_four_bits,
    linear_layers_to_be_drawn,
)
from trainer_core.engine.kernels.fp8_linear import products_in_fp8_work, use_fp8
from trainer_core.engine.kernels.gelu import CpuGelu
from trainer_core.engine.precision import Numerics
from trainer_core.engine.sharded_model import Fill, NotRecordable, build_weightless
from trainer_core.errors import ConfigError, UserError
from trainer_core.plan.fast_path import FP8_WIDTH_LEAST
from trainer_core.plan.types import ModelShape
from trainer_core.run.config.run_config import LoraConfig, RunConfig

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

CPU = torch.device("cpu")

TINY_SHAPE = ModelShape(
    parameters=7_629_312,
    matmul_parameters=7_340_032,
    layers=8,
    width=256,
    heads=4,
    key_value_heads=4,
    feed_forward_width=1_024,
    head_width=64,
    vocabulary=4_096,
    context=1_024,
)
"""The embedded default: a GPT-2 small enough to learn something in a minute on two cores."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedModel:
    """A network on its device, and what there is to say about it."""

    model: Any
    """A transformers causal language model, or a PEFT model around one."""
    shape: ModelShape
    parameters: int
    """All weights, a tied head counted once, adapters included."""
    trained_parameters: int
    packed: bool
    """Whether it takes many documents in one stream; else one document a forward pass."""
    choices: tuple[str, ...] = ()
    """What was settled while loading, one sentence each."""
    fill: Fill | None = None
    """Puts the weights into the shards of a model that has none yet."""


def load_model(
    config: RunConfig,
    *,
    numerics: Numerics,
    device: torch.device,
    tokenizer: PreTrainedTokenizerBase | None = None,
    sharded: bool = False,
) -> LoadedModel:
    """Build or load the model of a run and put it on its device.

    Fresh weights are drawn on `device` from the run's seed alone: all ranks hold the same ones.

    Args:
        config: Of the run.
        numerics: Formats; frozen weights take `numerics.frozen`, trained ones fp32.
        device: Where the weights end up.
        tokenizer: Its special tokens go into the configuration of a fresh model.
        sharded: Leave the weights out where that can be done: no rank shall hold them all.

    Raises:
        UserError: If the model cannot be had, or the method not be used, in one sentence.
    """
    attention.register()
    quiet_transformers()
    in_four_bits = config.method == "qlora"
    dtype = numerics.weights if config.method == "full" else numerics.frozen
    source = pretrained.find_source(config.model, from_scratch=config.from_scratch)
    if source.fresh:
        with linear_layers_to_be_drawn() if in_four_bits else nullcontext():
            model, fill = _fresh_model(
                source, config.seed, device, dtype, tokenizer=tokenizer, sharded=sharded
            )
    else:
        model, fill = _stored_model(source, CPU if in_four_bits else device, dtype, sharded=sharded)
    shape = shape_of(model.config, model)
    check_vocabulary(shape, tokenizer, config.model)
    packed = attention.uses_interface(model)
    choices = _settle(model, device) + _remarks(packed=packed, whole=sharded and fill is None)
    choices += [_in_four_bits(model, shape, device)] if in_four_bits else []
    model, adapters = _adapted(model, config)
    choices += _frozen_in_fp8(model, config, shape, numerics, device)
    return LoadedModel(
        model=model,
        shape=shape,
        parameters=shape.parameters + adapters,
        trained_parameters=adapters or shape.parameters,
        packed=packed,
        choices=tuple(choices),
        fill=fill,
    )


def load_for_inference(source: Path | str) -> Any:
    """Load a run's model folder, an adapter folder, a preset or a hub id, to generate with.

    Raises:
        UserError: If it cannot be had.
    """
    quiet_transformers()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    folder = Path(source)
    if (folder / "adapter_config.json").is_file():
        return pretrained.load_adapter(folder, dtype=dtype, device=device).eval()
    found = pretrained.find_source(str(source), from_scratch=False)
    return pretrained.load_weights(found, dtype=dtype, device=device, attention="sdpa").eval()


def shape_of(config: PreTrainedConfig, model: nn.Module | None = None) -> ModelShape:
    """Return the shape of a transformers configuration.

    Args:
        config: Of a causal language model.
        model: Built from it, for exact parameter counts; without it they are counted on a
            weightless copy.
    """
    text = cast(Any, config.get_text_config())
    network = model if model is not None else _weightless(config)
    head = _head_of(network)
    embedding = cast(Any, network).get_input_embeddings()
    tied = head is not None and head.weight is embedding.weight
    # Looked up, not multiplied: token and position embeddings.
    tables = {id(m.weight) for m in network.modules() if isinstance(m, nn.Embedding)}
    matrices = [p for p in network.parameters() if p.dim() >= 2 and id(p) not in tables]
    width, heads = text.hidden_size, text.num_attention_heads
    inner = getattr(text, "intermediate_size", None) or getattr(text, "n_inner", None) or 4 * width
    return ModelShape(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        matmul_parameters=sum(p.numel() for p in matrices)
        + (embedding.weight.numel() if tied else 0),
        layers=text.num_hidden_layers,
        width=width,
        heads=heads,
        key_value_heads=getattr(text, "num_key_value_heads", None) or heads,
        feed_forward_width=inner,
        head_width=getattr(text, "head_dim", None) or width // heads,
        vocabulary=text.vocab_size,
        context=getattr(text, "max_position_embeddings", None) or 2**31,
        gated=any("gate_proj" in name for name, _ in network.named_modules()),
        tied=tied,
    )


def fresh_config(shape: ModelShape) -> PreTrainedConfig:
    """Return a GPT-2 configuration of a shape, as the Cerebras-GPT family sets its details."""
    from transformers import GPT2Config

    return GPT2Config(
        vocab_size=shape.vocabulary,
        n_positions=shape.context,
        n_embd=shape.width,
        n_layer=shape.layers,
        n_head=shape.heads,
        n_inner=shape.feed_forward_width,
        activation_function="gelu",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=shape.vocabulary - 1,
        eos_token_id=shape.vocabulary - 1,
    )


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """Return the transformer blocks, outermost first: what is sharded, compiled and recomputed."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]


def check_vocabulary(
    shape: ModelShape, tokenizer: PreTrainedTokenizerBase | None, model: str
) -> None:
    """Refuse a tokenizer that makes ids the model has no embedding for.

    Raises:
        UserError: If it does.
    """
    if tokenizer is not None and len(tokenizer) > shape.vocabulary:
        raise UserError(
            f"{model}: its tokenizer has {len(tokenizer)} entries and its embedding only "
            f"{shape.vocabulary}; use the tokenizer the model was saved with"
        )


def add_adapters(model: nn.Module, lora: LoraConfig) -> Any:
    """Freeze a model and put trainable low-rank adapters beside its linear layers.

    Raises:
        ConfigError: If peft is missing or a target names no layer.
    """
    try:
        from peft import LoraConfig as PeftConfig
        from peft import get_peft_model
    except ImportError:
        raise ConfigError(
            "method", "lora", "run `pip install 'moai-tui[lora]'`", "the package peft is missing"
        ) from None
    settings = PeftConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.target_modules) or "all-linear",
        fan_in_fan_out=any(type(module).__name__ == "Conv1D" for module in model.modules()),
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(cast(Any, model), settings)
    except ValueError as error:
        first = str(error).splitlines()[0]
        raise ConfigError(
            "lora.target_modules", lora.target_modules, "name linear layers of the model", first
        ) from None


def quiet_transformers() -> None:
    """Keep progress bars and advice for scripts out of the logs."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


def _fresh_model(
    source: pretrained.Source,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    *,
    tokenizer: PreTrainedTokenizerBase | None,
    sharded: bool,
) -> tuple[nn.Module, Fill | None]:
    config = source.config or fresh_config(source.shape or TINY_SHAPE)
    if tokenizer is not None:
        config.bos_token_id = tokenizer.bos_token_id or tokenizer.eos_token_id
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id
    model_class = pretrained.model_class_of(config)
    config._attn_implementation = pretrained.attention_for(model_class)

    def build() -> nn.Module:
        # Drawn in their final format: a 13B model in fp32 first would fill most of a card.
        with pretrained.in_format(dtype), torch.device(device):
            return cast(nn.Module, model_class(config))

    torch.manual_seed(seed)
    if sharded:
        try:
            return build_weightless(build, device)
        except NotRecordable:
            torch.manual_seed(seed)
    return build(), None


def _stored_model(
    source: pretrained.Source, device: torch.device, dtype: torch.dtype, *, sharded: bool
) -> tuple[Any, Fill | None]:
    found = pretrained.load_weightless(source, dtype=dtype, device=device) if sharded else None
    return found or (pretrained.load_weights(source, dtype=dtype, device=device), None)


def _remarks(*, packed: bool, whole: bool) -> list[str]:
    found = []
    if not packed:
        found.append("one document a forward pass: this architecture has its own attention")
    if whole:
        found.append("each rank holds the whole model once, until it is sharded")
    return found


def _adapted(model: Any, config: RunConfig) -> tuple[Any, int]:
    """Return the model with adapters where it has some, drawn from the seed, and their weights."""
    if config.method == "full":
        return model, 0
    torch.manual_seed(config.seed)
    adapted = add_adapters(model, config.lora)
    return adapted, sum(p.numel() for p in adapted.parameters() if p.requires_grad)


def _in_four_bits(model: nn.Module, shape: ModelShape, device: torch.device) -> str:
    """Round the blocks' weights to 4 bits on their way to the device; say what that is."""
    held = hold_in_four_bits(blocks_of(model), device)
    draw_the_rest(model, device)
    model.to(device)
    share = held / max(1, shape.parameters)
    return f"{share:.0%} of the frozen weights are held in 4 bits (NF4)"


def _frozen_in_fp8(
    model: nn.Module, config: RunConfig, shape: ModelShape, numerics: Numerics, device: torch.device
) -> list[str]:
    """Let the blocks' frozen layers beside adapters compute in fp8, where it is permitted and pays.

    The weights stay what they are, so what is merged and saved has no rounding in it.
    """
    permitted = config.numerics == "auto" and config.products != "bf16" and numerics.word == "bf16"
    if config.method != "lora" or not permitted or not products_in_fp8_work(device):
        return []
    if shape.width < FP8_WIDTH_LEAST and config.products == "auto":
        return []
    changed = sum(use_fp8(block) for block in blocks_of(model))
    return [f"fp8 products with the frozen weights of {changed} layers"] if changed else []


def _settle(model: nn.Module, device: torch.device) -> list[str]:
    """Put fused and supported parts where the architecture's own are slow or refused."""
    from transformers.activations import ACT2FN

    choices = []
    config = cast(Any, model).config
    config.use_cache = False
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__ == "NewGELUActivation":
                # The same function in one kernel instead of a chain of eight.
                fused = CpuGelu() if device.type == "cpu" else ACT2FN["gelu_pytorch_tanh"]
                setattr(module, name, fused)
    if device.type == "cuda":
        choices.extend(_drop_attention_dropout(model))
    return choices


def _drop_attention_dropout(model: nn.Module) -> list[str]:
    """Set attention dropout to 0: the flash kernel for packed documents has none."""
    found = False
    for module in model.modules():
        inner = getattr(module, "attn_dropout", None)
        if isinstance(inner, nn.Dropout) and inner.p > 0:
            inner.p, found = 0.0, True
        if getattr(module, "attention_dropout", 0.0):
            module.attention_dropout, found = cast(Any, 0.0), True
    return ["no dropout inside attention: the kernel for packed documents has none"] * found


def _head_of(model: nn.Module) -> Any:
    getter = getattr(model, "get_output_embeddings", None)
    return getter() if getter is not None else None


def _weightless(config: PreTrainedConfig) -> nn.Module:
    with torch.device("meta"):
        model = cast(nn.Module, pretrained.model_class_of(config)(config))
        cast(Any, model).tie_weights()
    return model
