"""The keys of links: made when they are needed, rotated, and never readable by others."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opswatch.data_directory import DataDirectory
from opswatch.link_keys import LinkKeys
from telemetry.errors import DataDirectoryError

NOW = datetime(2026, 11, 27, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_first_use_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    """And the next start has the same."""
    keys = LinkKeys(DataDirectory(tmp_path))
    assert keys.all() == ()
    assert keys.good(NOW) == {}
    made = keys.signing(NOW)
    assert keys.file.stat().st_mode & 0o777 == 0o600
    assert LinkKeys(DataDirectory(tmp_path)).signing(NOW + HOUR) == made


def test_after_a_rotation_the_old_key_is_good_for_a_day(tmp_path: Path) -> None:
    """As long as links that it has signed are; then it is forgotten."""
    keys = LinkKeys(DataDirectory(tmp_path))
    old = keys.signing(NOW - 10 * timedelta(days=1))
    new = keys.rotate(NOW).key
    assert keys.signing(NOW) == new != old
    assert set(keys.good(NOW + 23 * HOUR)) == {old.id, new.id}
    assert set(keys.good(NOW + 24 * HOUR)) == {new.id}
    third = keys.rotate(NOW + 25 * HOUR).key
    assert [one.key for one in keys.all()] == [third, new]


def test_a_rotation_by_another_process_is_noticed(tmp_path: Path) -> None:
    """The command rotates, the server signs."""
    server, command = LinkKeys(DataDirectory(tmp_path)), LinkKeys(DataDirectory(tmp_path))
    server.signing(NOW)
    assert server.signing(NOW) == command.signing(NOW)
    new = command.rotate(NOW + HOUR).key
    assert server.signing(NOW + HOUR) == new


def test_a_damaged_file_is_told_with_the_way_out(tmp_path: Path) -> None:
    """Naming it."""
    keys = LinkKeys(DataDirectory(tmp_path))
    keys.signing(NOW)
    keys.file.write_text("{}")
    with pytest.raises(DataDirectoryError, match=r"links\.json cannot be used: remove it"):
        LinkKeys(DataDirectory(tmp_path)).all()
