"""Text of strangers in GitHub's Markdown: shown as it is, whatever it says.

Code type is what keeps it that way: GitHub looks for mentions, issues, links and emoji
everywhere but there, and a character reference is never Markdown or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pytest_kernelbench.outcomes import escaped, escaped_log


def literal(text: str) -> str:
    """One line, in code type."""
    return f"<code>{_references(escaped(text))}</code>"


def _references(text: str) -> str:
    return "".join(
        char if char.isalnum() or char == " " else f"&#{ord(char)};" for char in text
    )


def block(text: str) -> str:
    """Its last lines, between fences that it cannot close."""
    shown = escaped_log(text)
    longest = max(map(len, re.findall("`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{shown}\n{fence}"


def row(cells: Iterable[str]) -> str:
    """One of a table; its cells are Markdown already, without a bare ``|``."""
    return f"| {' | '.join(cells)} |"


def head(titles: Sequence[str]) -> str:
    return f"{row(titles)}\n{row('---' for _ in titles)}"


def folded(title: str, content: str) -> str:
    """What is shown on demand; the title is Markdown that is also HTML."""
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"
