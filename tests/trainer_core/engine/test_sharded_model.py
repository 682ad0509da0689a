"""Weights that come later are those that would have come at once."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer_core.engine import pretrained
from trainer_core.engine.gather import named_weights
from trainer_core.engine.sharded_model import (
    NotRecordable,
    build_weightless,
    fill_from_files,
    give_memory,
    stored_tensors,
)

CPU = torch.device("cpu")


def assert_equal_models(one: nn.Module, other: nn.Module) -> None:
    for pairs in (
        zip(one.named_parameters(), other.named_parameters(), strict=True),
        zip(one.named_buffers(), other.named_buffers(), strict=True),
    ):
        for (name, first), (same, second) in pairs:
            assert name == same
            assert torch.equal(first, second), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("kind", "changes"),
    [("gpt2", {}), ("Llama", {}), ("Qwen3", {"tie_word_embeddings": True})],
)
def test_drawn_later_they_are_the_same_to_the_last_bit(make_model, kind, changes, dtype):
    config = make_model(kind, **changes).config
    model_class = pretrained.model_class_of(config)

    def build() -> nn.Module:
        with pretrained.in_format(dtype):
            return model_class(config)

    torch.manual_seed(7)
    now = build()
    torch.manual_seed(7)
    later, fill = build_weightless(build, CPU)
    assert all(parameter.is_meta for parameter in later.parameters())
    torch.manual_seed(1)  # whatever is drawn in between
    give_memory(later, CPU)
    fill(later)
    assert_equal_models(now, later)
    tied = later.get_output_embeddings().weight is later.get_input_embeddings().weight
    assert tied == config.tie_word_embeddings


class DrawsByItself(nn.Module):
    """Its weight is made from numbers drawn apart from it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(2, 2))


class NeverDrawn(nn.Module):
    """Its large weight has the value the constructor gave it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(300, 300))


class Copied(nn.Module):
    """Its weight is copied from another tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2, 2))
        nn.init.orthogonal_(self.weight)


class LooksAtNumbers(nn.Module):
    """Its numbers are drawn again where they lie outside; for no weight at all torch rests."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(2, 2))
        nn.init.trunc_normal_(self.weight)


@pytest.mark.parametrize("maker", [DrawsByItself, NeverDrawn, Copied, LooksAtNumbers])
def test_what_cannot_be_drawn_later_is_said(maker):
    with pytest.raises(NotRecordable):
        build_weightless(maker, CPU)


def test_a_part_that_is_set_apart_is_set_again():
    def build() -> nn.Module:
        layer = nn.Embedding(300, 300, padding_idx=3)  # its row 3 is zero
        with torch.no_grad():
            layer.weight.mul_(0.5)
        return layer

    torch.manual_seed(2)
    now = build()
    torch.manual_seed(2)
    later, fill = build_weightless(build, CPU)
    give_memory(later, CPU)
    fill(later)
    assert_equal_models(now, later)


@pytest.mark.parametrize("kind", ["gpt2", "Llama"])
def test_files_fill_a_model_whatever_its_names_begin_with(make_model, tmp_path, kind):
    """GPT-2's hub files name the inner network's weights without its prefix."""
    model = make_model(kind)
    model.save_pretrained(tmp_path / "whole")
    model.base_model.save_pretrained(tmp_path / "inner")
    source = pretrained.find_source(str(tmp_path / "whole"), from_scratch=False)
    found = pretrained.load_weightless(source, dtype=torch.float32, device=CPU)
    assert found is not None
    later, fill = found
    give_memory(later, CPU)
    fill(later)
    assert_equal_models(model, later)
    inner = fill_from_files(later, tmp_path / "inner", prefix=model.base_model_prefix)
    assert (inner is not None) == (kind == "gpt2")  # Llama's head stands outside


def test_files_of_other_names_or_shapes_are_not_taken(make_model, tmp_path):
    make_model("gpt2").save_pretrained(tmp_path)
    assert fill_from_files(make_model("gpt2", n_layer=3), tmp_path, prefix="transformer") is None
    assert fill_from_files(make_model("gpt2", n_embd=64), tmp_path, prefix="transformer") is None
    names = {name for name, _ in named_weights(make_model("gpt2"))}
    assert names <= set(stored_tensors(tmp_path))
