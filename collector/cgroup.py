"""The limits of the container that OpsWatch runs in, read from the kernel's cgroup files. Shell.

Version 2 (docs: kernel.org, admin-guide/cgroup-v2) and version 1 (cgroup-v1/memory, scheduler/sched-bwc).
On a host without limits there is nothing to say, and no point.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")

# Version 1 writes "no limit" as the largest multiple of the page size below 2^63.
_UNLIMITED = 2**60


@dataclass(frozen=True, slots=True)
class CgroupReading:
    """Limits and usage; None where there is no limit or the kernel does not say. CPU times in microseconds."""

    cpu_limit_cores: float | None = None
    cpu_used_usec: int | None = None
    throttled_usec: int | None = None
    memory_limit_bytes: int | None = None
    memory_used_bytes: int | None = None

    @property
    def limited(self) -> bool:
        return self.cpu_limit_cores is not None or self.memory_limit_bytes is not None


def read_cgroup(root: Path = ROOT) -> CgroupReading:
    """What holds for this process. Inside a container its own group is mounted at the root."""
    if (root / "cgroup.controllers").exists():
        return _version_2(root)
    return _version_1(root)


def _version_2(root: Path) -> CgroupReading:
    cpu, memory = _pairs(root / "cpu.stat"), _pairs(root / "memory.stat")
    used = _number(root / "memory.current")
    return CgroupReading(
        cpu_limit_cores=parse_cpu_max(_text(root / "cpu.max")),
        cpu_used_usec=cpu.get("usage_usec"),
        throttled_usec=cpu.get("throttled_usec"),
        memory_limit_bytes=_number(root / "memory.max"),
        memory_used_bytes=None if used is None else max(0, used - memory.get("inactive_file", 0)),
    )


def _version_1(root: Path) -> CgroupReading:
    quota, period = _number(root / "cpu/cpu.cfs_quota_us"), _number(root / "cpu/cpu.cfs_period_us")
    nanoseconds = _number(root / "cpuacct/cpuacct.usage")
    throttled = _pairs(root / "cpu/cpu.stat").get("throttled_time")
    limit = _number(root / "memory/memory.limit_in_bytes")
    used = _number(root / "memory/memory.usage_in_bytes")
    cache = _pairs(root / "memory/memory.stat").get("total_inactive_file", 0)
    return CgroupReading(
        cpu_limit_cores=quota / period if quota and period and quota > 0 and period > 0 else None,
        cpu_used_usec=None if nanoseconds is None else nanoseconds // 1000,
        throttled_usec=None if throttled is None else throttled // 1000,
        memory_limit_bytes=None if limit is None or limit >= _UNLIMITED else limit,
        memory_used_bytes=None if used is None else max(0, used - cache),
    )


def parse_cpu_max(text: str | None) -> float | None:
    """`cpu.max` is `QUOTA PERIOD` in microseconds, or `max PERIOD` without a limit; in cores."""
    match = re.fullmatch(r"([0-9]+) ([1-9][0-9]*)", (text or "").strip(), re.ASCII)
    return int(match[1]) / int(match[2]) if match and int(match[1]) else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None  # the controller is not enabled, or not for us to see


def _number(path: Path) -> int | None:
    text = (_text(path) or "").strip()
    return int(text) if re.fullmatch(r"-?[0-9]+", text, re.ASCII) else None


def _pairs(path: Path) -> Mapping[str, int]:
    words = [line.split() for line in (_text(path) or "").splitlines()]
    return {pair[0]: int(pair[1]) for pair in words if len(pair) == 2 and pair[1].isdigit()}
