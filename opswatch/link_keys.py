"""The keys that sign links in messages: below keys/ of the data directory, readable by its owner alone. Shell."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from alerting.links import LIFETIME, SigningKey
from opswatch.data_directory import DataDirectory, write_atomically
from telemetry.errors import DataDirectoryError

FILE = "links.json"


@dataclass(frozen=True, slots=True)
class LinkKey:
    """A key with the time since which it signs."""

    key: SigningKey
    made: datetime


class LinkKeys:
    """The newest key signs; the one before is good for as long as links that it signed are."""

    def __init__(self, directory: DataDirectory) -> None:
        self._file = directory.keys / FILE
        self._seen: tuple[int, tuple[LinkKey, ...]] | None = None

    @property
    def file(self) -> Path:
        """Where they are kept."""
        return self._file

    def all(self) -> tuple[LinkKey, ...]:
        """All that are kept, the newest first; read anew when the file is another. Raises DataDirectoryError."""
        try:
            stamp = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return ()
        if self._seen is None or self._seen[0] != stamp:
            self._seen = stamp, _read(self._file)
        return self._seen[1]

    def signing(self, now: datetime) -> SigningKey:
        """The newest key, made when there is none. Raises DataDirectoryError."""
        found = self.all()
        return found[0].key if found else self.rotate(now).key

    def good(self, now: datetime) -> Mapping[str, SigningKey]:
        """By their ids the keys whose links may still be good. Raises DataDirectoryError."""
        found = self.all()
        if not found:
            return {}
        # A key that was taken over by another signs no more; its last link ends a lifetime later.
        ends = [None, *(one.made + LIFETIME for one in found[:-1])]
        return {one.key.id: one.key for one, end in zip(found, ends, strict=True) if end is None or now < end}

    def rotate(self, now: datetime) -> LinkKey:
        """From now on another key signs; keys whose links are over are forgotten. Raises DataDirectoryError."""
        kept = [one for one in self.all() if one.key.id in self.good(now)]
        made = LinkKey(SigningKey(secrets.token_hex(4), secrets.token_bytes(32)), now)
        rows = [
            {"id": one.key.id, "secret": one.key.secret.hex(), "made": one.made.isoformat()} for one in (made, *kept)
        ]
        self._file.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomically(self._file, json.dumps({"keys": rows}, indent=1) + "\n")
        self._file.chmod(0o600)
        self._seen = None
        return made


def _read(file: Path) -> tuple[LinkKey, ...]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["keys"]
        found = [
            LinkKey(SigningKey(str(row["id"]), bytes.fromhex(row["secret"])), datetime.fromisoformat(row["made"]))
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        words = f"{file} cannot be used: remove it, and links in messages that were sent are no longer good"
        raise DataDirectoryError(words, value=str(file)) from error
    return tuple(sorted(found, key=lambda one: one.made, reverse=True))
