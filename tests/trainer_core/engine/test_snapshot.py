"""A snapshot is out of the run's way, and shared out over the ranks."""

from __future__ import annotations

import torch

from tests.trainer_core.engine.small import ALONE, optimizer_of, small_model, train
from trainer_core.engine.distributed import World
from trainer_core.engine.snapshot import host_room_bytes, take_snapshot


def take(model, optimizer, world=ALONE, **more):
    return take_snapshot(5, model, optimizer, world=world, facts={"seed": 1}, **more)


def test_later_steps_do_not_show_in_it():
    model = small_model()
    optimizer = optimizer_of(model)
    train(model, optimizer, 1)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    taken = take(model, optimizer)
    states = {name: state.clone() for name, state in taken.states.items()}
    train(model, optimizer, 2)
    for name, weight in before.items():
        assert torch.equal(taken.weights[name], weight), name
    for name, state in states.items():
        assert torch.equal(taken.states[name], state), name
    assert "lm_head.weight" not in taken.weights  # tied: it stands once
    assert taken.bytes > 12 * sum(weight.numel() for weight in before.values())


def test_ranks_share_the_bytes_and_leave_none_out():
    model = small_model()
    optimizer = optimizer_of(model)
    train(model, optimizer, 1)
    whole = take(model, optimizer)
    parts = [take(model, optimizer, World(rank=rank, size=3)) for rank in range(3)]
    for kind in ("weights", "states"):
        names = [name for part in parts for name in getattr(part, kind)]
        assert sorted(names) == sorted(getattr(whole, kind))
    sizes = [
        sum(t.numel() * t.element_size() for t in (*part.weights.values(), *part.states.values()))
        for part in parts
    ]
    assert max(sizes) < 1.3 * min(sizes)


def test_where_a_copy_does_not_fit_the_run_waits_for_the_writing():
    model = small_model()
    optimizer = optimizer_of(model)
    taken = take(model, optimizer, room_bytes=1000)
    assert taken.waits
    weight = model.transformer.wte.weight
    assert taken.weights["transformer.wte.weight"].data_ptr() == weight.data_ptr()
    assert not take(model, optimizer, room_bytes=1 << 30).waits


def test_ranks_of_one_host_share_its_room(monkeypatch):
    alone = host_room_bytes()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1000000")
    assert 0 <= host_room_bytes() < alone
