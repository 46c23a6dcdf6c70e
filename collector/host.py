"""The host as points: CPU, memory, swap, disks, network, system, with Telegraf's names. Shell."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from collector.cgroup import ROOT, CgroupReading, read_cgroup
from collector.mounts import Mount, MountSampler, worth_watching
from telemetry.points import FieldValue, Point
from telemetry.times import NANOSECONDS_PER_MILLISECOND, from_datetime

logger = logging.getLogger(__name__)

_MODES = ("user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
# psutil's names to Telegraf's; what a later psutil adds is left out.
_MEMORY = {
    **{name: name for name in ("total", "available", "used", "free", "active", "inactive", "cached", "shared", "slab")},
    "buffers": "buffered",
}
_NETWORK = {
    **{name: name for name in ("bytes_sent", "bytes_recv", "packets_sent", "packets_recv")},
    "errin": "err_in",
    "errout": "err_out",
    "dropin": "drop_in",
    "dropout": "drop_out",
}


class HostSampler:
    """Samples this host. CPU is what was used since the previous sample, so the first one has none."""

    def __init__(self, host: str, cgroup_root: Path = ROOT) -> None:
        self._host = host
        self._cgroup_root = cgroup_root
        self._mounts = MountSampler()
        self._cpu = _cpu_times()
        self._cgroup: tuple[datetime, CgroupReading] | None = None
        self._failing: set[str] = set()

    async def sample_once(self, now: datetime) -> list[Point]:
        """One sample of everything, taken in a thread."""
        return await asyncio.to_thread(self.sample, now)

    def sample(self, now: datetime) -> list[Point]:
        """One sample of everything; blocks for some milliseconds, or 2 s where a mount hangs."""
        instant = from_datetime(now)
        time = instant - instant % NANOSECONDS_PER_MILLISECOND
        parts: dict[str, Callable[[], Iterator[tuple[Mapping[str, str], Mapping[str, FieldValue]]]]] = {
            "cpu": self._sample_cpu,
            "mem": _sample_memory,
            "swap": _sample_swap,
            "disk": self._sample_disks,
            "net": _sample_network,
            "system": lambda: _sample_system(now),
            "cgroup": lambda: self._sample_cgroup(now),
        }
        points = []
        for measurement, part in parts.items():
            try:
                found = list(part())
            except Exception as error:
                # Whatever psutil meets in this kernel's /proc, the other parts go on. Told once, not every ten
                # seconds for a year: it may simply not be ours to read.
                if measurement not in self._failing:
                    self._failing.add(measurement)
                    logger.warning(
                        "this part of the host cannot be sampled", extra={"entity_id": measurement}, exc_info=error
                    )
                continue
            self._failing.discard(measurement)
            points += [
                _point(measurement, {"host": self._host, **tags}, fields, time) for tags, fields in found if fields
            ]
        return points

    def _sample_cpu(self) -> Iterator[tuple[Mapping[str, str], Mapping[str, FieldValue]]]:
        before, self._cpu = self._cpu, _cpu_times()
        for name, times in self._cpu.items():
            if name in before:
                yield {"cpu": name}, cpu_usage(before[name], times)

    def _sample_disks(self) -> Iterator[tuple[Mapping[str, str], Mapping[str, FieldValue]]]:
        with_device = {one.mountpoint for one in psutil.disk_partitions(all=False)}
        listed = [_mount(one) for one in psutil.disk_partitions(all=True)]
        for mount, fields in self._mounts.sample(worth_watching(listed, with_device)):
            device = mount.device.removeprefix("/dev/")
            yield {"device": device, "path": mount.path, "fstype": mount.fstype, "mode": mount.mode}, fields

    def _sample_cgroup(self, now: datetime) -> Iterator[tuple[Mapping[str, str], Mapping[str, FieldValue]]]:
        reading = read_cgroup(self._cgroup_root)
        before, self._cgroup = self._cgroup, (now, reading)
        if reading.limited:
            yield {}, cgroup_fields(before, now, reading)


def cpu_usage(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, FieldValue]:
    """Percent of the time between two samples per mode; empty when no time passed.

    Linux counts guest time within user and guest_nice within nice; as Telegraf, each second is counted once.
    """
    spent = {mode: after.get(mode, 0.0) - before.get(mode, 0.0) for mode in _MODES}
    spent["user"] -= spent["guest"]
    spent["nice"] -= spent["guest_nice"]
    total = sum(spent.values())
    if total <= 0:
        return {}
    # The kernel's counters may step back by a tick (iowait is documented to); a share is never below 0.
    usage: dict[str, FieldValue] = {
        f"usage_{mode}": min(100.0, max(0.0, 100 * seconds / total)) for mode, seconds in spent.items()
    }
    usage["usage_active"] = min(100.0, max(0.0, 100 * (total - spent["idle"]) / total))
    return usage


def cgroup_fields(
    before: tuple[datetime, CgroupReading] | None, now: datetime, reading: CgroupReading
) -> dict[str, FieldValue]:
    """The fields of `cgroup` that are known; CPU needs the reading before."""
    known: dict[str, FieldValue | None] = {
        "cpu_limit_cores": reading.cpu_limit_cores,
        "throttled_usec": reading.throttled_usec,
        "memory_limit_bytes": reading.memory_limit_bytes,
        "memory_used_bytes": reading.memory_used_bytes,
    }
    if reading.memory_limit_bytes and reading.memory_used_bytes is not None:
        known["memory_used_percent"] = 100 * reading.memory_used_bytes / reading.memory_limit_bytes
    if before and reading.cpu_limit_cores and reading.cpu_used_usec is not None and before[1].cpu_used_usec is not None:
        seconds = (now - before[0]).total_seconds()
        if seconds > 0:
            used = (reading.cpu_used_usec - before[1].cpu_used_usec) / 1e6
            known["cpu_used_percent"] = max(0.0, 100 * used / seconds / reading.cpu_limit_cores)
    return {name: value for name, value in known.items() if value is not None}


def _cpu_times() -> dict[str, dict[str, float]]:
    times = {"cpu-total": psutil.cpu_times()._asdict()}
    times |= {f"cpu{number}": one._asdict() for number, one in enumerate(psutil.cpu_times(percpu=True))}
    return times


def _mount(listed: Any) -> Mount:
    mode = "ro" if "ro" in listed.opts.split(",") else "rw"
    return Mount(listed.device, listed.mountpoint, listed.fstype, mode)


def _sample_memory() -> Iterator[tuple[Mapping[str, str], Mapping[str, FieldValue]]]:
    memory = psutil.virtual_memory()
    shares = {
        "used_percent": 100 * memory.used / memory.total,
        "available_percent": 100 * memory.available / memory.total,
    }
    yield {}, {**_renamed(memory._asdict(), _MEMORY), **shares}


def _sample_swap() -> Iterator[tuple[Mapping[str, str], Mapping[str, FieldValue]]]:
    swap = psutil.swap_memory()
    share = 100 * swap.used / swap.total if swap.total else 0.0
    yield (
        {},
        {
            "total": swap.total,
            "used": swap.used,
            "free": swap.free,
            "used_percent": share,
            "in": swap.sin,
            "out": swap.sout,
        },
    )


def _sample_network() -> Iterator[tuple[Mapping[str, str], Mapping[str, FieldValue]]]:
    for interface, counters in psutil.net_io_counters(pernic=True).items():
        yield {"interface": interface}, _renamed(counters._asdict(), _NETWORK)


def _sample_system(now: datetime) -> Iterator[tuple[Mapping[str, str], Mapping[str, FieldValue]]]:
    load1, load5, load15 = os.getloadavg()
    fields: dict[str, FieldValue] = {
        "load1": load1,
        "load5": load5,
        "load15": load15,
        "n_users": len(psutil.users()),
        "uptime": max(0, int(now.timestamp() - psutil.boot_time())),
    }
    processors = psutil.cpu_count()
    if processors is not None:
        fields["n_cpus"] = processors
    yield {}, fields


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, FieldValue]:
    return {ours: values[theirs] for theirs, ours in names.items() if theirs in values}


def _point(measurement: str, tags: Mapping[str, str], fields: Mapping[str, FieldValue], time: int) -> Point:
    # Paths and interfaces may be any bytes; Python shows those that are not UTF-8 as lone surrogates, which no
    # store takes.
    readable = {name: value.encode("utf-8", "replace").decode() for name, value in tags.items()}
    return Point.of(measurement, readable, fields, time)
