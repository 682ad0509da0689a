"""Hub datasets, with the library's loader replaced: nothing here touches a network."""

from __future__ import annotations

from typing import Any

import datasets
import pytest

from trainer_core.engine.data.hub_rows import load_hub_rows
from trainer_core.engine.data.source import Source, find_source
from trainer_core.errors import DataError, UserError
from trainer_core.run.config.run_config import DataConfig


def source(**data: Any) -> Source:
    return find_source("owner/name", DataConfig(**data))


def serve(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[dict[str, Any]]:
    """Make the library answer this; the calls it got are returned."""
    calls: list[dict[str, Any]] = []

    def load_dataset(path: str, **arguments: Any) -> Any:
        calls.append({"path": path, **arguments})
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return calls


def rows(*texts: str) -> datasets.Dataset:
    return datasets.Dataset.from_list([{"text": text} for text in texts])


def test_the_datasets_own_split_is_for_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    served = datasets.DatasetDict(train=rows("a", "b"), test=rows("t"), validation=rows("v"))
    calls = serve(monkeypatch, served)
    found = load_hub_rows(source(subset="s", revision="r"))
    assert calls == [{"path": "owner/name", "name": "s", "split": None, "revision": "r"}]
    assert [(r.value["text"], r.split, r.row) for r in found.records()] == [
        ("a", "train", 1),
        ("b", "train", 2),
        ("v", "eval", 1),
    ]
    alone = load_hub_rows(source(), training_only=True)
    assert [(r.value["text"], r.split) for r in alone.records()] == [("a", None), ("b", None)]


def test_a_slice_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = serve(monkeypatch, rows("a"))
    found = load_hub_rows(source(split="train[:10%]"))
    assert calls[0]["split"] == "train[:10%]"
    assert [record.split for record in found.records()] == [None]


def test_other_rows_have_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, datasets.DatasetDict(train=rows("a")))
    first = load_hub_rows(source()).fingerprint()
    assert load_hub_rows(source()).fingerprint() == first
    serve(monkeypatch, datasets.DatasetDict(train=rows("b")))
    assert load_hub_rows(source()).fingerprint() != first


def test_a_split_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, datasets.DatasetDict(training=rows("a")))
    with pytest.raises(DataError, match=r"no split 'train'; set data\.split to one of training"):
        load_hub_rows(source())


FAULTS = [
    (ConnectionError("no"), "the hub cannot be reached"),
    (
        ValueError(
            "Config name is missing. Please pick one among the available configs: ['a', 'b']"
        ),
        r"it has several subsets; set data\.subset to one of \['a', 'b'\]",
    ),
    (
        RuntimeError("Dataset scripts are no longer supported, but found name.py"),
        "it is a program, not data, and is not run",
    ),
]


@pytest.mark.parametrize(("error", "sentence"), FAULTS)
def test_failures_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    serve(monkeypatch, error)
    with pytest.raises(UserError, match=sentence):
        load_hub_rows(source())


def test_offline_is_said_without_waiting_for_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library itself, told that there is no network."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"dataset 'owner/name': .*hub cannot be reached"):
        load_hub_rows(source())
