"""The files of quarantine: whole lines or none, several processes at once, and a disk that is full."""

import subprocess
import sys
from pathlib import Path

import pytest

from collector.quarantine_files import DayFiles

ROOT = Path(__file__).parents[2]
LINE = b'{"id": "20261124-%012x", "time": "2026-11-24T12:00:00+00:00", "source": "push", "reason": "%s"}\n'


def child(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def filled(folder: Path, count: int, reason: bytes = b"why") -> DayFiles:
    files = DayFiles(folder)
    with files.locked():
        files.append(files.path_of("20261124"), b"".join(LINE % (number, reason) for number in range(count)))
    return files


FULL = """
import resource, sys
from pathlib import Path
from collector.quarantine_files import DayFiles
files = DayFiles(Path(sys.argv[1]))
path = files.path_of("20261124")
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
with files.locked():
    files.append(path, b"a" * 999 + b"\\n")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
    for _ in range(3):
        try:
            files.append(path, b"b" * 5_000 + b"\\n")
        except OSError as error:
            print(error.strerror)
    print(path.stat().st_size)
    files.append(path, b"c" * 99 + b"\\n")
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    files.append(path, b"d" * 5_000 + b"\\n")
"""


def test_a_disk_that_is_full_takes_a_whole_line_or_nothing(tmp_path: Path) -> None:
    """The half that it took is taken back: nobody finds it later as an item that cannot be read."""
    with child(FULL, str(tmp_path)) as process:
        output, complaint = process.communicate(timeout=30)

    assert complaint == ""
    assert output.splitlines() == ["File too large"] * 3 + ["1000"]
    lines = (tmp_path / "points-20261124.jsonl").read_bytes().split(b"\n")
    assert [(line[:1], len(line)) for line in lines] == [(b"a", 999), (b"c", 99), (b"d", 5_000), (b"", 0)]


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from collector.quarantine import Quarantine
from telemetry.clock import Clock
from telemetry.points import Point
from telemetry.ports import Refused
quarantine = Quarantine(Path(sys.argv[1]), Clock(lambda: datetime(2026, 11, 24, tzinfo=UTC), lambda: 0.0))
for number in range(100):
    quarantine.add([Refused(Point.of("m", {}, {"f": "x" * 30_000}, 0), "why")], "store")
"""


def test_several_processes_write_remove_and_tidy_at_once(tmp_path: Path) -> None:
    """`collect --once` writes here beside the server: no line is lost, none is torn."""
    files = DayFiles(tmp_path)
    writers = [child(WRITER, str(tmp_path)) for _ in range(2)]
    removed = 0
    while any(process.poll() is None for process in writers):
        places = list(files.backwards())
        removed += files.remove(places[::2])
        files.tidy()
    complaints = [process.communicate(timeout=30)[1] for process in writers]
    left = list(files.backwards())

    assert complaints == ["", ""]
    assert removed > 0
    assert removed + len(left) == 200
    assert all(place.head.startswith(b'{"id": "20261124-') and place.head.endswith(b"}\n") for place in left)
    assert all(place.is_whole for place in left)


@pytest.mark.parametrize("count", [1, 3_000, 12_000])
def test_every_line_is_found_by_its_id_and_read_backwards(tmp_path: Path, count: int) -> None:
    """Also where it lies across the pieces in which files are read."""
    files = filled(tmp_path, count)
    starts = [place.start for place in files.backwards()]
    size = len(LINE % (0, b"why"))

    assert starts == [number * size for number in reversed(range(count))]
    for number in [*range(0, count, 997), *range(1_048_576 // size - 2, min(1_048_576 // size + 3, count))]:
        place = files.find(f"20261124-{number:012x}")
        assert place is not None
        assert place.start == number * size
    assert files.count() == count


def test_a_line_larger_than_any_piece_is_one_line(tmp_path: Path) -> None:
    """Several megabytes, between two small ones."""
    files = filled(tmp_path, 1)
    with files.locked():
        files.append(files.path_of("20261124"), LINE % (1, b"x" * 3_000_000) + LINE % (2, b"small"))
    places = list(files.backwards())
    large = files.find("20261124-000000000001")

    assert [len(place.head) for place in places] == [len(LINE % (2, b"small")), 32_768, len(LINE % (0, b"why"))]
    assert large is not None
    assert large == places[1]
    assert files.read(large) == LINE % (1, b"x" * 3_000_000)


def test_nothing_is_there_before_the_first_line(tmp_path: Path) -> None:
    """A folder that does not exist yet is empty, not an error."""
    files = DayFiles(tmp_path / "quarantine")
    files.tidy()

    assert (list(files.backwards()), files.sizes(), files.count(), files.find("20261124-000000000000")) == (
        [],
        {},
        0,
        None,
    )
