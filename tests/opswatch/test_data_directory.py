"""The data directory: one holder, a version, and facts of the server that only its owner can read."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from opswatch.data_directory import VERSION, DataDirectory, ServerFacts, write_atomically
from telemetry.errors import DataDirectoryError, DataDirectoryInUse, DataDirectoryTooNew


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Nobody else on the machine reads what OpsWatch keeps."""
    directory = DataDirectory(tmp_path / "data")

    with directory.held():
        assert {mode_of(directory.root), mode_of(directory.root / "keys"), mode_of(directory.root / "log")} == {0o700}
        assert (directory.root / "version").read_text() == f"{VERSION}\n"


def test_a_second_process_is_told_which_one_holds_the_lock(tmp_path: Path) -> None:
    """The message names the process, and the way out."""
    directory = DataDirectory(tmp_path)
    code = (
        "from pathlib import Path; import sys; from opswatch.data_directory import DataDirectory\n"
        "with DataDirectory(Path(sys.argv[1])).held(): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

        with (
            pytest.raises(DataDirectoryInUse, match=f"in use by process {holder.pid}; stop that one"),
            directory.held(),
        ):
            pass

        holder.communicate()
    with directory.held():
        pass  # the lock went with its holder


def test_a_directory_of_a_later_version_is_refused_naming_both(tmp_path: Path) -> None:
    """F13: a downgrade refuses cleanly."""
    (tmp_path / "version").write_text("7\n")

    expected = f"has version 7, .* this one knows version {VERSION}"
    with pytest.raises(DataDirectoryTooNew, match=expected), DataDirectory(tmp_path).held():
        pass


@pytest.mark.parametrize("content", [b"", b"one", b"-1", b"\xff\xfe"])
def test_a_version_file_that_is_no_number_is_shown(tmp_path: Path, content: bytes) -> None:
    """The message names the file and what it should hold."""
    (tmp_path / "version").write_bytes(content)

    with (
        pytest.raises(DataDirectoryError, match="version should hold one whole number"),
        DataDirectory(tmp_path).held(),
    ):
        pass


def test_a_directory_that_cannot_be_made_is_named_with_a_way_out(tmp_path: Path) -> None:
    """A file in the way is a clear error, not a traceback."""
    (tmp_path / "file").write_text("")

    with pytest.raises(DataDirectoryError, match="cannot be made: Not a directory; choose another"):
        DataDirectory(tmp_path / "file" / "data").prepare()


def test_the_facts_of_the_server_are_secret_and_read_back(tmp_path: Path) -> None:
    """server.json holds a token, so its mode is 0600."""
    directory = DataDirectory(tmp_path)
    facts = ServerFacts("http://127.0.0.1:8321", os.getpid(), "secret")
    directory.write_server_facts(facts)

    assert directory.read_server_facts() == facts
    assert mode_of(directory.server_file) == 0o600


def test_facts_left_by_a_killed_server_count_as_none(tmp_path: Path) -> None:
    """Commands do not talk to a process that is gone."""
    directory = DataDirectory(tmp_path)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    directory.write_server_facts(ServerFacts("http://127.0.0.1:1", gone.pid, "secret"))

    assert directory.read_server_facts() is None


def test_an_atomic_write_leaves_no_temporary_file(tmp_path: Path) -> None:
    """The old content goes, the new one stands, and nothing lies beside it."""
    file = tmp_path / "file"
    write_atomically(file, "old")
    write_atomically(file, "new")

    assert file.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
