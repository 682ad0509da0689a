"""No document sees another, and packing changes neither loss nor gradients."""

from __future__ import annotations

import pytest
import torch

from tests.trainer_core.engine.padded import collate_padded
from trainer_core.engine import attention
from trainer_core.engine.data.batch import collate
from trainer_core.engine.loss import plain_loss_sum
from trainer_core.engine.objective import Objective
from trainer_core.engine.precision import choose_numerics

LENGTHS = [9, 2, 17, 30, 5]

NUMERICS = choose_numerics("fp32", torch.device("cpu"))


def packed_loss(model, documents):
    batch = collate(documents, [tuple(range(len(documents)))])
    objective = Objective(model, NUMERICS, packed=True)
    loss = objective(
        batch.input_ids,
        labels=batch.labels,
        position_ids=batch.position_ids,
        document_lengths=batch.document_lengths,
    )
    return loss / batch.counted_tokens


def unpacked_loss(model, documents):
    """The usual way: one document a row, padded, transformers' own attention and masks."""
    batch = collate_padded(documents, range(len(documents)))
    logits = model(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False
    ).logits
    return plain_loss_sum(logits.flatten(0, 1), batch.labels.flatten()) / batch.counted_tokens


@pytest.mark.parametrize("kind", ["gpt2", "Llama", "Mistral", "Qwen3", "Gemma2"])
def test_packed_documents_give_the_loss_and_gradients_of_padded_ones(
    kind, make_model, make_documents, take_gradients, difference
):
    changes = {"sliding_window": 6} if kind in ("Mistral", "Gemma2") else {}
    documents = make_documents(LENGTHS)
    ours, theirs = make_model(kind, **changes), make_model(kind, "eager", **changes)
    packed, unpacked = packed_loss(ours, documents), unpacked_loss(theirs, documents)
    packed.backward()
    unpacked.backward()
    # Gemma multiplies by powers of the width and caps twice: fp32 itself leaves 1.3e-5 there.
    tolerance = 3e-5 if kind == "Gemma2" else 1e-5
    assert packed.item() == pytest.approx(unpacked.item(), rel=1e-5)
    assert difference(take_gradients(ours), take_gradients(theirs)) < tolerance


@pytest.mark.parametrize("kind", ["gpt2", "Llama"])
def test_a_changed_document_changes_no_other(kind, make_model, make_documents):
    model = make_model(kind).eval()
    documents = make_documents(LENGTHS)
    batch = collate(documents, [tuple(range(len(LENGTHS)))])
    arguments = attention.document_arguments(batch.document_lengths)
    start, end = sum(LENGTHS[:2]), sum(LENGTHS[:3])
    changed = batch.input_ids.clone()
    changed[0, start:end] = (changed[0, start:end] + 1) % 96
    with torch.no_grad():
        before, after = (
            model(input_ids=ids, position_ids=batch.position_ids, **arguments).logits[0]
            for ids in (batch.input_ids, changed)
        )
    same = (before == after).all(dim=1)
    assert not same[start:end].any()
    assert same[:start].all()
    assert same[end:].all()


def test_attention_sinks_take_their_share(make_model):
    torch.manual_seed(0)
    query, key, value = torch.randn(1, 4, 7, 8), torch.randn(1, 2, 7, 8), torch.randn(1, 2, 7, 8)
    sink = torch.randn(4)
    output, _ = attention.document_attention(
        torch.nn.Module(), query, key, value, None, scaling=0.5, document_lengths=(3, 4), s_aux=sink
    )
    head, token = 3, 5  # the third token of the second document
    scores = torch.stack([query[0, head, token] @ key[0, 1, other] * 0.5 for other in (3, 4, 5)])
    shares = torch.softmax(torch.cat([scores, sink[head : head + 1]]), dim=0)[:3]
    expected = sum(
        share * value[0, 1, other] for share, other in zip(shares, (3, 4, 5), strict=True)
    )
    assert torch.allclose(output[0, token, head], expected, atol=1e-6)


def test_without_documents_it_is_plain_causal_attention(make_model):
    ours, theirs = make_model("Llama").eval(), make_model("Llama", "eager").eval()
    ids = torch.arange(11)[None]
    with torch.no_grad():
        assert torch.allclose(ours(ids).logits, theirs(ids).logits, atol=1e-6)
        cached = ours(ids, use_cache=True)
        again = theirs(
            torch.tensor([[5]]), past_key_values=theirs(ids, use_cache=True).past_key_values
        )
        one_more = ours(torch.tensor([[5]]), past_key_values=cached.past_key_values)
    assert torch.allclose(one_more.logits, again.logits, atol=1e-6)


def test_dropout_is_applied_in_training_only(make_model, make_documents):
    model = make_model("gpt2", attn_pdrop=0.5)
    documents = make_documents(LENGTHS)
    torch.manual_seed(0)
    first, second = packed_loss(model.train(), documents), packed_loss(model, documents)
    assert float(first) != float(second)
    assert float(packed_loss(model.eval(), documents)) == float(packed_loss(model, documents))


def test_recurrent_architectures_are_not_packed(make_model):
    from transformers import MambaForCausalLM

    assert attention.uses_interface(make_model("gpt2"))
    assert not attention.uses_interface(MambaForCausalLM.__new__(MambaForCausalLM))


def test_the_kernel_is_not_available_on_a_cpu():
    assert not attention.varlen_available(torch.device("cpu"))


def test_kernel_arguments_have_one_bound_for_the_whole_run():
    ends = torch.tensor([0, 3, 8, 8], dtype=torch.int32)
    arguments = attention.document_arguments((3, 5), ends, longest=64)
    assert arguments["max_length_q"] == arguments["max_length_k"] == 64
    assert arguments["cu_seq_lens_q"] is ends
    assert "document_lengths" not in arguments


def test_the_cards_kernel_is_given_half_precision_under_autocast(make_model, monkeypatch):
    """Rotary embeddings make fp32 queries and keys of bf16 ones there, and the kernel refuses."""
    import torch.nn.attention.varlen as kernels

    seen = []

    def fake(query, key, value, *rest, **settings):
        seen.extend((query.dtype, key.dtype, value.dtype))
        return torch.zeros_like(query)

    monkeypatch.setattr(kernels, "varlen_attn", fake)
    model = make_model("Llama").train()
    ends = torch.tensor([0, 5, 12], dtype=torch.int32)
    arguments = attention.document_arguments((5, 7), ends, longest=12)
    with torch.autocast("cpu", torch.bfloat16):
        model(input_ids=torch.arange(12)[None], position_ids=torch.arange(12)[None], **arguments)
    assert set(seen) == {torch.bfloat16}
