"""Hostile text made visible: what has no shape of its own is told by its number. Pure."""

from __future__ import annotations


def visible(text: str, most: int | None = None) -> str:
    """The text, with ends of lines, directions and halves of characters as `\\u202e`; cut to `most` characters."""
    short = text if most is None or len(text) <= most else text[: most - 1] + "…"
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in short)


def visible_lines(text: str, most: int = 4_000) -> str:
    """As `visible`, with its ends of lines."""
    return "\n".join(visible(line) for line in text[:most].replace("\r\n", "\n").split("\n"))


def one_line(text: str, most: int) -> str:
    """As `visible`, its ends of lines and runs of blanks as one blank; cut to `most` characters, whatever its size."""
    near = text[: 4 * most]
    short = visible(" ".join(near.split()))
    return short if len(near) == len(text) and len(short) <= most else short[: most - 1] + "…"
