"""The command line as a process, with its streams as files or as a terminal."""

import asyncio
import os
import pty
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from struct import pack
from termios import TIOCSWINSZ

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Finished:
    code: int
    output: str
    complaint: str


def environment_of(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPSWATCH_", "LOG_"))}
    return kept | {"PYTHONPATH": str(ROOT), "OPSWATCH_LISTEN": "127.0.0.1:0"} | more


async def opswatch(folder: Path, *arguments: str, **environment: str) -> Finished:
    """The command as a process in this folder."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opswatch.cli.main", *arguments),
        cwd=folder,
        env=environment_of(**environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaint = await process.communicate()
    return Finished(process.returncode or 0, output.decode("utf-8", "replace"), complaint.decode())


async def on_terminal(folder: Path, *arguments: str, columns: int = 100, **environment: str) -> Finished:
    """The same with stderr, and stdout where it is not asked for, on a terminal; `complaint` is what it drew."""
    reading, writing = pty.openpty()
    ioctl(writing, TIOCSWINSZ, pack("HHHH", 24, columns, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "opswatch.cli.main", *arguments),
        cwd=folder,
        env=environment_of(TERM="xterm-256color", **environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=writing,
        stderr=writing,
    )
    os.close(writing)
    drawn = await asyncio.to_thread(_read_all, lambda: os.read(reading, 65_536))
    os.close(reading)
    return Finished(await process.wait(), "", drawn.decode("utf-8", "replace"))


def _read_all(read: Callable[[], bytes]) -> bytes:
    drawn = b""
    with suppress(OSError):  # that is how a terminal says that the other end is gone
        while piece := read():
            drawn += piece
    return drawn
