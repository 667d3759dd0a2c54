"""A server that speaks OpenAI's protocol and does what a test tells it: answers, refuses, hangs, dies."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


def completion(text: str, finish: str = "stop") -> dict[str, Any]:
    """The body of an answer."""
    return {
        "id": "c", "object": "chat.completion", "created": 1, "model": "stub",
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }  # fmt: skip


class Stub:
    """One server on a port of its own, or on a given one; remembers what it was asked."""

    def __init__(
        self, reply: Reply, port: int = 0, meta: str = "first", delay: float = 0.0, models: Any = None
    ) -> None:
        self.asked: list[dict[str, Any]] = []
        self.running = self.most = 0
        lock, stub = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                model = {"id": "stub", "object": "model", "created": int(time.time()), "owned_by": "test", "meta": meta}
                self.send(200, models or {"object": "list", "data": [model]})

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    stub.running += 1
                    stub.most = max(stub.most, stub.running)
                    stub.asked.append(request)
                time.sleep(delay)
                status, body = reply(request)
                with lock:
                    stub.running -= 1
                if status:
                    self.send(status, body)
                else:  # dies in the middle of it
                    self.close_connection = True

            def send(self, status: int, body: Any) -> None:
                content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nothing on stderr."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that hung up is none of a test's."""

        self.server = Server(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.server_port

    @property
    def url(self) -> str:
        """What goes into a configuration."""
        return f"http://127.0.0.1:{self.port}/v1"

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
