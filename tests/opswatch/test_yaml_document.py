"""YAML as plain values with places: what is read, what is refused, and that nothing escapes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opswatch.yaml_document import MAX_BYTES, Span, decode, parse_document
from telemetry.errors import Fault

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcde", "bcdef", strict=True)
)

BROKEN = [
    ("a:\n\tb: 1", "f:2:1: a tab stands where YAML takes spaces only (indent with spaces)"),
    ("a: [1,", "f:1:7: the file ends where a value or a closing bracket is expected"),
    ("a: 1\nb: 'x\n", "f:2:4: a quote is opened and never closed"),
    ("a: %b", "f:1:4: a value cannot begin with % (put it in quotes)"),
    ("a: b: c", "f:1:5: this `:` cannot stand here (indent it right, or quote a value with `: ` in it)"),
    ("---\na: 1\n---\nb: 2\n", "f:3:1: a second document begins here (one file holds one document)"),
    ("%YAML 1.1\n---\na: no", "f:2:1: this is read as YAML 1.2 only (remove the %YAML line)"),
    ("a: \x00", "f:1:4: character U+0000 is not allowed in YAML"),
    ("a: *nope", "f:1:4: the alias *nope names no complete anchor above it"),
    ("a: &a [*a]", "f:1:8: the alias *a names no complete anchor above it"),
    ("? [a]\n: b", "f:1:3: a key must be text"),
    ("!!python/name:os x", "f:1:1: the tag 'tag:yaml.org,2002:python/name:os' means nothing here (remove it)"),
    ("a:\n  - b\n - c", "f:3:2: the indentation fits nothing above it"),
    ("a: 1\nb: 2\na: 3", "f:3:1: the key 'a' stands twice; first in line 1 (remove one of them)"),
    ('a: "\\ud83d"', "f:1:4: the text holds half a character (write it whole)"),
    ("a: {b: 1, b: 2}", "f:1:11: the key 'b' stands twice; first in line 1 (remove one of them)"),
    ("[" * 5_000, "f:1:34: this is nested more than 32 levels deep"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fault"), BROKEN, ids=[text[:12] for text, _ in BROKEN])
def test_f4_a_broken_document_is_a_fault_with_its_place(text: str, fault: str) -> None:
    """Whatever is wrong with the YAML is said with line and column."""
    assert [str(each) for each in parse_document(text, "f").faults] == [fault]


def test_f4_an_alias_bomb_is_refused_before_it_expands() -> None:
    """A million items out of six lines are never made; the alias that goes too far is named."""
    (fault,) = parse_document(BOMB, "f").faults

    assert (fault.message, fault.line) == ("the document is too large once its aliases are expanded", 6)


def test_f4_scalars_mean_what_yaml_1_2_says() -> None:
    """Norway stays Norway, times of day and dates stay text, numbers are numbers."""
    text = "[no, yes, on, 12:30, 2026-01-01, 0o17, 0x1f, 010, 1e3, .5, .inf, true, ~, null, 'null', \"1\", -7, 1_000]"

    assert parse_document(text, "f").value == [
        *("no", "yes", "on", "12:30", "2026-01-01", 15, 31, 10, 1000.0, 0.5, float("inf")),
        *(True, None, None, "null", "1", -7, "1_000"),
    ]


def test_a_character_that_json_escapes_in_two_halves_is_one() -> None:
    """JSON is YAML, and its programs write what is beyond 16 bits so; halves could be stored nowhere."""
    assert parse_document('{"\\ud83d\\ude00": "\\ud83d\\ude00"}', "f").value == {"\U0001f600": "\U0001f600"}


def test_anchors_and_merge_keys_work() -> None:
    """What people write once they may use again; what stands beside a merge wins."""
    document = parse_document("base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: *b\n", "f")

    assert document.value == {"base": {"x": 1, "y": 2}, "one": {"x": 1, "y": 3}, "two": {"x": 1, "y": 2}}


def test_every_value_and_key_has_its_place() -> None:
    """Spans count from 0 and end behind the last character."""
    document = parse_document("a:\n  - b: 'xy'\n", "f")

    assert document.spans["a", 0, "b"] == Span(1, 7, 1, 11)
    assert document.keys["a", 0, "b"] == Span(1, 4, 1, 5)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\n\n"])
def test_an_empty_document_is_none_and_no_fault(text: str) -> None:
    """A file without content is no mistake."""
    document = parse_document(text, "f")

    assert (document.value, document.faults) == (None, ())


def test_f4_what_is_not_utf_8_is_named_with_its_byte() -> None:
    """A file in another encoding is refused where it begins to differ."""
    fault = decode("a: 1\nb: ü".encode("latin-1"), "f")

    assert str(fault) == "f:2:4: byte 0xfc is not UTF-8 (save it as UTF-8)"


def test_f4_a_file_of_more_than_a_mebibyte_is_refused() -> None:
    """Nobody's configuration is that long; a log that was named by mistake is."""
    assert isinstance(decode(b"#" * (MAX_BYTES + 1), "f"), Fault)
    assert decode(b"#" * MAX_BYTES, "f") == "#" * MAX_BYTES


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    """Editors of another world write one."""
    assert decode(b"\xef\xbb\xbfa: 1", "f") == "a: 1"


SYNTAX = st.text(alphabet="ab1 :-?[]{},#&*!|>'\"%@`~\n\t<\\.é\x85\u2028", max_size=60)


@settings(max_examples=300, deadline=None)
@given(st.one_of(SYNTAX, st.text(max_size=60)))
def test_no_text_makes_the_reader_raise(text: str) -> None:
    """Anybody's text is a value or a fault."""
    document = parse_document(text, "f")

    assert document.value is None or not any("cannot be read as YAML" in each.message for each in document.faults)
