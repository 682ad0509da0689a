"""What `verify` prints and returns."""

from __future__ import annotations

import json

from tests.trainer_core.run.storage.test_checkpoints import make


def test_good_and_bad_differ_in_words_and_code(moai, new_run):
    run = new_run(name="mine")
    folder = make(run.path, 3)
    assert moai("verify", "mine") == 0
    assert "step 3: good" in moai.out
    (folder / "config.json").write_text("[]")
    assert moai("verify", "mine") == 1
    assert "config.json was changed" in moai.out
    assert moai("verify", "mine", "--json") == 1
    found = json.loads(moai.out)
    assert found["ok"] is False
    assert found["checkpoints"][0]["step"] == 3
    assert moai("verify", "nobody") == 2
