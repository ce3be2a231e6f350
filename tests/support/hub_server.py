"""A hub of models on this machine: the few routes that a pull uses, and ways to go wrong."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class Hub:
    """What it serves, and what was asked of it."""

    files: dict[str, dict[str, bytes]]
    """Contents by repository and name; those of more than 100 bytes are "large"."""
    gated: set[str] = field(default_factory=set)
    break_after: list[int] = field(default_factory=list)
    """Bytes after which the next answers break off, one entry for each."""
    ranges: bool = True
    """Whether it honours them."""
    damage: bool = False
    """Whether what it sends differs from what it promises."""
    answer: bytes | None = None
    """What it says of every repository instead of the truth."""
    pause: float = 0.0
    """Seconds between two pieces of 64 kB."""
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Paths and ranges."""
    endpoint: str = ""

    def described(self, repo: str) -> dict[str, object]:
        return {"id": repo, "sha": COMMIT, "siblings": [_sibling(*one) for one in self.files[repo].items()]}


def _sibling(name: str, data: bytes) -> dict[str, object]:
    large = {"lfs": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}}
    return {
        "rfilename": name,
        "size": len(data),
        "blobId": git_sha1(data),
        **(large if len(data) > 100 else {}),
    }


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((path, self.headers.get("Range")))
            if path.startswith("/api/models/"):
                repo, _, revision = path.removeprefix("/api/models/").partition("/revision/")
                self._describe(repo, revision)
            else:
                repo, _, rest = path[1:].partition("/resolve/")
                self._send_file(repo, rest.partition("/")[2])

        def _describe(self, repo: str, revision: str) -> None:
            if repo in hub.gated:
                return self._refuse(403, "GatedRepo")
            if repo not in hub.files:
                return self._refuse(404, "RepoNotFound")
            if revision not in ("main", COMMIT):
                return self._refuse(404, "RevisionNotFound")
            body = json.dumps(hub.described(repo)).encode() if hub.answer is None else hub.answer
            self._head(200, len(body), "application/json")
            self.wfile.write(body)
            return None

        def _send_file(self, repo: str, name: str) -> None:
            data = hub.files.get(repo, {}).get(name)
            if data is None:
                return self._refuse(404, "EntryNotFound")
            start = 0
            if hub.ranges and (given := self.headers.get("Range")):
                start = int(given.removeprefix("bytes=").partition("-")[0])
            self._head(206 if start else 200, len(data) - start, "application/octet-stream")
            body = data[start:] if not hub.damage else bytes(len(data) - start)
            end = hub.break_after.pop(0) if hub.break_after and len(data) > 100 else len(body)
            for at in range(0, min(end, len(body)), 65536):
                self.wfile.write(body[at : min(at + 65536, end)])
                self.wfile.flush()
                time.sleep(hub.pause)
            if end < len(body):
                self.close_connection = True
            return None

        def _head(self, status: int, length: int, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(length))
            self.end_headers()

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_request(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *args: object) -> None:
            """Clients that go away are what some tests want."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
