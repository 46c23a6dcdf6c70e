"""What a backup says of itself: `manifest.json`, written last, so that only a whole backup has one. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from telemetry.errors import BackupError

MANIFEST = "manifest.json"
FORMAT = 1  # of the backup itself; the data in it have the version of their data directory
MAX_MANIFEST_BYTES = 64_000_000

VERSION_FILE = "version"
# The write-ahead log is there only beside a store that was copied while nobody had it open.
FILES = (VERSION_FILE, "spool.sqlite", "state.sqlite", "metrics.duckdb", "metrics.duckdb.wal")
FOLDERS = ("quarantine", "archive")
KEYS = "keys"
LEFT_OUT = (
    "exports/ (made again when asked for)",
    "log/ (OpsWatch's own log)",
    "backup-*/ (copies of older versions)",
    "*.broken-* (files that were set aside)",
)
METRICS_LEFT_OUT = "the measurements (they are in InfluxDB: `influx backup` copies them)"
KEYS_LEFT_OUT = "keys/ (private keys: only with --with-keys)"

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", re.ASCII)
_MAX_DEPTH = 6


def is_path_in_backup(path: str) -> bool:
    """Whether a name is one that a backup may have: of our files and folders, and never leading out of them."""
    first, *rest = path.split("/")
    if not rest:
        return first in FILES
    return first in {*FOLDERS, KEYS} and len(rest) <= _MAX_DEPTH and all(map(_PART.fullmatch, rest))


def _known_path(path: str) -> str:
    if not is_path_in_backup(path):
        raise ValueError(f"{path[:200]!r} is no name of a file in a backup")
    return path


class BackedUpFile(BaseModel):
    """One file: its path in the backup as in the data directory, its bytes, its SHA-256 in hex."""

    model_config = ConfigDict(frozen=True)

    path: Annotated[str, AfterValidator(_known_path)]
    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """`began`: every point acknowledged before it is in the backup. `configuration` is named, never contained."""

    model_config = ConfigDict(frozen=True)

    format: int = Field(ge=1)
    opswatch: str = Field(max_length=100)
    data_version: int = Field(ge=1)
    began: datetime
    made: datetime
    host: str = Field(max_length=300)
    configuration: str | None
    keys: bool
    left_out: tuple[str, ...]
    files: tuple[BackedUpFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def text(self) -> str:
        """As it is written."""
        return self.model_dump_json(indent=1) + "\n"


def parse_manifest(text: bytes, place: str) -> Manifest:
    """Raises BackupError naming `place` for what is no manifest, or one of a later format."""
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BackupError(f"{place} is no manifest of a backup: {where}: {first['msg']}", value=place) from error
    if manifest.format > FORMAT:
        raise BackupError(
            f"{place} has format {manifest.format}, made by a later OpsWatch; this one knows format {FORMAT}:"
            " restore it with the later one",
            value=place,
        )
    paths = [file.path for file in manifest.files]
    if len(set(paths)) < len(paths):
        raise BackupError(f"{place} names a file twice", value=place)
    if VERSION_FILE not in paths:
        raise BackupError(f"{place} names no file {VERSION_FILE}, which every data directory has", value=place)
    return manifest
