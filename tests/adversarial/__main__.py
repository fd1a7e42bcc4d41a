"""``python -m tests.adversarial``: run the corpus and print its table."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from . import corpus
from .runner import Arena, open_arena, quiet_environment, run_alone


def main() -> None:
    words = argparse.ArgumentParser(prog="adversarial")
    words.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    words.add_argument("--only", nargs="*", default=[], help="ids or their beginnings")
    words.add_argument("--alone", help=argparse.SUPPRESS)
    words.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    options = words.parse_args()
    if options.device == "cpu":
        os.environ.update(quiet_environment())
    if options.alone:
        run_alone(options.alone, options.device, options.cache)
        return
    with open_arena(options.device) as arena:
        _print_table(arena, options.only)


def _print_table(arena: Arena, only: list[str]) -> None:
    chosen = [
        case
        for case in corpus.exploits() + corpus.twins()
        if arena.device == "cuda" or case.needs == "cpu"
        if not only or case.id.startswith(tuple(only))
    ]
    counts: dict[tuple[bool, str], int] = {}
    print(f"{'id':6} {'outcome':8} {'verdict':10} mechanism; what was said")
    for case in chosen:
        outcome = arena.run(case)
        word = f"({outcome.word})" if outcome.is_bad and case.open else outcome.word
        key = (case.is_twin, word)
        counts[key] = counts.get(key, 0) + 1
        print(f"{case.id:6} {word:8} {outcome.verdict:10} {case.mechanism}", flush=True)
        if outcome.detail:
            print(f"{'':26} {outcome.detail}", flush=True)
    for is_twin, what in ((False, "exploits"), (True, "honest kernels")):
        found = {word: n for (twin, word), n in counts.items() if twin is is_twin}
        parts = ", ".join(f"{n} {word}" for word, n in sorted(found.items()))
        print(f"{sum(found.values())} {what}: {parts or 'none'}")


if __name__ == "__main__":
    main()
