"""What a step adds up is the mean over all its counted tokens."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from trainer_core.engine.parallel.mesh import Mesh
from trainer_core.engine.parallel.stages import Pipeline
from trainer_core.engine.passes import Passes
from trainer_core.plan.degrees import Degrees

ALONE = Degrees()


class Weighted(torch.nn.Module):
    """Its loss is its weight times what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, given):
        return self.weight * given


def batch(**arguments):
    return SimpleNamespace(arguments=lambda: arguments)


def parts_of(objective, degrees=ALONE, accumulation=1):
    return SimpleNamespace(
        objective=objective,
        model=getattr(objective, "model", objective),
        mesh=Mesh(degrees=degrees),
        device=torch.device("cpu"),
        stepper=None,
        settled=SimpleNamespace(gradient_accumulation_steps=accumulation),
    )


def test_losses_and_gradients_are_sums_over_the_counted_tokens():
    objective, beats = Weighted(), []
    passes = Passes(parts_of(objective))
    loss = passes.forward_backward([batch(given=3.0), batch(given=5.0)], 4, lambda: beats.append(1))
    assert (float(loss), float(objective.weight.grad), len(beats)) == (2.0, 2.0, 2)
    assert float(passes.gradient_norm()) == 2.0


def test_the_heaviest_is_tried_as_often_as_a_stage_holds_some(monkeypatch, make_model):
    pipeline = Pipeline(make_model("gpt2"), SimpleNamespace(), Mesh())
    tried = []
    monkeypatch.setattr(
        pipeline, "forward_backward", lambda batches, *_: tried.append(len(batches))
    )
    for accumulation in (8, 2):
        passes = Passes(parts_of(pipeline, Degrees(stages=4), accumulation))
        passes.try_heaviest(batch(input_ids=1))
    assert tried == [4, 2]
