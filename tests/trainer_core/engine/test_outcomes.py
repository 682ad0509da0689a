"""What a run leaves behind says what it is."""

from __future__ import annotations

from trainer_core.engine import rank
from trainer_core.run.record.directory import RunDirectory


def test_samples_come_from_held_out_rows_or_from_the_users_prompts(make_run, read_events):
    folder = make_run("own", sample={"prompts": ["read write"], "new_tokens": 3}, steps=1)
    assert rank.main(folder) == 0
    samples = [event["samples"] for event in read_events(folder, "sample")]
    assert [[pair["prompt"] for pair in pairs] for pairs in samples] == [["read write"]] * 2
    assert samples[0][0]["reference"] is None
    folder = make_run("held-out", sample={"count": 2, "new_tokens": 3}, steps=1)
    assert rank.main(folder) == 0
    first = read_events(folder, "sample")[0]["samples"]
    assert len(first) == 2
    assert all(pair["reference"] for pair in first)


def test_the_model_card_tells_the_loss_before_and_after(make_run, read_events):
    folder = make_run(name="card", steps=2, sample={"count": 0})
    meta = b'{"name": "first try", "created": 1.0}'  # JSON is YAML
    RunDirectory(folder).meta_path.write_bytes(meta)
    assert rank.main(folder) == 0
    losses = [event["eval_loss"] for event in read_events(folder, "eval")]
    card = (folder / "model" / "README.md").read_text()
    assert f"{losses[0]:.4f} before, {losses[-1]:.4f} after" in card
    assert "2 optimizer steps" in card
    assert "# first try\n" in card
    (saved,) = read_events(folder, "model_saved")
    files = (folder / "model").rglob("*")
    assert saved["bytes"] == sum(path.stat().st_size for path in files if path.is_file())


def test_lora_leaves_a_merged_model_behind(make_run):
    from transformers import AutoModelForCausalLM

    folder = make_run(method="lora", lora={"rank": 2}, steps=2, sample={"count": 0})
    assert rank.main(folder) == 0
    model = AutoModelForCausalLM.from_pretrained(folder / "model")
    assert not any("lora" in name for name in model.state_dict())
