"""GitHub's comments on one pull request, on the loopback interface."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-the-job"
ME = "github-actions[bot]"


class LoopbackGitHub:
    """Serves while it is entered; the mutable state is the list of comments."""

    def __init__(self) -> None:
        self.comments: list[dict] = []
        self.status = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def add(self, body: str, login: str | None = ME) -> dict:
        comment = {
            "id": len(self.comments) + 1,
            "body": body,
            "user": None if login is None else {"login": login},
            "html_url": f"https://github.com/o/r/pull/7#{len(self.comments) + 1}",
        }
        self.comments.append(comment)
        return comment

    def answer(self, method: str, path: str, sent: dict | None) -> object:
        url = urlsplit(path)
        if method == "GET" and url.path == "/repos/o/r/issues/7/comments":
            asked = parse_qs(url.query)
            size, page = int(asked["per_page"][0]), int(asked["page"][0])
            return self.comments[(page - 1) * size : page * size]
        if method == "POST" and url.path == "/repos/o/r/issues/7/comments":
            return self.add(sent["body"])
        found = re.fullmatch(r"/repos/o/r/issues/comments/(\d+)", url.path)
        if method == "PATCH" and found:
            comment = self.comments[int(found[1]) - 1]
            comment["body"] = sent["body"]
            return comment
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        github = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                sent = json.loads(self.rfile.read(length)) if length else None
                allowed = self.headers["Authorization"] == f"Bearer {TOKEN}"
                status = github.status or (200 if allowed else 401)
                found = (
                    github.answer(self.command, self.path, sent)
                    if status == 200
                    else {}
                )
                self.send_response(404 if found is None else status)
                self.end_headers()
                self.wfile.write(json.dumps(found).encode())

            do_GET = do_POST = do_PATCH = handle_any  # noqa: N815 - as http.server asks

            def log_message(self, *words: object) -> None:
                pass

        return Handler
