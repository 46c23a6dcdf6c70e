"""The host as points, with Telegraf's names, types and arithmetic."""

import math
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import host
from collector.cgroup import CgroupReading
from collector.host import HostSampler, cgroup_fields, cpu_usage
from telemetry.measurements import BUILT_IN
from telemetry.points import Point
from telemetry.schema import FieldType
from tests.collector.doubles import NOW

NO_LIMITS = Path("/nowhere")


@pytest.fixture(scope="module")
def points() -> list[Point]:
    """The second sample of this machine, taken after some work."""
    sampler = HostSampler("web1", NO_LIMITS)
    sum(range(2_000_000))
    return sampler.sample(NOW + timedelta(microseconds=1_234_567))


def of(points: list[Point], measurement: str) -> list[Point]:
    return [point for point in points if point.measurement == measurement]


def test_every_part_of_the_host_is_there(points: list[Point]) -> None:
    """CPU, memory, swap, disk, network and system; no cgroup where there is no limit."""
    assert {point.measurement for point in points} == {"cpu", "mem", "swap", "disk", "net", "system"}


def test_every_point_passes_the_registry_unchanged(points: list[Point]) -> None:
    """Names, tags and types are those that are registered, whole numbers where whole numbers belong."""
    for point in points:
        coerced = BUILT_IN.coerce(point)

        assert coerced == point
        measurement = BUILT_IN.get(point.measurement)
        assert measurement is not None
        for name, value in point.fields.items():
            field = measurement.field(name)
            assert field is not None
            assert isinstance(value, float) == (field.type is FieldType.FLOAT), (point.measurement, name)


def test_every_registered_field_of_the_host_is_measured(points: list[Point]) -> None:
    """What the registry names, the sampler fills."""
    for name in ("cpu", "mem", "swap", "net", "system"):
        measurement = BUILT_IN.get(name)
        assert measurement is not None
        measured = {field for point in of(points, name) for field in point.fields}

        assert measured == {field.name for field in measurement.fields}


def test_every_point_names_its_host_and_one_time(points: list[Point]) -> None:
    """One sample has one time, on whole milliseconds."""
    assert {dict(point.tags)["host"] for point in points} == {"web1"}
    assert {point.time for point in points} == {int(NOW.timestamp()) * 10**9 + 1_234_000_000}


def test_every_core_and_the_total_are_measured(points: list[Point]) -> None:
    """cpu-total, cpu0, cpu1 and so on, as Telegraf tags them."""
    cores = {f"cpu{number}" for number in range(psutil.cpu_count() or 0)}

    assert {dict(point.tags)["cpu"] for point in of(points, "cpu")} >= {"cpu-total"}
    assert {dict(point.tags)["cpu"] for point in of(points, "cpu")} <= {"cpu-total", *cores}


def test_every_interface_is_measured(points: list[Point]) -> None:
    """Each network interface of this machine has its point."""
    interfaces = {name for _, name in socket.if_nameindex()}

    assert {dict(point.tags)["interface"] for point in of(points, "net")} >= {"lo"} & interfaces
    assert {dict(point.tags)["interface"] for point in of(points, "net")} <= interfaces


def test_the_root_filesystem_is_measured(points: list[Point]) -> None:
    """/ is always there, on a disk or as a container's overlay."""
    paths = [dict(point.tags)["path"] for point in of(points, "disk")]

    assert "/" in paths
    assert len(paths) == len(set(paths))


def test_memory_adds_up(points: list[Point]) -> None:
    """Shares are of the total, in percent."""
    (memory,) = of(points, "mem")
    total, used = memory.fields["total"], memory.fields["used"]
    assert isinstance(total, int)
    assert isinstance(used, int)

    assert memory.fields["used_percent"] == pytest.approx(100 * used / total)
    assert total == psutil.virtual_memory().total


MODES = ("user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")


def test_cpu_usage_is_what_telegraf_would_say() -> None:
    """Guest time stands within user time in the kernel's count, and is counted once; iowait counts as active."""
    before = dict.fromkeys(MODES, 100.0)
    after = before | {"user": 140.0, "guest": 110.0, "system": 110.0, "idle": 140.0, "iowait": 110.0}
    usage = cpu_usage(before, after)

    assert {name: value for name, value in usage.items() if value} == {
        "usage_user": 30.0,
        "usage_guest": 10.0,
        "usage_system": 10.0,
        "usage_idle": 40.0,
        "usage_iowait": 10.0,
        "usage_active": 60.0,
    }


SECONDS = st.floats(-1e9, 1e9)
TIMES = st.fixed_dictionaries(dict.fromkeys(MODES, SECONDS))


@given(TIMES, TIMES)
def test_a_share_is_never_out_of_bounds(before: dict[str, float], after: dict[str, float]) -> None:
    """Also when counters step back, as after a suspend or a migration: 0 to 100, or nothing."""
    usage = cpu_usage(before, after)

    assert all(isinstance(value, float) and 0 <= value <= 100 for value in usage.values())


def test_without_time_there_is_no_usage() -> None:
    """Two samples within one tick of the kernel give no point instead of a wrong one."""
    assert cpu_usage(dict.fromkeys(MODES, 1.0), dict.fromkeys(MODES, 1.0)) == {}


def test_use_of_a_limit_is_measured_against_it() -> None:
    """Half a second of CPU in one second on two cores is a quarter; memory is a share of its limit."""
    before = (NOW, CgroupReading(2.0, 1_000_000, 0, 1_000, 100))
    fields = cgroup_fields(before, NOW + timedelta(seconds=1), CgroupReading(2.0, 1_500_000, 7, 1_000, 250))

    assert fields == {
        "cpu_limit_cores": 2.0,
        "cpu_used_percent": 25.0,
        "throttled_usec": 7,
        "memory_limit_bytes": 1_000,
        "memory_used_bytes": 250,
        "memory_used_percent": 25.0,
    }


@pytest.mark.parametrize("step", [timedelta(0), timedelta(hours=-1)])
def test_a23_a_clock_that_stepped_back_gives_no_share(step: timedelta) -> None:
    """Without time between two readings there is no use of CPU, and nothing is negative."""
    before = (NOW, CgroupReading(2.0, 1_000_000, 0))

    assert "cpu_used_percent" not in cgroup_fields(before, NOW + step, CgroupReading(2.0, 1_500_000, 0))


def test_limits_become_a_point(tmp_path: Path) -> None:
    """Inside a container with limits there is a cgroup point, and it passes the registry."""
    files = {"cgroup.controllers": "cpu", "cpu.max": "50000 100000", "memory.max": "1000", "memory.current": "10"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (point,) = of(HostSampler("web1", tmp_path).sample(NOW), "cgroup")

    assert BUILT_IN.coerce(point).fields == {
        "cpu_limit_cores": 0.5,
        "memory_limit_bytes": 1_000,
        "memory_used_bytes": 10,
        "memory_used_percent": 1.0,
    }


class Refusing:
    """psutil with one call that fails."""

    def __init__(self, call: str, error: Exception) -> None:
        self._call = call
        self._error = error

    def __getattr__(self, name: str) -> Any:
        if name == self._call:
            raise self._error
        return getattr(psutil, name)


@pytest.mark.parametrize("error", [PermissionError(13, "denied"), KeyError("MemTotal:"), ZeroDivisionError()], ids=repr)
@pytest.mark.parametrize(
    ("call", "lost"),
    [
        ("virtual_memory", "mem"),
        ("swap_memory", "swap"),
        ("net_io_counters", "net"),
        ("disk_partitions", "disk"),
        ("users", "system"),
    ],
)
def test_g7_a_part_that_fails_loses_no_other(
    call: str, lost: str, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a kernel's /proc does to one part, the others are measured; the log says it once, not each time."""
    sampler = HostSampler("web1", NO_LIMITS)
    monkeypatch.setattr(host, "psutil", Refusing(call, error))
    for _ in range(3):
        found = {point.measurement for point in sampler.sample(NOW)}

        assert found >= {"mem", "swap", "net", "disk", "system"} - {lost}
        assert lost not in found
    assert [getattr(record, "entity_id", None) for record in caplog.records] == [lost]


class Partition(NamedTuple):
    device: str
    mountpoint: str
    fstype: str
    opts: str


@pytest.fixture
def strange_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "caf\udce9 ,=\n"
    path.mkdir()
    listed = [Partition("/dev/vda", str(path), "ext4", "ro,relatime")]

    class OneMount(Refusing):
        def disk_partitions(self, **_: bool) -> list[Partition]:
            return listed

    monkeypatch.setattr(host, "psutil", OneMount("", OSError()))
    return path


def test_a_path_that_is_no_text_becomes_some(strange_mount: Path) -> None:
    """A mount whose name is not UTF-8 is measured under a name that every store can take."""
    (point,) = of(HostSampler("web1", NO_LIMITS).sample(NOW), "disk")
    tags = dict(point.tags)

    assert tags["path"].encode().decode() == tags["path"]
    assert tags["path"].endswith("caf? ,=\n")
    assert (tags["device"], tags["mode"], tags["fstype"]) == ("vda", "ro", "ext4")


async def test_a_sample_is_taken_off_the_event_loop() -> None:
    """sample_once gives what sample gives."""
    taken = await HostSampler("web1", NO_LIMITS).sample_once(NOW)

    assert {"mem", "net", "system"} <= {point.measurement for point in taken}
    assert all(math.isfinite(value) for point in taken for value in point.fields.values() if isinstance(value, float))
