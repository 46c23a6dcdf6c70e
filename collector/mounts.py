"""Space and inodes of every mounted filesystem, without one that hangs holding up the others. Shell."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from telemetry.points import FieldValue

logger = logging.getLogger(__name__)

# Images that are full by nature; an alert on them would cry for ever.
_ALWAYS_FULL = frozenset({"squashfs", "iso9660", "udf", "erofs", "cramfs", "romfs"})
# The kernel lists these among those without a device, yet they hold people's files.
_WITHOUT_DEVICE = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "bcachefs",
        "ceph",
        "cifs",
        "drvfs",
        "fuse.ceph",
        "fuse.glusterfs",
        "fuse.mergerfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "fuseblk",
        "glusterfs",
        "gpfs",
        "lustre",
        "nfs",
        "nfs4",
        "ocfs2",
        "smb3",
        "smbfs",
        "virtiofs",
        "zfs",
    }
)
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
        deadline = time.perf_counter() + self._timeout
        for look in looks:
            look.done.wait(max(0.0, deadline - time.perf_counter()))
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
            logger.info("mount cannot be read", extra={"entity_id": look.mount.path, "reason": str(look.error)})
        return True


def worth_watching(mounts: Iterable[Mount], with_device: Container[str]) -> list[Mount]:
    """Each filesystem that holds files, once per path; the last mount on a path is the one that is seen there.

    `with_device` are the paths of those that the kernel lists as having a device. In a container the root is an
    overlay, which has none and counts all the same.
    """
    by_path = {mount.path: mount for mount in mounts}
    return [
        mount
        for mount in by_path.values()
        if mount.fstype not in _ALWAYS_FULL
        and (mount.path in with_device or mount.path == "/" or mount.fstype in _WITHOUT_DEVICE)
    ]


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
