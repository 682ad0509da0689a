"""Whether the model hub can be reached, asked without the hub's libraries.

They try for half a minute before they give up; an answer here takes at most `PROBE_SECONDS`.
"""

from __future__ import annotations

import os
import socket
import threading
from urllib.parse import urlsplit

PROBE_SECONDS = 3.0
"""How long a hub that does not answer is waited for."""

_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def hub_is_off() -> bool:
    """Whether the user has switched the hub off (`HF_HUB_OFFLINE`)."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")


def hub_answers() -> bool:
    """Whether the hub may be asked: not switched off, and a connection to it opens.

    Behind a proxy nothing can be told from here, so the answer is yes.
    """
    if hub_is_off():
        return False
    if any(os.environ.get(name) for name in _PROXIES):
        return True
    address = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    port = address.port or (80 if address.scheme == "http" else 443)
    answers: list[bool] = []

    def connect() -> None:
        try:
            socket.create_connection((address.hostname or "", port), PROBE_SECONDS).close()
        except OSError:
            return
        answers.append(True)

    # Looking up a name has no time limit of its own.
    prober = threading.Thread(target=connect, daemon=True)
    prober.start()
    prober.join(PROBE_SECONDS)
    return bool(answers)
