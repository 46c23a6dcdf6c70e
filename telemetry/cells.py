"""Cells of CSV files: quoted as RFC 4180 wants it, and never a formula. Pure.

Spreadsheets run what begins with = + - @ as a formula (CWE-1236), so such a text gets a quote in front; numbers
stay numbers.
"""

from __future__ import annotations

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\x00")
_TO_QUOTE = frozenset('",\r\n')


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def quoted(cell: str) -> str:
    """A cell as it stands in a line."""
    return '"' + cell.replace('"', '""') + '"' if _TO_QUOTE.intersection(cell) else cell
