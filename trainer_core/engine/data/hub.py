"""Whether the hub can be reached, and what went wrong with it in one sentence."""

from __future__ import annotations

import errno
import logging
import os
import sys

from trainer_core.errors import UserError
from trainer_core.network import hub_answers

_LOUD = ("huggingface_hub", "datasets", "transformers")

_OFFLINE = frozenset(
    {
        "OfflineModeIsEnabled",
        "LocalEntryNotFoundError",
        "ConnectionError",
        "ConnectError",
        "ConnectTimeout",
        "ReadTimeout",
        "Timeout",
        "TimeoutException",
        "MaxRetryError",
        "NameResolutionError",
        "gaierror",
        "SSLError",
        "ProxyError",
    }
)
_ABSENT = frozenset({"RepositoryNotFoundError", "DatasetNotFoundError", "RevisionNotFoundError"})


def settle_network() -> bool:
    """Switch the hub's libraries to offline where the hub cannot be reached; say if it can.

    Call it before a hub id is loaded: without it they retry for half a minute before they look
    into their cache or give up. Their warnings are silenced too; what matters becomes a sentence.
    """
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)
    if hub_answers():
        return True
    os.environ["HF_HUB_OFFLINE"] = "1"
    # The variable is read when the libraries are imported; these are where they keep it.
    for name in ("huggingface_hub.constants", "datasets.config"):
        module = sys.modules.get(name)
        if module is not None:
            module.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]  # modules are not typed
    return False


def hub_error(kind: str, hub_id: str, error: BaseException, otherwise: str) -> UserError:
    """Turn a failure of a hub library into the sentence the user reads.

    Args:
        kind: `model` or `dataset`.
        hub_id: As the user named it.
        error: What the library raised; its causes are looked at too.
        otherwise: What works without the hub, an imperative without a full stop.
    """
    chain = _chain(error)
    names = {ancestor.__name__ for link in chain for ancestor in type(link).__mro__}
    if any(isinstance(link, OSError) and link.errno == errno.ENOSPC for link in chain):
        return UserError(f"{kind} {hub_id!r}: the disk is full; free space where HF_HOME lies")
    if "GatedRepoError" in names:
        problem, fix = "its owner grants access on request", "ask there, then set HF_TOKEN"
    elif names & _OFFLINE or _speaks_of_the_network(chain):
        problem = "it is not on this machine and the hub cannot be reached"
        fix = f"connect to a network, or {otherwise}"
    elif names & _ABSENT:
        problem = "there is no such id on the hub, or it is private"
        fix = f"check the spelling, set HF_TOKEN if it is private, or {otherwise}"
    else:
        first = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        problem, fix = f"it cannot be loaded: {first.strip()[:300]}", otherwise
    return UserError(f"{kind} {hub_id!r}: {problem}; {fix}")


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    return chain


def _speaks_of_the_network(chain: list[BaseException]) -> bool:
    # transformers wraps these in a bare OSError and drops the cause.
    words = (
        "couldn't connect to",
        "offline mode",
        "can't load",
        "we couldn't connect",
        "offline=1",
    )
    text = " ".join(str(link) for link in chain).lower()
    return any(word in text for word in words[:2] + words[3:])
