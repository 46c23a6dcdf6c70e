"""The files that pages load, read once at start, each with a digest for caching. Shell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

_MEDIA = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    media: str
    digest: str


def asset(name: str) -> Asset | None:
    """The file of this name below `static/`, or None; only what was there when it was first asked for."""
    return _assets().get(name)


def address(name: str) -> str:
    """`NAME?v=DIGEST`, which may be kept for ever."""
    found = asset(name)
    return name if found is None else f"{name}?v={found.digest}"


@lru_cache(maxsize=1)
def _assets() -> dict[str, Asset]:
    found: dict[str, Asset] = {}
    _collect(files("dashboards").joinpath("static"), "", found)
    return found


def _collect(folder: Traversable, prefix: str, found: dict[str, Asset]) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            _collect(entry, f"{prefix}{entry.name}/", found)
            continue
        media = _MEDIA.get("." + entry.name.rpartition(".")[2])
        if media is not None:
            content = entry.read_bytes()
            found[prefix + entry.name] = Asset(content, media, sha256(content).hexdigest()[:16])
