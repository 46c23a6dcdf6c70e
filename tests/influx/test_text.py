"""Text on its way into InfluxDB and back."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from influx.text import decode, decode_cell, encode_name, encode_tag, encode_text

TEXTS = st.one_of(st.text(), st.text(alphabet="\\%0A5CD2\r\n ,=a\"'"))


@given(TEXTS)
@example("%0A")
@example("%250A")
@example("%\n")
@example("a\\")
@example("\\\\,\\ \\=")
@example("%25%255C\\")
def test_whatever_is_encoded_is_decoded(text: str) -> None:
    """Any text comes back as it was, whichever place it was written for."""
    assert decode(encode_name(text)) == text
    assert decode(encode_tag(text)) == text
    assert decode(encode_text(text)) == text
    assert decode_cell(encode_text(text).replace("\n", "\r\n")) == text


@given(TEXTS)
def test_what_is_encoded_holds_nothing_that_gets_lost(text: str) -> None:
    """No line end is left in a name or a tag, no carriage return anywhere, and no backslash that escapes."""
    for encoded in (encode_name(text), encode_tag(text)):
        assert "\n" not in encoded
        assert "\r" not in encoded
        assert not encoded.endswith("\\")
    assert "\\" not in encode_name(text)
    assert not any(f"\\{special}" in encode_tag(text) for special in ", =")
    assert "\r" not in encode_text(text)


@pytest.mark.parametrize(
    "text", ["web-1", "C:\\Users", "100 %", "https://a.example/?q=%20x", "ü", "a,b c=d", 'say "x"']
)
def test_ordinary_text_is_unchanged(text: str) -> None:
    """Dashboards of other makers read what people wrote."""
    assert encode_tag(text) == text
    assert encode_text(text) == text


def test_the_codes_are_those_of_urls() -> None:
    """A person who sees them in another tool knows what they mean."""
    assert encode_tag("a\nb\rc\\") == "a%0Ab%0Dc%5C"
    assert encode_tag("100%0A") == "100%250A"
    assert encode_name("a\\b") == "a%5Cb"
    assert encode_text("a\r\nb\\") == "a%0D\nb\\"
