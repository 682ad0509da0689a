"""A model hub of our own on loopback: two repositories' files, served as slowly as wanted."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PIECE_BYTES = 64 * 1024


class SmallHub:
    """Serves `root/{models,datasets}/owner/name/…` to the hub's libraries until it is closed.

    Attributes:
        asked: Method and path of every request.
        refused: Ids that answer as a gated repository.
    """

    def __init__(self, root: Path, bytes_per_second: float = 1e9) -> None:
        self.root, self.bytes_per_second = root, bytes_per_second
        self.asked: list[str] = []
        self.refused: set[str] = set()
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """What `HF_ENDPOINT` is set to."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def folder(self, kind: str, hub_id: str) -> Path | None:
        """Return the folder of a repository; None where there is none."""
        path = self.root / kind / hub_id
        return path if path.is_dir() else None


def _files(folder: Path) -> list[tuple[str, Path]]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path.relative_to(folder)), path) for path in found]


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: SmallHub) -> None:
        self.hub = hub
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection; `server` is the `_Server` it belongs to."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.sent = self.rfile.read(length)
        self._answer(body=True)

    def log_message(self, *words: object) -> None:
        """Keep quiet."""

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.hub.asked.append(f"{self.command} {self.path}")
        parts = path.strip("/").split("/")
        if parts[0] == "api" and len(parts) >= 4:
            self._api(parts[1], "/".join(parts[2:4]), parts[4:])
        elif "resolve" in parts:
            kind = "datasets" if parts[0] == "datasets" else "models"
            at = parts.index("resolve")
            name = "/".join(parts[at - 2 : at])
            self._file(kind, name, "/".join(parts[at + 2 :]), body=body)
        else:
            self._missing("EntryNotFound", body=body)

    def _api(self, kind: str, name: str, rest: list[str]) -> None:
        folder = self.server.hub.folder(kind, name)
        if name in self.server.hub.refused:
            self._missing("GatedRepo", status=403)
            return
        if folder is None:
            self._missing("RepoNotFound", status=401)
            return
        tree = [
            {"type": "file", "path": n, "size": p.stat().st_size, "oid": _etag(p)}
            for n, p in _files(folder)
        ]
        if rest[:1] == ["tree"]:
            self._json(tree)
        elif rest[:1] == ["paths-info"]:
            wanted = json.loads(self.sent or b"{}").get("paths") or []
            self._json([entry for entry in tree if entry["path"] in wanted])
        elif rest[:1] in ([], ["revision"]):
            siblings = [
                {"rfilename": e["path"], "size": e["size"], "blobId": e["oid"]} for e in tree
            ]
            facts = {"id": name, "sha": COMMIT, "private": False, "gated": False, "tags": []}
            self._json({**facts, "siblings": siblings, "downloads": 0, "likes": 0})
        else:
            self._missing("EntryNotFound")

    def _file(self, kind: str, name: str, file: str, *, body: bool) -> None:
        folder = self.server.hub.folder(kind, name)
        if name in self.server.hub.refused:
            self._missing("GatedRepo", status=403, body=body)
            return
        if folder is None:
            self._missing("RepoNotFound", status=401, body=body)
            return
        path = folder / file
        if not path.is_file():
            self._missing("EntryNotFound", body=body)
            return
        data = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{_etag(path)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self._write(data)

    def _write(self, data: bytes) -> None:
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            self.wfile.write(piece)
            time.sleep(len(piece) / self.server.hub.bytes_per_second)

    def _json(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _missing(self, code: str, status: int = 404, *, body: bool = True) -> None:
        data = json.dumps({"error": code}).encode()
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)
