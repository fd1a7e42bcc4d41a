"""One comment on a pull request, updated in place.

It is found by the marker in its first line, and only among comments of the author that
writes it: anyone may write a marker, and could change a comment of theirs after us.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_kernelbench.errors import GitHubError

ACTIONS_BOT = "github-actions[bot]"
"""Who comments with the token that GitHub gives a job."""
_SECONDS = 30
_PAGE = 100


class PullRequest:
    """The comments of one pull request, over GitHub's REST API."""

    def __init__(self, api: str, repository: str, number: int, token: str) -> None:
        self._comments = f"{api}/repos/{repository}/issues/{number}/comments"
        self._comment = f"{api}/repos/{repository}/issues/comments"
        self._token = token

    @classmethod
    def of(cls, environment: Mapping[str, str], number: int | None) -> PullRequest:
        """The pull request of the job's event, or the one with this number.

        Raises:
            GitHubError: one line, says what is missing.
        """
        missing = [
            name
            for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN")
            if not environment.get(name)
        ]
        if missing:
            raise GitHubError(f"cannot comment: {' and '.join(missing)} not set")
        return cls(
            environment.get("GITHUB_API_URL") or "https://api.github.com",
            environment["GITHUB_REPOSITORY"],
            _number(environment) if number is None else number,
            environment["GITHUB_TOKEN"],
        )

    def write(self, body: str, author: str = ACTIONS_BOT) -> str:
        """Update the author's comment with this marker, or add one; returns its link.

        Raises:
            GitHubError: one line.
        """
        marker = body.partition("\n")[0]
        for comment in self._all():
            mine = comment["user"] is not None and comment["user"]["login"] == author
            if mine and comment["body"].partition("\n")[0].strip() == marker:
                url = f"{self._comment}/{comment['id']}"
                return str(self._ask("PATCH", url, body)["html_url"])
        return str(self._ask("POST", self._comments, body)["html_url"])

    def _all(self) -> Iterator[dict[str, Any]]:
        number = 1
        while True:
            url = f"{self._comments}?per_page={_PAGE}&page={number}"
            page = self._ask("GET", url)
            yield from page
            if len(page) < _PAGE:
                return
            number += 1

    def _ask(self, method: str, url: str, body: str | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  the runner names the server
            url,
            method=method,
            data=None if body is None else json.dumps({"body": body}).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as reply:  # noqa: S310
                return json.load(reply)
        except urllib.error.HTTPError as error:
            hint = {
                401: "; is the token right?",
                403: "; does the job have 'permissions: pull-requests: write'?",
                404: "; may the token see this pull request?",
            }.get(error.code, "")
            message = f"GitHub refused: {error.code} {error.reason}{hint}"
        except (OSError, ValueError) as error:
            message = f"GitHub was not reached: {error}"
        raise GitHubError(message)


def _number(environment: Mapping[str, str]) -> int:
    path = environment.get("GITHUB_EVENT_PATH")
    try:
        event = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        event = {}
    number = (event.get("pull_request") or {}).get("number")
    if not isinstance(number, int):
        raise GitHubError(
            "this job's event is of no pull request: say which with --pull-request=N"
        )
    return number
