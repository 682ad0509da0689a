"""What went wrong with the hub, in one sentence a user can act on."""

from __future__ import annotations

import errno

from trainer_core.errors import UserError

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
