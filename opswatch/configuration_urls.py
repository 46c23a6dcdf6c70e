"""URLs of receivers are secrets, wherever somebody wrote them by mistake: no message and no excerpt shows one. Pure."""

from __future__ import annotations

import re

# Where such URLs are written, or land when they are written in the wrong place.
SECTIONS = ("receivers", "routes", "escalations", "maintenance", "duty", "smtp", "dead_mans_switch")
VARIABLES = ("ALERT_", "SMTP_")
MASK = "***"

_URL = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{0,30}://)[^\s\"'{}\[\],]+")


def is_of_telling(field: str) -> bool:
    """Whether a fault of this field (as `receivers[0].to`, or a variable) may quote such a URL."""
    return field.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0] in SECTIONS or field.startswith(VARIABLES)


def without_urls(text: str) -> str:
    """The text with the scheme alone of each URL."""
    return _URL.sub(rf"\1{MASK}", text)


def places_of_urls(line: str) -> list[tuple[int, int]]:
    """From where to where on a line the URLs stand, without their schemes."""
    return [(found.end(1), found.end()) for found in _URL.finditer(line)]
