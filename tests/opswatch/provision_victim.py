"""Provisions again and again, and dies with SIGKILL at each step of it: each connection, each change of a file.

`provision_victim.py URL ORG PREFIX BASE STRIDE` forks a child for N = 1, 1 + STRIDE, ... which provisions PREFIX_N from
BASE/N and kills itself before the Nth step; another child then does the same to its end. The first N that comes to its
end by itself is the last. Prints which died. INFLUXDB_V2_TOKEN is the token to provision with.

`provision_victim.py --setup FOLDER` lets each N go on where the one before died; `--settle FOLDER` dies once, when the
server has been set up and the owner's files do not have their names yet.
"""

import importlib
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from opswatch.cli.main import main

STEPS = {"socket.connect", "os.rename", "os.mkdir", "os.remove", "fcntl.flock"}


def die_at(count: int) -> None:
    """Kill this process before the `count`th step."""
    left = itertools.count(count - 1, -1)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        is_writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (event in STEPS or is_writing) and next(left) <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def die_when_settling() -> None:
    """Kill this process before it gives a file that waits its name."""

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and str(arguments[0]).endswith(".pending"):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def in_child(work: Callable[[], None]) -> int:
    """The exit code, or the signal as a negative number, of a child that does this."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except SystemExit as end:
            os._exit(int(end.code or 0))
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def provision(folder: Path, death: Callable[[], None], *arguments: str) -> int:
    def work() -> None:
        os.chdir(folder)
        sys.stdout = sys.stderr
        sys.argv = ["opswatch", "provision", "apply", *arguments]
        death()
        main()

    return in_child(work)


def run(url: str, org: str, prefix: str, base: Path, stride: int) -> None:
    for name in ("opswatch.provisioning", "opswatch.provision_text", "opswatch.system_clock"):
        importlib.import_module(name)  # once, and not in every child

    died = []
    for count in itertools.count(1, stride):
        folder = base / str(count)
        folder.mkdir(parents=True)
        keys = {"url": url, "org": org, "bucket_prefix": f"{prefix}_{count}"}
        document = {"version": 1, "storage": {"kind": "influxdb", "influxdb": keys}}
        (folder / "opswatch.yaml").write_text(json.dumps(document))
        ended = provision(folder, partial(die_at, count))
        if ended == 0:
            print(json.dumps(died))
            return
        assert ended == -signal.SIGKILL, ended
        assert provision(folder, lambda: None) == 0
        died.append(count)


def set_up(folder: Path) -> None:
    for count in itertools.count(1):
        ended = provision(folder, partial(die_at, count), "--setup")
        if ended == 0:
            print(count - 1)
            return
        assert ended == -signal.SIGKILL, ended


if __name__ == "__main__":
    for name in ("opswatch.provisioning", "opswatch.provision_text", "opswatch.system_clock"):
        importlib.import_module(name)  # once, and not in every child
    if sys.argv[1] == "--setup":
        set_up(Path(sys.argv[2]))
    elif sys.argv[1] == "--settle":
        assert provision(Path(sys.argv[2]), die_when_settling, "--setup") == -signal.SIGKILL
    else:
        run(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]))
