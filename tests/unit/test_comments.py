"""One comment on a pull request, written by us or not touched."""

from __future__ import annotations

import pytest
from loopback_github import ME, TOKEN, LoopbackGitHub

from pytest_kernelbench.errors import GitHubError
from pytest_kernelbench.github.comments import PullRequest

BODY = "<!-- pytest-kernelbench kernels/evaluate -->\n### fine\n"


@pytest.fixture
def github():
    with LoopbackGitHub() as github:
        yield github


def pull_request(github, **environment):
    environment = {
        "GITHUB_API_URL": github.api,
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_TOKEN": TOKEN,
        **environment,
    }
    return PullRequest.of(environment, 7)


def test_the_first_is_added_and_later_ones_replace_it(github):
    assert pull_request(github).write(BODY) == "https://github.com/o/r/pull/7#1"
    pull_request(github).write(BODY + "more")
    assert [one["body"] for one in github.comments] == [BODY + "more"]


def test_it_is_found_on_any_page(github):
    for number in range(250):
        github.add(f"comment {number}", login="octocat")
    mine = github.add(BODY.replace("\n", "\r\n"))  # as GitHub may give it back
    pull_request(github).write(BODY + "more")
    assert mine["body"] == BODY + "more"
    assert len(github.comments) == 251


@pytest.mark.parametrize("login", ["mallory", None])
def test_that_of_another_is_never_taken_for_ours(github, login):
    theirs = github.add(BODY, login=login)
    pull_request(github).write(BODY + "more")
    assert theirs["body"] == BODY
    assert len(github.comments) == 2


def test_another_marker_is_another_comment(github):
    other = github.add(BODY.replace("evaluate", "on-h100"))
    quoted = github.add(f"see below\n{BODY}")
    pull_request(github).write(BODY)
    assert len(github.comments) == 3
    assert BODY not in (other["body"], quoted["body"])


def test_the_author_is_whoever_the_token_is_of(github):
    theirs = github.add(BODY, login=ME)
    ours = github.add(BODY, login="a-bot")
    pull_request(github).write(BODY + "more", author="a-bot")
    assert (theirs["body"], ours["body"]) == (BODY, BODY + "more")


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "is the token right"), (403, "pull-requests: write"), (500, "refused: 500")],
)
def test_a_refusal_is_one_line_that_says_what_to_do(github, status, hint):
    github.status = status
    with pytest.raises(GitHubError, match=hint) as caught:
        pull_request(github).write(BODY)
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_server_that_is_not_there_is_one_line():
    nowhere = {"GITHUB_API_URL": "http://127.0.0.1:9", "GITHUB_REPOSITORY": "o/r"}
    place = PullRequest.of({**nowhere, "GITHUB_TOKEN": "t"}, 7)
    with pytest.raises(GitHubError, match="not reached"):
        place.write(BODY)


def test_what_is_missing_is_named():
    with pytest.raises(GitHubError, match="GITHUB_REPOSITORY and GITHUB_TOKEN not set"):
        PullRequest.of({}, 7)


@pytest.mark.parametrize("event", [None, "", "{}", '{"pull_request": null}', "[1"])
def test_an_event_of_no_pull_request_asks_for_one(tmp_path, event):
    environment = {"GITHUB_REPOSITORY": "o/r", "GITHUB_TOKEN": "t"}
    if event is not None:
        (tmp_path / "event.json").write_text(event)
        environment["GITHUB_EVENT_PATH"] = str(tmp_path / "event.json")
    with pytest.raises(GitHubError, match="--pull-request=N"):
        PullRequest.of(environment, None)
