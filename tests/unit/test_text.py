"""What a kernel prints may be hostile to the terminal that shows it."""

from __future__ import annotations

import pytest

from pytest_kernelbench.text import first_line, printable


class TestPrintable:
    @pytest.mark.parametrize(
        ("hostile", "harmless"),
        [
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b[2J\x1b[1;1Hcleared", "cleared"),
            ("\x1b]0;a title\x07text", "text"),
            ("\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1b(Btext", "Btext"),
            ("lone \x1b", "lone "),
        ],
    )
    def test_removes_escape_sequences(self, hostile, harmless):
        assert printable(hostile) == harmless

    def test_shows_other_control_characters_instead_of_sending_them(self):
        assert printable("a\x00b\x07c\x08d\x9b2Je") == r"a\x00b\x07c\x08d\x9b2Je"

    def test_shows_what_reorders_or_hides_text(self):
        assert printable("a\u202eb\u200bc\u2028d") == r"a\u202eb\u200bc\u2028d"

    def test_keeps_lines_tabs_and_words_of_any_language(self):
        text = "line\n\tñandú 統計 ±0.4%\n"
        assert printable(text) == text

    def test_makes_line_ends_of_carriage_returns(self):
        assert printable("one\r\ntwo\rthree") == "one\ntwo\nthree"

    @pytest.mark.parametrize(
        ("command", "shown"),
        [
            ("::error file=a.py::b", r"\::error file=a.py::b"),
            (" \t::stop-commands::word", " \t\\::stop-commands::word"),
            ("fine\r::error::b", "fine\n\\::error::b"),
            ("\ufe0f:\u034f:error::b", "\ufe0f\\:\u034f:error::b"),
            ("\u3164::error::b", "\u3164\\::error::b"),
            ("warning: ##[error]b", r"warning: ##\[error]b"),
            ("#\ufe0f#\ufe0f[error]b", "#\ufe0f#\ufe0f\\[error]b"),
            ("###[group]b", r"###\[group]b"),
            ("\x1b[1m::error::b", r"\::error::b"),
        ],
    )
    def test_breaks_what_a_ci_service_would_obey(self, command, shown):
        assert printable(command) == shown
        assert printable(shown) == shown

    @pytest.mark.parametrize(
        "text",
        ["note: std::vector<int>::at", "x = a[::2]", "12 | ::printf();", "[tag] #[x]"],
    )
    def test_leaves_the_words_of_compilers_alone(self, text):
        assert printable(text) == text

    def test_can_be_encoded_whatever_came_in(self):
        assert printable("half \ud800 pair").encode() == rb"half \ud800 pair"

    def test_changes_nothing_the_second_time(self):
        once = printable("".join(map(chr, range(0x300))))
        assert printable(once) == once


class TestFirstLine:
    def test_is_the_first_that_says_something(self):
        assert first_line("\n\n  \x1b[1mno kernel image\x1b[0m\nat line 3") == (
            "no kernel image"
        )

    def test_of_nothing_is_nothing(self):
        assert first_line(" \n\t\n") == ""

    def test_is_one_line_of_bounded_length(self):
        line = first_line("x" * 10_000 + "\nmore")
        assert set(line) == {"x"}
        assert len(line) <= 300
