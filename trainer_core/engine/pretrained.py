"""Where a model's weights lie, and how they are read: preset, folder, hub, GGUF, adapters."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from trainer_core import builtin
from trainer_core.durable import publish_folder
from trainer_core.engine import attention as document_attention
from trainer_core.engine.data.hub import hub_error
from trainer_core.engine.data.hub_download import OnBytes, fetch_model
from trainer_core.engine.sharded_model import Fill, fill_from_files, without_weights
from trainer_core.engine.torch_shards import converted_shards, only_torch_shards
from trainer_core.errors import UserError
from trainer_core.folders import cache_root
from trainer_core.network import hub_answers
from trainer_core.plan.types import ModelShape

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

TINY = "tiny"
_SEED = str(builtin.TINY)


def _untold(done: int, total: int | None) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What a model's name turned out to mean."""

    name: str
    """As the user wrote it."""
    location: str | None = None
    """Folder or hub id weights are read from; None for fresh weights."""
    gguf_file: str | None = None
    """Name of the GGUF file in that folder."""
    fresh: bool = False
    shape: ModelShape | None = None
    """A GPT-2 of this shape is built; for presets that need no download."""
    config: Any = None
    """transformers configuration fresh weights are made for."""


def find_source(name: str, *, from_scratch: bool) -> Source:
    """Say where the weights of a model come from, reading its configuration where needed.

    Raises:
        UserError: If there is no such model, or it is not on this machine and not reachable.
    """
    if name == TINY:
        return Source(name=name, fresh=True) if from_scratch else Source(name=name, location=_SEED)
    if Path(name).is_dir():
        return _from(Source(name=name, location=name), from_scratch)
    from trainer_core.run.config.catalog import require_model

    entry = require_model(name)
    if from_scratch and entry.offline_from_scratch and entry.shape is not None:
        return Source(name=name, fresh=True, shape=entry.shape)
    local = entry.local_path
    if local is not None and local.suffix == ".gguf":
        found = Source(name=name, location=str(local.parent), gguf_file=local.name)
    else:
        found = Source(name=name, location=str(local) if local else entry.hub_id or name)
    return _from(found, from_scratch)


def check_source(name: str, *, from_scratch: bool, on_bytes: OnBytes = _untold) -> None:
    """Find a model, fetch what is missing of it and read its configuration, before anything else.

    Args:
        name: As the user wrote it.
        from_scratch: Whether weights are drawn, not read.
        on_bytes: Told how far a download is.

    Raises:
        UserError: If it cannot be had.
    """
    source = find_source(name, from_scratch=from_scratch)
    if not source.fresh and source.gguf_file is None:
        location = source.location or name
        here = Path(location).is_dir()
        _read_config(name, location if here else str(fetch_model(location, on_bytes)))


def load_weights(
    source: Source, *, dtype: torch.dtype, device: torch.device, attention: str | None = None
) -> Any:
    """Read a causal language model onto a device.

    Args:
        source: With a location.
        dtype: Format of the weights in memory, whatever the file's is.
        device: Where they end up.
        attention: transformers' name of the attention; None is the one for training.

    Raises:
        UserError: If the weights are not there, not reachable or not readable.
    """
    folder, config = _files_of(source, dtype)
    model_class = model_class_of(config)
    try:
        model = model_class.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            attn_implementation=attention or attention_for(model_class),
            weights_only=True,
            local_files_only=True,
        )
    except (OSError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
        raise _not_to_be_had(source.name, error) from error
    return model.to(device)


def load_weightless(
    source: Source, *, dtype: torch.dtype, device: torch.device
) -> tuple[Any, Fill] | None:
    """Build a model for training whose weights are read once it is sharded, each rank its rows.

    Args:
        source: With a location.
        dtype: Format of the weights in memory.
        device: Where they end up.

    Returns:
        The model and what fills it; None where its files name their weights otherwise.

    Raises:
        UserError: If the weights are not there, not reachable or not readable.
    """
    folder, config = _files_of(source, dtype)
    model_class = model_class_of(config)
    config._attn_implementation = attention_for(model_class)
    with without_weights(), no_drawing(), in_format(dtype), torch.device(device):
        model = model_class(config)
        model.tie_weights()
    fill = fill_from_files(model, folder, prefix=model_class.base_model_prefix)
    if fill is None:
        return None
    if (folder / "generation_config.json").is_file():
        model.generation_config = type(model.generation_config).from_pretrained(folder)
    return model, fill


@contextmanager
def in_format(dtype: torch.dtype) -> Iterator[None]:
    """Inside, new tensors are made in this format."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


def no_drawing() -> AbstractContextManager[None]:
    """Inside, a constructor of transformers sets no weight: what it draws would be read over."""
    from transformers.initialization import no_init_weights

    return cast(AbstractContextManager[None], no_init_weights())


def load_adapter(folder: Path, *, dtype: torch.dtype, device: torch.device) -> Any:
    """Load a LoRA folder together with the model it was trained on.

    Raises:
        UserError: If peft or the base model is missing.
    """
    try:
        from peft import PeftConfig, PeftModel
    except ImportError:
        raise UserError(
            f"{folder} holds LoRA adapters; run `pip install 'moai-tui[lora]'` to load them"
        ) from None
    base = PeftConfig.from_pretrained(str(folder)).base_model_name_or_path
    if not base:
        raise UserError(
            f"{folder} holds adapters of a model with fresh weights, which are not stored with "
            "them; use the run's model folder"
        )
    found = find_source(str(base), from_scratch=False)
    model = load_weights(found, dtype=dtype, device=device, attention="sdpa")
    return PeftModel.from_pretrained(model, str(folder))


def model_class_of(config: PreTrainedConfig) -> Any:
    """Return the causal language model class of a configuration.

    GPT-2 is imported directly: the automatic classes cost another second at start.

    Raises:
        UserError: If the architecture is no causal language model of transformers.
    """
    if config.model_type == "gpt2":
        module = importlib.import_module("transformers.models.gpt2.modeling_gpt2")
        return module.GPT2LMHeadModel
    from transformers import AutoModelForCausalLM

    mapping = AutoModelForCausalLM._model_mapping
    if type(config) not in mapping:
        raise UserError(
            f"the architecture {config.model_type} is no causal language model of transformers; "
            "choose another model"
        )
    return mapping[type(config)]


def attention_for(model_class: Any) -> str | None:
    """Return the attention implementation a class trains with; None leaves it its own."""
    supported = getattr(model_class, "_supports_attention_backend", False)
    return document_attention.NAME if supported else None


def converted_gguf(file: Path) -> Path:
    """Return a Hugging Face folder with a GGUF file's weights, made once in the cache.

    Takes about half a minute the first time and is read in seconds afterwards.

    Raises:
        UserError: If the packages for it are missing.
    """
    facts = file.stat()
    folder = cache_root() / "models" / f"{file.stem}-{facts.st_size}"
    if (folder / "config.json").is_file():
        return folder
    for package in ("gguf", "accelerate"):
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"{file.name} is a GGUF file; run `pip install 'moai-tui[train]'` to read it"
            )
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        str(file.parent), gguf_file=file.name, dtype=torch.float32
    )
    # transformers marks the weights as quantised and refuses to save them, though they are plain.
    model.hf_quantizer = None
    model.is_quantized = False
    for holder, attribute in (
        (model, "quantization_method"),
        (model.config, "quantization_config"),
    ):
        if hasattr(holder, attribute):
            delattr(holder, attribute)
    aside = folder.with_name(f".tmp-{folder.name}-{secrets.token_hex(4)}")
    try:
        model.save_pretrained(aside)
        if not folder.exists():  # else another rank was first
            publish_folder(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _files_of(source: Source, dtype: torch.dtype) -> tuple[Path, Any]:
    """Return the folder a model's weights are read from, as safetensors, and its configuration."""
    location = source.location or source.name
    if source.gguf_file is not None:
        location = str(converted_gguf(Path(location) / source.gguf_file))
    folder = Path(location) if Path(location).is_dir() else fetch_model(location, _untold)
    config = _read_config(source.name, str(folder))
    return (converted_shards(folder, dtype) if only_torch_shards(folder) else folder), config


def _from(source: Source, from_scratch: bool) -> Source:
    if not from_scratch:
        return source
    location = source.location or source.name
    if source.gguf_file is not None:
        location = str(converted_gguf(Path(location) / source.gguf_file))
    config = _read_config(source.name, location)
    return Source(name=source.name, fresh=True, config=config)


def _read_config(name: str, location: str) -> Any:
    """Read a configuration: from disk where it is there, else from the hub if that answers."""
    from transformers import AutoConfig

    local = Path(location).is_dir()
    try:
        try:
            return AutoConfig.from_pretrained(
                location, trust_remote_code=False, local_files_only=True
            )
        except OSError:
            if local or not hub_answers():
                raise
            return AutoConfig.from_pretrained(location, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise _not_to_be_had(name, error) from error


def _not_to_be_had(name: str, error: Exception) -> UserError:
    if "trust_remote_code" in str(error):
        return UserError(
            f"{name} needs its own program code, which is never run; choose another model"
        )
    if Path(name).is_dir():
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0][:300] if lines else type(error).__name__
        return UserError(
            f"{name}: the model folder cannot be read: {reason}; "
            "use a folder that save_pretrained wrote"
        )
    return hub_error(
        "model", name, error, "use --from-scratch for fresh weights, or name a local folder"
    )
