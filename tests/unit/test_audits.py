"""What is known of a problem is asked once, and kept for later sessions."""

from __future__ import annotations

import pytest

from pytest_kernelbench.engine.auditing.cache import AuditCache, SpoiltAuditError
from pytest_kernelbench.errors import ExecutorError
from pytest_kernelbench.model import Audit, Options, Problem

PROBLEM = Problem(id="p", name="p", source="# a problem", origin="p.py")
HERE = ("2.13", "a CPU")


class Oracle:
    """Answers with what it is made of, and counts."""

    def __init__(self, **reply):
        self.reply = reply
        self.asked = 0

    def ask(self, timeout, **message):
        self.asked += 1
        return self.reply


def audit(cache, oracle, problem=PROBLEM, environment=HERE, *, beside=False, **options):
    return cache.audit(
        oracle,
        problem,
        Options(**options),
        seed=1,
        environment=environment,
        beside_kernel=beside,
    )


def test_an_audit_outlives_the_session(tmp_path):
    oracle = Oracle(accepted=["zeros"], redraw="random signs")
    first = audit(AuditCache(tmp_path), oracle)
    assert first.verdict == "tightened"
    assert audit(AuditCache(tmp_path), oracle) == first
    assert oracle.asked == 1


@pytest.mark.parametrize(
    "other",
    [
        {"problem": Problem(id="p", name="p", source="# another", origin="p.py")},
        {"precision": "bf16"},
        {"tolerance": "kernelbench"},
        {"environment": ("2.14", "a CPU")},
        {"environment": ("2.13", "another CPU")},
    ],
)
def test_whatever_it_depends_on_asks_again(tmp_path, other):
    cache, oracle = AuditCache(tmp_path), Oracle()
    audit(cache, oracle)
    audit(cache, oracle, **other)
    assert oracle.asked == 2


def test_without_reuse_no_file_is_read_but_no_session_asks_twice(tmp_path):
    oracle = Oracle()
    audit(AuditCache(tmp_path), oracle)
    cache = AuditCache(tmp_path)
    audit(cache, oracle, reuse=False)
    audit(cache, oracle, reuse=False)
    assert oracle.asked == 2


def test_a_file_that_cannot_be_read_is_asked_for_again(tmp_path):
    oracle = Oracle(accepted=["zeros"])
    audit(AuditCache(tmp_path), oracle)
    (kept,) = tmp_path.iterdir()
    kept.write_text("{")
    assert audit(AuditCache(tmp_path), oracle).verdict == "unscorable"
    assert oracle.asked == 2


def test_a_place_that_cannot_be_written_costs_the_file_alone(tmp_path):
    (tmp_path / "file").touch()
    found = audit(AuditCache(tmp_path / "file" / "audits"), Oracle())
    assert found.verdict == "ok"


def test_what_was_given_up_is_tried_again_in_a_later_session(tmp_path):
    oracle = Oracle(skipped="it takes more than 60 s")
    assert audit(AuditCache(tmp_path), oracle).verdict == "unknown"
    assert list(tmp_path.iterdir()) == []


def test_what_is_given_up_beside_a_kernel_may_be_its_doing(tmp_path):
    cache = AuditCache(tmp_path)
    oracle = Oracle(skipped="it needs more memory than there is")
    with pytest.raises(SpoiltAuditError, match="more memory"):
        audit(cache, oracle, beside=True)
    oracle.reply = {"accepted": ["zeros"]}
    assert audit(cache, oracle).verdict == "unscorable"
    assert audit(cache, oracle, beside=True).verdict == "unscorable"


def test_what_is_given_up_without_a_kernel_is_true_beside_one(tmp_path):
    cache, oracle = AuditCache(tmp_path), Oracle(skipped="it takes more than 60 s")
    audit(cache, oracle)
    assert audit(cache, oracle, beside=True).verdict == "unknown"
    assert oracle.asked == 1


def test_an_audit_that_ends_the_oracle_does_so_once(tmp_path):
    class Mortal(Oracle):
        def ask(self, timeout, **message):
            raise ExecutorError("the oracle process was lost")

    cache = AuditCache(tmp_path)
    with pytest.raises(ExecutorError):
        audit(cache, Mortal())
    assert audit(cache, Mortal()).verdict == "unknown"
    assert list(tmp_path.iterdir()) == []


def test_an_audit_without_findings_is_ok():
    assert Audit().verdict == "ok"
