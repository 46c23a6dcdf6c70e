"""Write `opswatch.yaml`: a crash leaves the old file or the new one, whole. Shell."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from opswatch.configuration_files import UnusableFile, read_document_bytes
from opswatch.yaml_document import decode
from telemetry.errors import ConfigurationError, Conflict, Fault, OpsWatchError

STARTER = """\
# OpsWatch. Every key is optional; docs/configuration.md lists them all.
# Check this file with:  opswatch check-config
# Add an endpoint with:  opswatch add https://your.service/health
version: 1

# The machine that OpsWatch runs on: CPU, memory, disks, network.
host:
  enabled: true
  interval: 10s

# What is watched. An example:
#
# services:
#   - name: checkout
#     labels: {team: shop}
#     probes:
#       - name: health
#         url: "https://checkout.example/health"
#         interval: 15s
#         timeout: 5s
#         expect:
#           status: [200]
#           latency: 800ms
#           certificate_days: 14
services: []
"""


def write_starter(file: Path) -> None:
    """Write the file to start with. Raises Conflict when there is a file already."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError as error:
        raise Conflict(
            f"{file} is there already and stays as it is; `opswatch check-config` says whether it is good",
            field="config",
            value=str(file),
        ) from error
    except OSError as error:
        raise OpsWatchError(f"{file} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(STARTER)
        stream.flush()
        os.fsync(stream.fileno())


def read_text(file: Path) -> str:
    """The text of the file, the starter's where there is none. Raises ConfigurationError."""
    if not file.exists():
        return STARTER
    try:
        content = read_document_bytes(file)
    except UnusableFile as error:
        raise ConfigurationError([Fault(str(error), str(file))]) from error
    text = decode(content, str(file))
    if isinstance(text, Fault):
        raise ConfigurationError([text])
    return text


def edit(file: Path, change: Callable[[str], str]) -> None:
    """Replace the file's text by what `change` makes of it; one edit at a time. Raises what `change` raises."""
    target = file.resolve()  # a link stays a link
    try:
        with _held(target.parent):
            text = change(read_text(target))
            _replace(target, text)
    except OSError as error:
        raise OpsWatchError(f"{file} cannot be written: {error.strerror}") from error


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Two commands that add at the same time take turns, so that none undoes the other."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(file: Path, text: str) -> None:
    before = file.stat() if file.exists() else None
    had_mark = before is not None and file.read_bytes().startswith(b"\xef\xbb\xbf")
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode("utf-8-sig" if had_mark else "utf-8"))
            stream.flush()
            os.fchmod(stream.fileno(), before.st_mode & 0o7777 if before else 0o644)
            if before is not None:
                with suppress(PermissionError):
                    os.fchown(stream.fileno(), before.st_uid, before.st_gid)
            os.fsync(stream.fileno())
        Path(temporary).replace(file)
        _sync(file.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


def _sync(folder: Path) -> None:
    """Without this, a loss of power may undo the renaming."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
