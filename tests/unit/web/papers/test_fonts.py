import pytest
from hypothesis import given, strategies as st

from puyun.web.papers.fonts import CHINESE, LATIN, LATIN_BOLD, UNKNOWN, runs, width, wrap


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Acme", [(LATIN, "Acme")]),
        ("云上 Robotics 公司", [(CHINESE, "云上"), (LATIN, " Robotics "), (CHINESE, "公司")]),
        ("Müller €5 – “x”", [(LATIN, "Müller €5 – “x”")]),
        ("Łódź −1", [(LATIN, "Lódz –1")]),
        ("a😀b", [(LATIN, f"a{UNKNOWN}b")]),
        ("a\x00\nb", [(LATIN, f"a{UNKNOWN}{UNKNOWN}b")]),
        ("", []),
    ],
)
def test_each_letter_has_a_font_that_knows_it(text, expected):
    assert list(runs(text)) == expected


def test_bold_is_of_the_latin_font_alone():
    assert list(runs("A云", bold=True)) == [(LATIN_BOLD, "A"), (CHINESE, "云")]


@given(st.text(max_size=60), st.floats(20, 200))
def test_no_line_is_wider_than_asked_and_no_letter_is_lost(text, most):
    lines = wrap(text, 9.0, most)
    assert all(width(line, 9.0) <= most for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_lines_break_at_blanks_and_around_chinese():
    assert wrap("one two three", 9.0, 50.0) == ["one two", "three"]
    assert wrap("云上机器人", 10.0, 31.0) == ["云上机", "器人"]
