"""Runs as a process of its own, and dies with SIGKILL at each step of what it is to do, on a directory for each death.

`victim.py migrate SOURCE BASE` and `victim.py restore SOURCE BASE` fork a child for N = 1, 2, ... on BASE/N (to
migrate, a copy of SOURCE). The child kills itself before the Nth thing that it does to a file; the first that comes to
its end is the last. Prints how many died.
"""

import itertools
import os
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opswatch.data_directory import DataDirectory
from opswatch.migration import ensure_current
from opswatch.restore import restore

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STEPS = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.link", "os.chmod", "os.truncate", "sqlite3.connect"}


def die_at(count: int) -> None:
    """Kill this process before the `count`th change of a file."""
    left = itertools.count(count - 1, -1)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        is_writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (event in STEPS or is_writing) and next(left) <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def main(what: str, source: Path, base: Path) -> None:
    for count in itertools.count(1):
        root = base / str(count)
        if what == "migrate":
            shutil.copytree(source, root)
        child = os.fork()
        if child == 0:
            die_at(count)
            if what == "migrate":
                ensure_current(DataDirectory(root), NOW)
            else:
                restore(source, DataDirectory(root), lambda name, size: lambda advanced: None)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            print(count - 1 if os.waitstatus_to_exitcode(status) == 0 else "failed")
            return


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
