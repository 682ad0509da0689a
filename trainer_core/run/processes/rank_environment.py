"""Which of the user's variables a rank gets: no secrets but those it may need."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from trainer_core.network import hub_is_off
from trainer_core.run.config.defaults import BUILT_IN_DATASET
from trainer_core.run.config.run_config import RunConfig

FOREIGN_VARIABLES = (
    *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK"),
    *("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "TORCHELASTIC_USE_AGENT_STORE"),
)
"""Left by another launcher around us; our ranks get their own."""

HUB_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")

_SECRET = re.compile(
    r"(^|_)(TOKEN|API_?KEY|SECRET|SECRET_KEY|PASSWORD|ACCESS_KEY|ACCESS_KEY_ID|PRIVATE_KEY|"
    r"CREDENTIALS)$",
    re.IGNORECASE,
)


def without_secrets(environment: Mapping[str, str], config: RunConfig) -> dict[str, str]:
    """Return an environment for a rank.

    A model's own code and a chat template are not run, but a rank loads foreign files and its
    memory may end in a dump: what it has no use for it does not get. The hub's token it needs
    where a model or a dataset may have to be fetched.
    """
    kept = HUB_TOKENS if needs_hub(config) else ()
    return {
        name: text
        for name, text in environment.items()
        if name not in FOREIGN_VARIABLES and (name in kept or not _SECRET.search(name))
    }


def needs_hub(config: RunConfig) -> bool:
    """Whether something of the run may have to be fetched from the hub."""
    if hub_is_off():
        return False
    named = (config.model, config.dataset, config.eval_dataset)
    return any(text is not None and not _is_here(text) for text in named)


def _is_here(text: str) -> bool:
    if text in ("tiny", BUILT_IN_DATASET) or text.startswith("python:"):
        return True
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False
