"""A server with the OpenAI interface on this machine, and the ways in which such servers go wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def well_formed(categories: int = 5, per_category: int = 5, words: str = "a cat in place") -> str:
    """An answer in the form of Fig. 11."""
    lines = []
    for category in range(categories):
        lines.append(f"* kind {category}")
        lines += [f"- {words} {category * per_category + place}" for place in range(per_category)]
    return "\n".join(lines) + "\n"


@dataclass
class FakeServer:
    """How it answers, and what it was asked."""

    owner: str = "llamacpp"
    models: list[str] = field(default_factory=lambda: ["small.gguf"])
    script: list[str] = field(default_factory=list)
    """What becomes of the next requests for a text, one entry for each; then every one is answered well."""
    answers: list[str] = field(default_factory=list)
    """What the next answers say; then `well_formed`."""
    key: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when a client has left an answer that had not ended."""
    release: threading.Event = field(default_factory=threading.Event)
    url: str = ""


@contextmanager
def serving(server: FakeServer) -> Iterator[FakeServer]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.paths.append(self.path)
            if self._refused("/v1/models"):
                return
            models = [{"id": name, "object": "model", "owned_by": server.owner} for name in server.models]
            self._json(200, {"object": "list", "data": models})

        def do_POST(self) -> None:
            server.paths.append(self.path)
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self._refused("/v1/chat/completions"):
                return
            server.bodies.append(body)
            how = server.script.pop(0) if server.script else "well"
            text = server.answers.pop(0) if server.answers else well_formed()
            getattr(self, f"_{how}")(text)

        def _refused(self, route: str) -> bool:
            if self.path != route:
                self._html("")
                return True
            if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
                self._json(401, {"error": {"message": "Invalid API Key"}})
                return True
            return False

        def _json(self, status: int, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True

        def _piece(self, text: str, end: str | None = None) -> None:
            choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": end}
            self.wfile.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
            self.wfile.flush()

        def _well(self, text: str, end: str = "stop") -> None:
            self._stream()
            for start in range(0, len(text), 7):
                self._piece(text[start : start + 7])
            self._piece("", end)
            self.wfile.write(b"data: [DONE]\n\n")

        def _long(self, text: str) -> None:
            """Cut where its tokens ended."""
            self._well(text, "length")

        def _whole(self, text: str) -> None:
            """One that does not stream."""
            choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            self._json(200, {"choices": [choice]})

        def _drop(self, text: str) -> None:
            """Break off in the middle of a chunk."""
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self._piece(text[:40])
            self.close_connection = True

        def _hang(self, text: str) -> None:
            """Say a little and then nothing more."""
            self._stream()
            self._piece(text[:20])
            server.release.wait(30)

        def _mute(self, text: str) -> None:
            """Take the request and say nothing at all."""
            server.release.wait(30)

        def _loop(self, text: str) -> None:
            """Never end."""
            self._stream()
            try:
                while not server.release.is_set():
                    self._piece("- a cat " * 200)
            except OSError:
                server.gone.set()

        def _busy(self, text: str) -> None:
            self._json(503, {"error": {"message": "Loading model", "code": 503}})

        def _nogrammar(self, text: str) -> None:
            self._json(400, {"error": {"message": "unknown field: grammar"}})

        def _context(self, text: str) -> None:
            self._json(400, {"error": {"message": "the request exceeds the available context size"}})

        def _html(self, text: str) -> None:
            self.send_response(404)
            self.send_header("Content-Length", "13")
            self.end_headers()
            self.wfile.write(b"<html></html>")

        def _damaged(self, text: str) -> None:
            self._stream()
            self.wfile.write(b'data: {"choices": [{]}\n\ndata: \x1b[31m\xff\n\nnoise\n')

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        http.block_on_close = False
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.release.set()
            http.shutdown()
            thread.join()
