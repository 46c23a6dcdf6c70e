"""Texts from elsewhere: nothing in them turns around, hides or breaks what is near."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.visible_text import visible, visible_lines

ANYTHING = st.text(st.characters())


@given(ANYTHING)
def test_whatever_it_is_made_of_it_can_be_printed(text: str) -> None:
    """On one line, or on as many as it had."""
    assert visible(text).isprintable()
    assert all(line.isprintable() for line in visible_lines(text).split("\n"))


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=300))
def test_what_people_write_stays_as_it_is(text: str) -> None:
    """Letters of any script, digits, signs."""
    assert visible(text, 300) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [("a\u202eb", "a\\u202eb"), ("a\nb", "a\\u000ab"), ("\ud800", "\\ud800"), ("x" * 400, "x" * 299 + "…")],
)
def test_what_has_no_shape_is_told_by_its_number(text: str, seen: str) -> None:
    """Directions, ends of lines, half characters; what is too long is cut."""
    assert visible(text, 300) == seen


def test_a_comment_keeps_its_lines() -> None:
    """As it was typed, with the ends of lines that a browser sends."""
    assert visible_lines("one\r\ntwo\n\x1b[31mthree") == "one\ntwo\n\\u001b[31mthree"
