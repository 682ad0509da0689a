"""Stages hold a model between them, each weight stored by one, and pass micro-batches in turn."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from trainer_core.engine.gather import named_weights, stored_weights
from trainer_core.engine.model import blocks_of
from trainer_core.engine.parallel.mesh import Mesh, place_of
from trainer_core.engine.parallel.pieces import WHOLE_MODEL
from trainer_core.engine.parallel.stages import Pipeline, StagedText, keep_stage
from trainer_core.errors import ConfigError
from trainer_core.plan.degrees import Degrees


def meshes(stages: int) -> list[Mesh]:
    degrees = Degrees(stages=stages)
    return [Mesh(degrees=degrees, place=place_of(rank, degrees)) for rank in range(stages)]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [("gpt2", {"n_layer": 3}), ("Llama", {}), ("Qwen3", {"tie_word_embeddings": True})],
)
def test_every_weight_is_stored_by_the_stage_that_is_said_to_keep_it(kind, changes, make_model):
    whole = {name: weight.shape for name, weight in named_weights(make_model(kind, **changes))}
    found: dict[str, int] = {}
    for mesh in meshes(2):
        model = make_model(kind, **changes)
        left = keep_stage(model, blocks_of(model), mesh)
        assert blocks_of(model) == left
        for name, weight in stored_weights(model):
            assert weight.shape == whole[name]
            assert name not in found, name
            found[name] = mesh.place.stage
        keepers = {name: weight.keeper for name, weight in getattr(model, WHOLE_MODEL).items()}
    assert found == keepers
    assert found.keys() == whole.keys()


def test_more_stages_than_fit_evenly_share_the_blocks_out(make_model):
    sizes = []
    for mesh in meshes(3):
        model = make_model("gpt2", n_layer=7)
        sizes.append(len(keep_stage(model, blocks_of(model), mesh)))
    assert sizes == [2, 2, 3]


def test_an_unknown_architecture_is_refused(make_model):
    model = make_model("Granite")
    with pytest.raises(ConfigError, match="granite cannot be cut"):
        keep_stage(model, blocks_of(model), meshes(2)[0])


@pytest.mark.parametrize(
    ("stage", "order"), [(0, "FFFBFBFBBB"), (1, "FFBFBFBFBB"), (2, "FBFBFBFBFB")]
)
def test_one_forward_one_backward_once_the_pipeline_is_full(stage, order, monkeypatch, make_model):
    numerics = SimpleNamespace()
    pipeline = Pipeline(make_model("gpt2", tie_word_embeddings=False), numerics, meshes(3)[stage])
    seen = []

    def forward(input_ids):
        seen.append("F")
        return None, torch.ones(())

    monkeypatch.setattr(pipeline, "_pass", forward)
    monkeypatch.setattr(pipeline, "_backward", lambda *arguments: seen.append("B"))
    batches = [{"input_ids": torch.zeros(1, 4)}] * 5
    total = pipeline.forward_backward(batches, 1.0, lambda: None)
    assert "".join(seen) == order
    assert float(total) == (5.0 if stage == 2 else 0.0)


def test_text_goes_on_from_all_ids_so_far():
    asked = []

    class Stages:
        model = SimpleNamespace(config=None)
        training = False
        parameters = eval = train = None

        def last_logits(self, ids):
            asked.append(ids.tolist())
            return torch.zeros(7)

    text = StagedText(Stages())
    output = text(torch.tensor([[1, 2]]), past_key_values=None, use_cache=True)
    text(torch.tensor([[3]]), past_key_values=output.past_key_values)
    assert asked == [[[1, 2]], [[1, 2, 3]]]
    assert output.logits.shape == (1, 1, 7)
