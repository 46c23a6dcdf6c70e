"""Runs as a process of its own: starts of a damaged store that are killed, or for which there is no room.

`recovery_victim.py kill SOURCE BASE` forks a child for N = 1, 2, ... on BASE/N, a copy of SOURCE. The child opens the
store and kills itself before the Nth thing that it does to a file or says to the engine; of every third so does the
next start, earlier. The first that comes to its end is the last. Prints how many died.
`recovery_victim.py full FOLDER BYTES` opens a store whose files may have so many bytes, and prints what it says.
"""

import itertools
import os
import resource
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from embedded.archive import Archive
from embedded.engine import EngineOptions
from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.errors import StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.times import to_datetime

NOW = to_datetime(1_795_435_200 * 10**9)  # noon of 23 November 2026, as in the test
STEPS = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link", "os.chmod", "os.truncate"}


class Watched:
    """A connection that dies before a statement, or before it is closed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, steps: Iterator[int]) -> None:
        self._connection = connection
        self._steps = steps

    def execute(self, statement: str, *parameters: Any) -> Any:
        if not statement.startswith(("SELECT", "SET")):  # they change nothing
            step(self._steps)
        return self._connection.execute(statement, *parameters)

    def close(self) -> None:
        step(self._steps)
        self._connection.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def step(steps: Iterator[int]) -> None:
    if next(steps) <= 0:
        os.kill(os.getpid(), signal.SIGKILL)


def die_at(count: int) -> None:
    """Kill this process before the `count`th change of a file or statement."""
    left = itertools.count(count - 1, -1)
    connect = duckdb.connect

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        is_writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in STEPS or is_writing:
            step(left)

    def watched(*arguments: Any, **options: Any) -> Any:
        step(left)
        return Watched(connect(*arguments, **options), left)

    sys.addaudithook(watch)
    duckdb.connect = watched


def start(folder: Path) -> None:
    archive = folder / "archive" / "metrics"
    options = EmbeddedOptions(engine=EngineOptions(allowed_directories=(archive,)), archive=Archive(archive))
    EmbeddedStore._open(folder / "metrics.duckdb", options, BUILT_IN, NOW)


def killed(folder: Path, count: int) -> int:
    """How a start has ended that was to die at a step; below 0: it did."""
    child = os.fork()
    if child == 0:
        die_at(count)
        start(folder)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_each(source: Path, base: Path) -> None:
    for count in itertools.count(1):
        folder = base / str(count)
        shutil.copytree(source, folder)
        code = killed(folder, count)
        if code >= 0:
            print(count - 1 if code == 0 else "failed")
            return
        if count % 3 == 0:
            killed(folder, count // 2 + 1)


def with_limit(folder: Path, limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        start(folder)
        print("opened")
    except StoreUnavailable as error:
        print(type(error).__name__, error.message)
    sys.stdout.flush()
    os._exit(0)  # as it is: nothing is written by an orderly end


if __name__ == "__main__":
    if sys.argv[1] == "kill":
        kill_each(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        with_limit(Path(sys.argv[2]), int(sys.argv[3]))
