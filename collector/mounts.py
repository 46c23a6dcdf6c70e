"""Space and inodes of every mounted filesystem, without one that hangs holding up the others. Shell."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from telemetry.points import FieldValue

logger = logging.getLogger(__name__)

# Images that are full by nature; an alert on them would cry for ever.
_ALWAYS_FULL = frozenset({"squashfs", "iso9660", "erofs", "cramfs"})
TIMEOUT = 2.0  # seconds for all mounts together


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted filesystem as the kernel lists it."""

    device: str
    path: str
    fstype: str
    mode: str  # rw or ro


@dataclass(slots=True)
class _Look:
    mount: Mount
    done: threading.Event = field(default_factory=threading.Event)
    usage: dict[str, FieldValue] | None = None
    error: OSError | None = None


class MountSampler:
    """Asks each mount in a thread of its own; one that has not answered is left alone until it does."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._hanging: dict[str, _Look] = {}
        self._failing: set[str] = set()

    def sample(self, mounts: Iterable[Mount]) -> list[tuple[Mount, dict[str, FieldValue]]]:
        """(mount, fields of `disk`) of those that answered within the timeout; blocks that long at most."""
        looks = [self._look(mount) for mount in mounts if not self._still_hangs(mount)]
        deadline = threading.Event()
        timer = threading.Timer(self._timeout, deadline.set)
        timer.start()
        for look in looks:
            while not look.done.wait(0.02) and not deadline.is_set():
                pass
        timer.cancel()
        return [(look.mount, look.usage) for look in looks if self._answered(look) and look.usage is not None]

    def _look(self, mount: Mount) -> _Look:
        look = _Look(mount)
        # A daemon: a dead NFS server must not keep OpsWatch from ending either.
        threading.Thread(target=_ask, args=(look,), name=f"mount {mount.path}", daemon=True).start()
        return look

    def _still_hangs(self, mount: Mount) -> bool:
        look = self._hanging.get(mount.path)
        if look is None:
            return False
        if not look.done.is_set():
            return True
        del self._hanging[mount.path]
        logger.info("mount answers again", extra={"entity_id": mount.path})
        return False

    def _answered(self, look: _Look) -> bool:
        if not look.done.is_set():
            self._hanging[look.mount.path] = look
            logger.warning("mount does not answer; it is skipped until it does", extra={"entity_id": look.mount.path})
            return False
        if look.error is None:
            self._failing.discard(look.mount.path)
        elif look.mount.path not in self._failing:
            self._failing.add(look.mount.path)
            logger.info("mount cannot be read", extra={"entity_id": look.mount.path, "reason": look.error.strerror})
        return True


def worth_watching(mounts: Iterable[Mount]) -> list[Mount]:
    """Each filesystem once per path; the last mount on a path is the one that is seen there."""
    by_path = {mount.path: mount for mount in mounts if mount.fstype not in _ALWAYS_FULL}
    return list(by_path.values())


def _ask(look: _Look) -> None:
    try:
        path = Path(look.mount.path)
        # A container has single files mounted over /etc/hosts and the like: not a filesystem of its own.
        if path.is_dir():
            look.usage = _fields(os.statvfs(path))
    except OSError as error:
        look.error = error
    finally:
        look.done.set()


def _fields(stat: os.statvfs_result) -> dict[str, FieldValue] | None:
    if stat.f_blocks == 0:
        return None  # a pseudo filesystem
    used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize
    free = stat.f_bavail * stat.f_frsize
    fields: dict[str, FieldValue] = {
        "total": stat.f_blocks * stat.f_frsize,
        "free": free,
        "used": used,
        # As df: what is reserved for root is neither used nor free, so that 100 % is full for everybody else.
        "used_percent": 100 * used / (used + free) if used + free else 100.0,
        "inodes_total": stat.f_files,
        "inodes_free": stat.f_ffree,
        "inodes_used": stat.f_files - stat.f_ffree,
    }
    if stat.f_files:
        fields["inodes_used_percent"] = 100 * (stat.f_files - stat.f_ffree) / stat.f_files
    return fields
