"""Whether the model hub can be reached, asked without the hub's libraries.

They try for half a minute before they give up; an answer here takes at most `PROBE_SECONDS`.
"""

from __future__ import annotations

import os
import socket
import threading
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote, urlsplit

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
    address = urlsplit(_endpoint())
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


def hub_knows_model(hub_id: str) -> bool | None:
    """Whether the hub shows the user a model of this name; None where it does not say.

    Asked with the user's own token, as the hub's library would; without one the hub answers
    "unauthorised" for a name it does not have.
    """
    import urllib.error
    import urllib.request

    url = f"{_endpoint()}/api/models/{quote(hub_id)}"
    if not url.startswith(("https://", "http://")):
        return None
    request = urllib.request.Request(url, headers={"User-Agent": "moai-tui"})  # noqa: S310
    token = _token()
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return False if error.code == 404 or (error.code == 401 and not token) else None
    except (OSError, HTTPException, ValueError):
        return None


def _endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _token() -> str | None:
    """Return the hub token the user has set or stored; it goes nowhere but to the hub."""
    if os.environ.get("HF_TOKEN"):
        return os.environ["HF_TOKEN"]
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    stored = Path(os.environ.get("HF_TOKEN_PATH") or f"{home}/token").expanduser()
    try:
        return stored.read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError):
        return None
