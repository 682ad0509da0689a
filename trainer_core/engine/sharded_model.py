"""A model whose weights come to be in their shards: no rank ever holds the whole.

It is built without weights, sharded, and only then filled: from its files, of which each rank
reads its own rows, or by drawing one tensor after the other exactly as the constructor would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from trainer_core.engine.gather import (
    named_weights,
    own_rows,
    put_rows,
    put_whole,
    whole,
    whole_shape,
)
from trainer_core.engine.parallel.pieces import split_of

KEPT_VALUES = 1 << 16
"""A constructor's own values (ones, zeros) are kept for parameters of at most so many; larger ones
must be drawn or set by the model's initialisation."""

_DRAWN = ("normal_", "uniform_", "random_", "exponential_", "bernoulli_")
_WHOLE = (*_DRAWN, "zero_", "fill_", "kept")
"""Changes after which nothing of a weight's old values is left."""

Fill = Callable[[nn.Module], None]
"""Puts values into the shards of a model that was built without weights; every rank calls it."""


class NotRecordable(Exception):
    """A constructor sets weights in a way that cannot be done again shard by shard."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One operation of a constructor on a weight, or on a part of one."""

    name: str
    storage: Any
    """Of the weightless tensor; held so that its number stays its own."""
    view: tuple[tuple[int, ...], tuple[int, ...], int]
    """Size, stride and offset of what is changed."""
    elements: int
    dtype: torch.dtype
    apply: Callable[[Tensor], object]

    @property
    def number(self) -> int:
        """Which weight it is."""
        return cast(int, self.storage._cdata)

    @property
    def is_whole(self) -> bool:
        """Whether the weight's old values do not matter to it."""
        size, _, _ = self.view
        return self.name in _WHOLE and torch.Size(size).numel() == self.elements


class Recording(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Takes down what a constructor does to weights that are not there."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.changes: list[Change] = []
        self.problem = ""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Carry an operation out and remember it if it changes a weightless tensor."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func._schema.is_mutable:
            tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
            if any(map(_is_weightless, tensors)):
                self._note(func, args, kwargs, len(tensors))
        return result

    def keep(self, target: Tensor, value: Tensor) -> None:
        """Remember the value a constructor gave a parameter."""
        self.changes.append(_change("kept", target, lambda tensor: tensor.copy_(value)))

    def _note(self, func: Any, args: tuple[Any, ...], kwargs: Any, tensors: int) -> None:
        name = func._schema.name.removeprefix("aten::")
        if tensors != 1 or not name.endswith("_") or not isinstance(args[0], Tensor):
            self.problem = self.problem or f"it is made with {name}"
            return
        rest = args[1:]
        self.changes.append(_change(name, args[0], lambda tensor: func(tensor, *rest, **kwargs)))


class _HiddenMeta(TorchFunctionMode):
    """Some of torch's initialisers do nothing for a tensor that says it is weightless."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func == torch.Tensor.is_meta.__get__:  # type: ignore[attr-defined]
            return False
        return func(*args, **(kwargs or {}))


def build_weightless(
    build: Callable[[], nn.Module], device: torch.device
) -> tuple[nn.Module, Fill]:
    """Build a model with fresh weights that are drawn later, the same as if they were drawn now.

    Args:
        build: Calls the constructor; weights are drawn on `device` from torch's generator.
        device: Where buffers are made now and weights later.

    Returns:
        The model, its parameters on the meta device, and what fills it once it is sharded.

    Raises:
        NotRecordable: If the architecture makes its weights in another way.
    """
    state = _generator_state(device)
    try:
        with without_weights() as recording:
            model = build()
    except RuntimeError as error:  # it wants to see numbers that are not there
        raise NotRecordable(str(error)) from error
    if recording.problem or not torch.equal(state, _generator_state(device)):
        raise NotRecordable(recording.problem or "its constructor draws numbers of its own")
    names = {p.untyped_storage()._cdata: name for name, p in named_weights(model)}
    last = {c.number: place for place, c in enumerate(recording.changes) if c.is_whole}
    missing = [name for number, name in names.items() if number not in last]
    if missing:
        raise NotRecordable(f"the values of {missing[0]} are not drawn")

    def fill(sharded: nn.Module) -> None:
        _set_generator_state(device, state)
        with torch.no_grad():
            _replay(recording.changes, last, names, dict(named_weights(sharded)), device)

    return model, fill


@contextmanager
def without_weights() -> Iterator[Recording]:
    """Inside, every parameter a module registers loses its memory; buffers stay as they are."""
    with Recording() as recording, _HiddenMeta():

        def drop(module: nn.Module, name: str, parameter: nn.Parameter | None) -> Any:
            if parameter is None or _is_weightless(parameter):
                return parameter
            empty = nn.Parameter(
                torch.empty_like(parameter, device="meta"), requires_grad=parameter.requires_grad
            )
            empty.__dict__.update(parameter.__dict__)
            if parameter.numel() <= KEPT_VALUES:
                recording.keep(empty, parameter.detach().clone())
            return empty

        handle = register_module_parameter_registration_hook(drop)
        try:
            yield recording
        finally:
            handle.remove()


def fill_from_files(model: nn.Module, folder: Path, prefix: str = "") -> Fill | None:
    """Return what reads a weightless model's values, or None where names or shapes do not match.

    Args:
        model: Built without weights.
        folder: With safetensors files of the whole model.
        prefix: Of the model's inner network, which files may leave out or add.
    """
    stored = stored_tensors(folder)
    chosen: dict[str, tuple[Path, str]] = {}
    wanted = [*named_weights(model), *_persistent_buffers(model)]
    for name, tensor in wanted:
        keys = (name, name.removeprefix(f"{prefix}."), f"{prefix}.{name}")
        key = next((key for key in keys if key in stored), None)
        if key is not None and stored[key][1] == tuple(tensor.shape):
            chosen[name] = (stored[key][0], key)
        elif isinstance(tensor, nn.Parameter):
            return None

    def fill(sharded: nn.Module) -> None:
        now = {**dict(named_weights(sharded)), **dict(_persistent_buffers(sharded))}
        opened = {file: safe_open(file, "pt") for file, _ in chosen.values()}
        with torch.no_grad():
            for name, (file, key) in chosen.items():
                if name in now:  # else another stage's
                    read_rows(opened[file], key, now[name])

    return fill


def stored_tensors(folder: Path) -> dict[str, tuple[Path, tuple[int, ...]]]:
    """Return key → (file, shape) of all safetensors files in a folder."""
    found: dict[str, tuple[Path, tuple[int, ...]]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            for key in opened.keys():
                found[key] = (file, tuple(opened.get_slice(key).get_shape()))
    return found


def read_rows(opened: Any, key: str, target: Tensor) -> None:
    """Read this rank's rows of one stored tensor into its shard."""
    if target.dim() == 0 or split_of(target) is not None:
        put_whole(target, opened.get_tensor(key))
        return
    rows = own_rows(target)
    put_rows(target, opened.get_slice(key)[rows.start : rows.stop])


def give_memory(model: nn.Module, device: torch.device) -> None:
    """Give the shards of a weightless model memory, without values; tied weights stay tied."""
    places: dict[int, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            places.setdefault(id(parameter), []).append((module, name))
    cast(Any, model)._apply(
        lambda tensor: torch.empty_like(tensor, device=device) if _is_weightless(tensor) else tensor
    )
    for (first, name), *others in places.values():
        for module, other in others:
            setattr(module, other, getattr(first, name))


def _replay(
    changes: list[Change],
    last: dict[int, int],
    names: dict[int, str],
    weights: dict[str, nn.Parameter],
    device: torch.device,
) -> None:
    """Do all changes again, one whole tensor in memory at a time, always in the same place."""
    room = {
        dtype: torch.empty(
            max(c.elements for c in changes if c.dtype == dtype), dtype=dtype, device=device
        )
        for dtype in {change.dtype for change in changes}
    }
    number = -1
    for place, change in enumerate(changes):
        held = room[change.dtype][: change.elements]
        # A weight of another stage is not among them either.
        if names.get(change.number) not in weights or place < last[change.number]:
            if change.name in _DRAWN:  # only for the generator's sake
                change.apply(held.as_strided(*change.view))
            continue
        target = weights[names[change.number]]
        if not change.is_whole and change.number != number:
            held.copy_(whole(target).flatten())
        number = change.number
        change.apply(held.as_strided(*change.view))
        following = changes[place + 1].number if place + 1 < len(changes) else -1
        if following != number:
            put_whole(target, held.view(whole_shape(target)))


def _change(name: str, target: Tensor, apply: Callable[[Tensor], object]) -> Change:
    storage = target.untyped_storage()
    return Change(
        name=name,
        storage=storage,
        view=(tuple(target.shape), target.stride(), int(target.storage_offset())),
        elements=int(storage.nbytes()) // target.element_size(),
        dtype=target.dtype,
        apply=apply,
    )


def _is_weightless(tensor: Tensor) -> bool:
    return tensor.device.type == "meta"


def _persistent_buffers(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    kept = set(model.state_dict())
    return ((name, buffer) for name, buffer in model.named_buffers() if name in kept)


def _generator_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_generator_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
