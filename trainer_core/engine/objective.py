"""The one thing that is trained: the summed token loss of a micro-batch, as a module.

Legend: T tokens of a flat stream, D width, N documents, L longest document.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from trainer_core.engine.attention import document_arguments
from trainer_core.engine.loss import IGNORE_INDEX, plain_loss_sum, token_loss_sum
from trainer_core.engine.parallel.context import piece_of
from trainer_core.engine.parallel.mesh import Mesh
from trainer_core.engine.precision import Numerics

METHOD = "token_loss"
"""Name under which the loss is a method of the model, so that FSDP gathers weights for it."""


class Objective(nn.Module):
    """Summed token loss of a causal language model; what DDP wraps.

    Attributes:
        model: The transformers model; a PEFT model's inner one.
        fused: Whether loss and head are computed chunk by chunk, without whole logits.
    """

    def __init__(
        self, model: nn.Module, numerics: Numerics, *, packed: bool, mesh: Mesh | None = None
    ) -> None:
        super().__init__()
        self.model = inner_model(model)
        self.fused = packed and head_is_plain(self.model, numerics)
        self._numerics = numerics
        compute = _packed_loss if packed else _padded_loss
        settings: dict[str, Any] = {"fused": self.fused} if packed else {}
        if mesh is not None and mesh.context is not None:
            settings["mesh"] = mesh

        def token_loss(*arguments: Any, **others: Any) -> Tensor:
            return cast(Callable[..., Tensor], compute)(
                self.model, *arguments, **settings, **others
            )

        setattr(self.model, METHOD, token_loss)

    def forward(
        self,
        input_ids: Tensor,
        *,
        labels: Tensor,
        position_ids: Tensor,
        document_lengths: tuple[int, ...],
        cumulative_lengths: Tensor | None = None,
        longest: int | None = None,
    ) -> Tensor:
        """Return the summed loss of one flat stream of documents.

        Args:
            input_ids: [1, T].
            labels: [1, T], shifted by one within each document; IGNORE_INDEX does not count.
            position_ids: [1, T], from 0 in each document.
            document_lengths: Tokens of each document; their sum is T.
            cumulative_lengths: [N + 1] int32 on the card, for its kernel; else None.
            longest: Upper bound of the lengths for that kernel.

        Returns:
            Scalar fp32, nats, not divided by anything.
        """
        with self._numerics.autocast():
            loss = cast(Callable[..., Tensor], getattr(self.model, METHOD))(
                input_ids,
                labels=labels,
                position_ids=position_ids,
                document_lengths=document_lengths,
                cumulative_lengths=cumulative_lengths,
                longest=longest,
            )
        return loss


def inner_model(model: nn.Module) -> nn.Module:
    """Return the transformers model itself, also where PEFT adapters are around it."""
    getter = getattr(model, "get_base_model", None)
    return cast(nn.Module, getter() if getter is not None else model)


def head_is_plain(model: nn.Module, numerics: Numerics) -> bool:
    """Whether a model's logits are its last hidden states times the head's weight, nothing more.

    Some architectures scale or cap them, or hide the hidden states; asked by trying a few tokens.
    """
    network = cast(Any, model)
    head: object = network.get_output_embeddings()
    if not isinstance(head, nn.Linear) or network.base_model is model:
        return False
    if cast(Tensor | None, head.bias) is not None:
        return False
    was_training = model.training
    model.eval()
    device = head.weight.device
    ids = torch.arange(4, device=device)[None] % head.weight.shape[0]
    try:
        with torch.no_grad(), numerics.autocast():
            inputs = {"input_ids": ids, "use_cache": False}
            # The whole first: a sharded model gathers its outermost weights for it and keeps them.
            whole = network(**inputs).logits
            hidden = getattr(network.base_model(**inputs), "last_hidden_state", None)
            if hidden is None:
                return False
            return bool(torch.allclose(head(hidden).float(), whole.float(), rtol=1e-3, atol=1e-3))
    finally:
        model.train(was_training)


def _packed_loss(
    model: Any,
    input_ids: Tensor,
    *,
    labels: Tensor,
    position_ids: Tensor,
    document_lengths: tuple[int, ...],
    cumulative_lengths: Tensor | None,
    longest: int | None,
    fused: bool,
    mesh: Mesh | None = None,
) -> Tensor:
    inputs = {
        "input_ids": input_ids,
        "position_ids": position_ids,
        "use_cache": False,
        **document_arguments(document_lengths, cumulative_lengths, longest=longest),
    }
    if mesh is not None:
        piece = piece_of(input_ids.shape[1], mesh)
        inputs = {
            "input_ids": piece.cut(input_ids),
            "position_ids": piece.cut(position_ids),
            "use_cache": False,
            "context_piece": piece,
            **document_arguments(document_lengths),
        }
        labels = piece.cut(labels)
    if not fused:
        return plain_loss_sum(model(**inputs).logits[0], labels[0])
    hidden = model.base_model(**inputs).last_hidden_state
    return token_loss_sum(hidden[0], model.get_output_embeddings().weight, labels[0])


def _padded_loss(
    model: Any,
    input_ids: Tensor,
    *,
    labels: Tensor,
    document_lengths: tuple[int, ...],
    **unused: object,
) -> Tensor:
    """One document a row: padding on the right is never seen by a causal model's tokens."""
    lengths = list(document_lengths)
    ids_NL = pad_sequence(list(torch.split(input_ids[0], lengths)), batch_first=True)
    labels_NL = pad_sequence(
        list(torch.split(labels[0], lengths)), batch_first=True, padding_value=IGNORE_INDEX
    )
    logits = model(input_ids=ids_NL, use_cache=False).logits
    return plain_loss_sum(logits.flatten(0, 1), labels_NL.flatten())
