"""The container's limits are read from the kernel's files, of both versions, whatever stands in them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.cgroup import CgroupReading, parse_cpu_max, read_cgroup


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


VERSION_2 = {
    "cgroup.controllers": "cpu memory\n",
    "cpu.max": "150000 100000\n",
    "cpu.stat": "usage_usec 5000000\nuser_usec 1\nsystem_usec 2\nnr_throttled 3\nthrottled_usec 4321\n",
    "memory.max": "536870912\n",
    "memory.current": "300000000\n",
    "memory.stat": "anon 1\nfile 2\ninactive_file 100000000\n",
}
VERSION_1 = {
    "cpu/cpu.cfs_quota_us": "50000\n",
    "cpu/cpu.cfs_period_us": "100000\n",
    "cpu/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 4321000\n",
    "cpuacct/cpuacct.usage": "5000000000\n",
    "memory/memory.limit_in_bytes": "536870912\n",
    "memory/memory.usage_in_bytes": "300000000\n",
    "memory/memory.stat": "cache 1\ntotal_inactive_file 100000000\n",
}


def test_version_2_is_read(tmp_path: Path) -> None:
    """Cores from cpu.max, memory without the cache that can be reclaimed."""
    assert read_cgroup(tree(tmp_path, VERSION_2)) == CgroupReading(1.5, 5_000_000, 4321, 536_870_912, 200_000_000)


def test_version_1_is_read(tmp_path: Path) -> None:
    """The same of the older files, with nanoseconds turned into microseconds."""
    assert read_cgroup(tree(tmp_path, VERSION_1)) == CgroupReading(0.5, 5_000_000, 4321, 536_870_912, 200_000_000)


@pytest.mark.parametrize(
    "files",
    [
        VERSION_2 | {"cpu.max": "max 100000\n", "memory.max": "max\n"},
        VERSION_1 | {"cpu/cpu.cfs_quota_us": "-1\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"},
        {"cgroup.controllers": ""},
        {},
    ],
    ids=["version 2", "version 1", "root of version 2", "nothing there"],
)
def test_no_limit_is_no_limit(tmp_path: Path, files: dict[str, str]) -> None:
    """Each version writes "unlimited" in its own way, and a host has no such files at all."""
    assert not read_cgroup(tree(tmp_path, files)).limited


@pytest.mark.parametrize(
    "text", ["", "\n", "  ", "max", "100000", "0 100000", "100000 0", "-1 100000", "a b", "1 2 3", "² 2"]
)
def test_a_limit_that_makes_no_sense_is_none(text: str) -> None:
    """What the kernel should not write is not taken for a limit."""
    assert parse_cpu_max(text) is None


@given(st.dictionaries(st.sampled_from(sorted({**VERSION_1, **VERSION_2})), st.binary(max_size=30), max_size=8))
def test_whatever_stands_in_the_files_reading_goes_on(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    """Arbitrary bytes give a reading, never an exception."""
    root = tmp_path_factory.mktemp("cgroup")
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)

    assert isinstance(read_cgroup(root), CgroupReading)
