"""Texts from elsewhere as people can read them: nothing in them turns around, hides or breaks what is near. Pure."""

from __future__ import annotations

MAX_TEXT = 300  # characters


def shown(text: str, most: int = MAX_TEXT) -> str:
    """At most `most` characters on one line.

    What has no shape of its own (ends of lines, directions, halves of characters) is told by its number.
    """
    short = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in short)


def shown_lines(text: str, most: int = 4_000) -> str:
    """As `shown`, with its ends of lines."""
    return "\n".join(shown(line, most) for line in text[:most].replace("\r\n", "\n").split("\n"))
