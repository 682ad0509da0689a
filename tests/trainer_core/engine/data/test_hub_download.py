"""Downloads from a hub of our own on loopback: told in bytes, and refused in one sentence."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub_server import SmallHub
from trainer_core.engine.data.hub_download import bytes_watched, files_read
from trainer_core.run.config.config_file import dump_config
from trainer_core.run.config.run_config import DataConfig, EvalConfig, RunConfig, SampleConfig

ROOT = Path(__file__).resolve().parents[4]

FETCH = """
import sys
from trainer_core.engine.data.hub_download import fetch_model
from trainer_core.errors import UserError
for name in sys.argv[1:]:
    try:
        print(fetch_model(name, lambda done, total: None))
    except UserError as error:
        print(error)
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[SmallHub]:
    """A model of 2.5 MB and a dataset of 0.6 MB."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from trainer_core.engine.data.tokenizer import load_tokenizer

    model = tmp_path / "hub" / "models" / "acme" / "little"
    tokenizer = load_tokenizer("tiny")
    tokenizer.save_pretrained(model)
    sizes = {"n_embd": 128, "n_layer": 2, "n_head": 2, "n_positions": 128}
    config = GPT2Config(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=0, **sizes)
    GPT2LMHeadModel(config).save_pretrained(model)
    (model / "pytorch_model.bin").write_bytes(b"x" * 5_000_000)  # never asked for
    rows = tmp_path / "hub" / "datasets" / "acme" / "rows" / "train.jsonl"
    rows.parent.mkdir(parents=True)
    pair = {"instruction": "Count.", "output": "one two three four five six seven " * 2}
    rows.write_text("".join(json.dumps({**pair, "n": n}) + "\n" for n in range(5000)))
    served = SmallHub(tmp_path / "hub", bytes_per_second=1e6)
    yield served
    served.close()


def environment(tmp_path: Path, endpoint: str) -> dict[str, str]:
    return {
        **{name: text for name, text in os.environ.items() if name != "HF_HUB_OFFLINE"},
        "PYTHONPATH": str(ROOT),
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(tmp_path / "hf"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "MOAI_TUI_HOME": str(tmp_path / "home"),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


@pytest.mark.integration
def test_a_run_tells_the_bytes_of_its_model_and_its_data(hub: SmallHub, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    config = RunConfig(
        model="acme/little",
        dataset="acme/rows",
        sequence_length=64,
        global_batch_size=4,
        steps=1,
        data=DataConfig(eval_fraction=0.0),
        eval=EvalConfig(every_steps=0),
        sample=SampleConfig(count=0),
    )
    (folder / "config.yaml").write_text(dump_config(config))
    done = subprocess.run(
        [sys.executable, "-m", "trainer_core", "rank", str(folder)],
        env=environment(tmp_path, hub.endpoint),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    told = [
        (event["done"], event["total"])
        for event in events
        if event["type"] == "phase" and event["name"] == "downloading" and event["done"]
    ]
    sizes = {total for _, total in told if total}
    weights = hub.root / "models" / "acme" / "little" / "model.safetensors"
    assert len(sizes) == 2, told
    for total in sizes:
        steps = [done for done, of in told if of == total]
        assert steps == sorted(steps)
        assert steps[-1] == total
    # A growing file is seen: neither everything nor nothing, more than once.
    between = [done for done, of in told if of == max(sizes) and 200_000 < done < max(sizes)]
    assert len(set(between)) >= 2, told
    assert weights.stat().st_size < max(sizes) < weights.stat().st_size + 500_000
    assert not [line for line in hub.asked if "pytorch_model.bin" in line]


@pytest.mark.integration
def test_what_cannot_be_had_is_one_sentence_in_seconds(hub: SmallHub, tmp_path: Path) -> None:
    hub.refused.add("acme/gated")
    (hub.root / "models" / "acme" / "gated").mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses at once
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
        said = {}
        for endpoint in (hub.endpoint, closed):
            began = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-c", FETCH, "acme/none", "acme/gated"],
                env=environment(tmp_path, endpoint),
                capture_output=True,
                text=True,
                timeout=100,
                check=True,
            )
            said[endpoint] = done.stdout.splitlines()
            assert time.monotonic() - began < 60  # the library alone retries for minutes
    none, gated = said[hub.endpoint]
    assert none.startswith("model 'acme/none': there is no such id on the hub")
    assert gated.startswith("model 'acme/gated': its owner grants access on request")
    for line in said[closed]:
        assert "is not on this machine and the hub cannot be reached" in line
        assert "--from-scratch" in line


def test_no_second_copy_of_the_weights_is_read() -> None:
    texts = ["config.json", "tokenizer.json", "merges.txt"]
    others = ["README.md", "onnx/model.onnx", "original/consolidated.00.pth", "tf_model.h5"]
    shards = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]
    index = ["pytorch_model.bin.index.json"]
    safe = ["model-00001-of-00001.safetensors", "model.safetensors.index.json"]
    both = files_read([*texts, *others, *shards, *index, *safe, "consolidated.safetensors"])
    assert set(both) == {*texts, *index, *safe}
    assert set(files_read([*texts, *others, *shards, *index])) == {*texts, *index, *shards}
    assert files_read(["weights.safetensors"]) == ["weights.safetensors"]


def test_what_was_here_is_not_told_as_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    blobs = tmp_path / "models--acme--little" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "a").write_bytes(b"x" * 10)
    told: list[tuple[int, int | None]] = []
    with bytes_watched("model", "acme/little", 30, lambda *bytes_: told.append(bytes_)):
        pass
    assert told == []
    with bytes_watched("model", "acme/little", 30, lambda *bytes_: told.append(bytes_)):
        (blobs / "b.incomplete").write_bytes(b"x" * 20)
    assert told[-1] == (30, 30)
    with bytes_watched("model", "acme/little", 5, lambda *bytes_: told.append(bytes_)):
        (blobs / "c").write_bytes(b"x")
    assert told[-1] == (31, None)  # the hub's sum was no sum of these
