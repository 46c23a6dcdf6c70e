"""Every filesystem that holds files is measured, and one that hangs holds up nobody."""

import os
import threading
import time
from pathlib import Path

import pytest

from collector import mounts
from collector.mounts import Mount, MountSampler, worth_watching


def mount(path: str | Path, fstype: str = "ext4", device: str = "/dev/vda") -> Mount:
    return Mount(device, str(path), fstype, "rw")


def test_the_figures_are_those_of_df(tmp_path: Path) -> None:
    """Total, used and free in bytes; the share is of what users can use; inodes as well."""
    ((_, fields),) = MountSampler().sample([mount(tmp_path)])
    system = os.statvfs(tmp_path)

    assert fields["total"] == system.f_blocks * system.f_frsize
    assert fields["inodes_total"] == system.f_files
    used, free = fields["used"], fields["free"]
    assert isinstance(used, int)
    assert isinstance(free, int)
    assert fields["used_percent"] == pytest.approx(100 * used / (used + free))


def test_what_holds_files_is_watched() -> None:
    """Disks, the container's overlay root and network filesystems count; pseudo filesystems and images do not."""
    listed = [
        mount("/", "overlay", "overlay"),
        mount("/data", "xfs"),
        mount("/mnt/nfs", "nfs4", "server:/export"),
        mount("/mnt/share", "cifs", "//server/share"),
        mount("/proc", "proc", "proc"),
        mount("/sys/fs/cgroup", "cgroup2", "cgroup"),
        mount("/run", "tmpfs", "tmpfs"),
        mount("/var/lib/docker/overlay2/x/merged", "overlay", "overlay"),
        mount("/snap/core", "squashfs", "/dev/loop0"),
        mount("/data", "xfs"),
    ]

    watched = worth_watching(listed, {"/data", "/snap/core"})
    assert [one.path for one in watched] == ["/", "/data", "/mnt/nfs", "/mnt/share"]


def test_what_was_mounted_last_on_a_path_is_what_is_there() -> None:
    """A mount over another one hides it."""
    watched = worth_watching([mount("/data", device="/dev/sda"), mount("/data", device="/dev/sdb")], {"/data"})

    assert [one.device for one in watched] == ["/dev/sdb"]


def test_a_single_file_is_no_filesystem(tmp_path: Path) -> None:
    """A container's /etc/hosts is a mount of its own, and says nothing."""
    (tmp_path / "hosts").write_text("")

    assert MountSampler().sample([mount(tmp_path / "hosts")]) == []


def test_a_mount_that_vanished_loses_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One that is gone is left out, as often as it is asked, without a word each time."""
    caplog.set_level("INFO")
    sampler = MountSampler()
    for _ in range(3):
        found = sampler.sample([mount(tmp_path / "gone"), mount(tmp_path)])

        assert [one.path for one, _ in found] == [str(tmp_path)]
    assert len(caplog.records) <= 1


class HangingFilesystem:
    """Stands before os.statvfs: one path does not answer until it is let go, as a dead NFS server."""

    def __init__(self, hanging: Path) -> None:
        self._hanging = str(hanging)
        self._statvfs = os.statvfs
        self.answer = threading.Event()
        self.asked = 0

    def __call__(self, path: Path) -> os.statvfs_result:
        if str(path) == self._hanging:
            self.asked += 1
            self.answer.wait(30)
        return self._statvfs(path)


def test_a_mount_that_hangs_is_left_alone_until_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It costs its timeout once; the others are measured each time; when it answers it is back."""
    caplog.set_level("INFO")
    for name in ("dead", "alive"):
        (tmp_path / name).mkdir()
    filesystem = HangingFilesystem(tmp_path / "dead")
    monkeypatch.setattr(mounts.os, "statvfs", filesystem)
    both = [mount(tmp_path / "dead"), mount(tmp_path / "alive")]
    sampler = MountSampler(timeout=0.1)
    threads = threading.active_count()
    for _ in range(3):
        assert [one.path for one, _ in sampler.sample(both)] == [str(tmp_path / "alive")]
    assert filesystem.asked == 1
    assert threading.active_count() <= threads + 1
    started = time.perf_counter()
    sampler.sample(both)
    assert time.perf_counter() - started < 0.1

    filesystem.answer.set()
    while len(sampler.sample(both)) < 2:
        time.sleep(0.001)
    assert [record.message for record in caplog.records] == [
        "mount does not answer; it is skipped until it does",
        "mount answers again",
    ]


def test_many_mounts_that_hang_cost_one_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The timeout is for all together."""
    filesystem = HangingFilesystem(tmp_path)
    monkeypatch.setattr(mounts.os, "statvfs", filesystem)
    hanging = [mount(f"{tmp_path}{'/.' * number}") for number in range(40)]
    started = time.perf_counter()
    MountSampler(timeout=0.1).sample(hanging)
    elapsed = time.perf_counter() - started
    filesystem.answer.set()

    assert elapsed < 1


def test_a_pseudo_filesystem_has_no_figures() -> None:
    """What has no blocks is no disk, even when it is listed as one."""
    assert MountSampler().sample([mount("/proc")]) == []
