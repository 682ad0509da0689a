"""The objective takes the cheap way only where it is the model's own."""

from __future__ import annotations

import pytest
import torch

from trainer_core.engine.data.batch import collate
from trainer_core.engine.objective import Objective, head_is_plain
from trainer_core.engine.precision import choose_numerics

NUMERICS = choose_numerics("fp32", torch.device("cpu"))


def loss_of(model, documents, *, packed):
    batch = collate(documents, [(0, 1), (2,)])
    return Objective(model, NUMERICS, packed=packed)(
        batch.input_ids,
        labels=batch.labels,
        position_ids=batch.position_ids,
        document_lengths=batch.document_lengths,
    )


def test_a_plain_head_is_recognised(make_model):
    assert head_is_plain(make_model("gpt2"), NUMERICS)
    assert head_is_plain(make_model("Llama"), NUMERICS)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [("Granite", {"logits_scaling": 4.0}), ("Gemma2", {"final_logit_softcapping": 0.05})],
)
def test_a_head_that_does_more_goes_through_the_model(kind, changes, make_model, make_documents):
    model = make_model(kind, **changes)
    assert not head_is_plain(model, NUMERICS)
    documents = make_documents([7, 9, 12])
    objective = Objective(model, NUMERICS, packed=True)
    assert not objective.fused
    one_by_one = sum(float(loss_of(model, make_one(documents, n), packed=True)) for n in range(3))
    assert float(loss_of(model, documents, packed=True)) == pytest.approx(one_by_one, rel=1e-5)


def make_one(documents, number):
    """The same documents with all but one cut to two tokens that do not count."""
    counted = documents.counted.copy()
    for other in range(len(documents)):
        if other != number:
            start = documents.starts[other]
            counted[start : start + documents.lengths[other]] = 0
    return type(documents)(
        tokens=documents.tokens,
        counted=counted,
        starts=documents.starts,
        lengths=documents.lengths,
        counted_lengths=documents.counted_lengths,
        counted_bytes=documents.counted_bytes,
    )


def test_an_architecture_that_cannot_pack_gets_one_document_a_row(
    make_model, make_documents, take_gradients, difference
):
    documents = make_documents([7, 9, 12])
    packed, padded = make_model("Llama"), make_model("Llama", "eager")
    one, other = loss_of(packed, documents, packed=True), loss_of(padded, documents, packed=False)
    one.backward()
    other.backward()
    assert float(one) == pytest.approx(float(other), rel=1e-5)
    assert difference(take_gradients(packed), take_gradients(padded)) < 1e-5
