"""`opswatch export`: CSV and Parquet, whole or not at all, with progress for a person."""

import asyncio
import csv
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import duckdb
import pytest
from aiohttp import web

from telemetry.points import Point
from tests.api.world import NOW_NS, SECOND, World, running
from tests.opswatch.process import environment_of, on_terminal, opswatch

HEADER = "time,measurement,host,field,value\r\n"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    (tmp_path / "server").mkdir()
    async with running(tmp_path / "server") as one:
        points = [
            Point.of(
                "system", {"host": f"h{number % 3}"}, {"load1": float(number), "n_cpus": 4}, NOW_NS - number * SECOND
            )
            for number in range(1, 1_801)
        ]
        await one.write(*points)
        yield one


def there(world: World) -> dict[str, str]:
    return {"OPSWATCH_URL": world.url, "OPSWATCH_TOKEN": world.tokens["viewer"]}


async def test_the_suffix_says_which_format_it_is(world: World, tmp_path: Path) -> None:
    """Both hold the same; `--format` decides where there is a doubt."""
    for arguments in (("-o", "a.csv"), ("-o", "b.parquet"), ("--format", "parquet", "-o", "c.dat"), ("-o", "d.PQ")):
        finished = await opswatch(tmp_path, "export", "system", *arguments, **there(world))
        assert (finished.code, finished.complaint) == (0, ""), finished
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    files = [tmp_path / name for name in ("b.parquet", "c.dat", "d.PQ")]
    with duckdb.connect() as connection:
        counts = [
            connection.execute(f"SELECT count(*), sum(value) FROM read_parquet('{one}')").fetchone() for one in files
        ]

    assert len(rows) == 3_600
    assert counts == [(3_600, sum(float(row["value"]) for row in rows))] * 3
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


async def test_what_the_series_take_an_export_takes(world: World, tmp_path: Path) -> None:
    """Limits, the newest alone, windows, quantiles, groups and the greatest."""

    async def exported(*arguments: str) -> list[dict[str, str]]:
        finished = await opswatch(tmp_path, "export", "system", "-f", "load1", *arguments, **there(world))
        assert finished.code == 0, finished.complaint
        return list(csv.DictReader(finished.output.splitlines()))

    window = ("--every", "1h", "--start=2026-11-24T11:00:00Z", "--stop=2026-11-24T12:00:00Z")
    assert len(await exported("--limit", "5")) == 15
    assert [row["value"] for row in await exported("--latest", "--where", "host:h1")] == ["1.0"]
    assert [float(row["value"]) for row in await exported(*window, "-q", "1", "--where", "host:h0")] == [1_800.0]
    summed = await exported(*window, "--fn", "sum", "--group-by", "", "--group-fn", "sum")
    assert [float(row["value"]) for row in summed] == [sum(range(1, 1_801))]
    assert len(await exported(*window, "--fn", "max", "--group-by", "host")) == 3
    assert [row["host"] for row in await exported(*window, "--fn", "max", "--top", "1")] == ["h0"]
    assert (await opswatch(tmp_path, "export", "system", "--top", "0", **there(world))).code == 2


async def test_parquet_is_not_for_a_terminal_but_for_a_pipe(world: World, tmp_path: Path) -> None:
    """Exit code 2 and what to do instead; a pipe gets the file."""
    refused = await on_terminal(tmp_path, "export", "system", "--format", "parquet", **there(world))
    command = f"{sys.executable} -m opswatch.cli.main export system --format parquet"
    process = await asyncio.create_subprocess_shell(
        f"{command} | cat > piped.parquet", cwd=tmp_path, env=environment_of(**there(world))
    )
    await process.wait()

    assert refused.code == 2
    assert "--output" in refused.complaint
    assert (tmp_path / "piped.parquet").read_bytes().endswith(b"PAR1")


async def test_windows_are_no_parquet(world: World, tmp_path: Path) -> None:
    """In the server's words; no file."""
    finished = await opswatch(tmp_path, "export", "system", "--every", "5m", "-o", "x.parquet", **there(world))

    assert finished.code == 1
    assert "take export.csv" in finished.complaint
    assert not (tmp_path / "x.parquet").exists()


# What a person sees


def last_line(drawn: str) -> str:
    """What stands on the terminal in the end, without its colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn).replace("\r", "\n").strip().splitlines()[-1]


@pytest.mark.parametrize("columns", [80, 100, 200])
async def test_a_person_sees_how_much_of_how_much(world: World, tmp_path: Path, columns: int) -> None:
    """What, how much of it, of how many, and how long it took; on one line that fits."""
    finished = await on_terminal(tmp_path, "export", "system", "-o", "x.csv", columns=columns, **there(world))
    line = last_line(finished.complaint)

    assert finished.code == 0
    assert line.startswith("system ")
    assert "100%" in line
    assert "3,600 of 3,600" in line
    assert re.search(r", [0-9,]+/s, in [0-9]+:[0-9]{2}$", line)
    assert len(line) <= columns


async def test_where_nothing_can_be_counted_the_size_is_told(world: World, tmp_path: Path) -> None:
    """Parquet and the wide shape: how much has come, and how many samples are in it."""
    parquet = await on_terminal(tmp_path, "export", "system", "-o", "x.parquet", **there(world))
    wide = await on_terminal(tmp_path, "export", "system", "--shape", "wide", "-o", "x.csv", **there(world))

    for drawn in (parquet, wide):
        assert "MB, 3,600 samples" in last_line(drawn.complaint)
    assert (parquet.code, wide.code) == (0, 0)


async def test_a_bar_does_not_stand_between_the_rows(world: World, tmp_path: Path) -> None:
    """When the rows themselves go to the terminal, there is no progress; nor where stderr is none."""
    mixed = await on_terminal(tmp_path, "export", "system", "--limit", "1", **there(world))
    quiet = await opswatch(tmp_path, "export", "system", "-o", "x.csv", **there(world))

    assert "\x1b" not in mixed.complaint
    assert mixed.complaint.replace("\r", "").startswith("time,measurement,host,field,value\n")
    assert (quiet.output, quiet.complaint) == ("", "")


# When it does not go to its end


@asynccontextmanager
async def saying(answer: Callable[[web.StreamResponse, web.Request], object], **headers: str) -> AsyncIterator[str]:
    """A server that answers every export so; `answer` writes the body."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await answer(response, request)  # type: ignore[misc]
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def dropped(response: web.StreamResponse, request: web.Request) -> None:
    await response.write(HEADER.encode() + b"2026-11-24T12:00:00Z,system,h1,load1,1\r\n")
    assert request.transport is not None
    request.transport.abort()


async def halved(response: web.StreamResponse, request: web.Request) -> None:
    await response.write(b"PAR1" + b"\x00" * 100)


def told(last: str) -> Callable[[web.StreamResponse, web.Request], object]:
    async def write(response: web.StreamResponse, request: web.Request) -> None:
        await response.write(HEADER.encode() + last.encode())

    return write


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
async def test_a_connection_that_ends_in_the_middle_leaves_no_file(tmp_path: Path, name: str) -> None:
    """Exit code 1, and what stood there before stands there."""
    (tmp_path / "old.csv").write_text("old")
    async with saying(dropped) as url:
        finished = await opswatch(tmp_path, "export", "system", "-o", name, OPSWATCH_URL=url)
        again = await opswatch(tmp_path, "export", "system", "-o", "old.csv", OPSWATCH_URL=url)

    assert (finished.code, again.code) == (1, 1)
    assert "ended in the middle: try again" in finished.complaint
    assert "Traceback" not in finished.complaint
    assert [path.name for path in tmp_path.iterdir()] == ["old.csv"]
    assert (tmp_path / "old.csv").read_text() == "old"


async def test_a_parquet_file_without_its_end_is_none(tmp_path: Path) -> None:
    """Also where whoever stands in between says that it was all."""
    async with saying(halved) as url:
        finished = await opswatch(tmp_path, "export", "system", "-o", "x.parquet", OPSWATCH_URL=url)

    assert (finished.code, list(tmp_path.iterdir())) == (1, [])
    assert "ended in the middle" in finished.complaint


@pytest.mark.parametrize(
    ("last", "code", "words"),
    [
        ("# incomplete: the disk is\x1b[31m gone\r\n", 1, "the export is incomplete: the disk is\\x1b[31m gone"),
        ('t,m,h,f,"a\n# incomplete: no"\r\n', 0, ""),
        ('t,m,h,f,"a ""x""\n# incomplete: no",5\r\n', 0, ""),
        ("t,m,h,f,# incomplete: no\r\n", 0, ""),
        ("", 0, ""),
    ],
)
async def test_an_export_that_says_it_is_incomplete_is_exit_1(tmp_path: Path, last: str, code: int, words: str) -> None:
    """What came is kept, with that line as its end; a cell that says so by itself is only a cell."""
    async with saying(told(last)) as url:
        finished = await opswatch(tmp_path, "export", "system", "-o", "x.csv", OPSWATCH_URL=url)

    assert (finished.code, words in finished.complaint) == (code, True), finished.complaint
    assert (tmp_path / "x.csv").read_bytes() == (HEADER + last).encode()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("missing/x.csv", "missing/x.csv cannot be written: No such file or directory"),
        ("/proc/version/x.csv", "cannot be written: Not a directory"),
        ("/dev/full", "/dev/full cannot be written: No space left on device"),
    ],
)
async def test_a_file_that_cannot_be_written_is_named(world: World, tmp_path: Path, output: str, words: str) -> None:
    """Exit code 1, no traceback."""
    finished = await opswatch(tmp_path, "export", "system", "-o", output, **there(world))

    assert finished.code == 1
    assert words in finished.complaint
    assert "Traceback" not in finished.complaint


async def test_devices_and_links_are_written_to_and_not_replaced(world: World, tmp_path: Path) -> None:
    """A device stays one, a link stays a link, and the umask holds for what is new."""
    (tmp_path / "link.csv").symlink_to("real.csv")
    null = await opswatch(tmp_path, "export", "system", "-o", "/dev/null", **there(world))
    link = await opswatch(tmp_path, "export", "system", "-o", "link.csv", **there(world))
    dash = await opswatch(tmp_path, "export", "system", "--limit", "1", "-o", "-", **there(world))

    assert (null.code, link.code, dash.code) == (0, 0, 0), null.complaint
    assert Path("/dev/null").is_char_device()
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("time,measurement")
    assert (tmp_path / "real.csv").stat().st_mode & 0o111 == 0
    assert dash.output.startswith("time,measurement")


async def test_a_disk_that_is_low_is_said_in_words(world: World, tmp_path: Path) -> None:
    """503 of the server, and its reason."""
    world.disk.free = 1
    world.clock.seconds += 2
    finished = await opswatch(tmp_path, "export", "system", "-o", "x.csv", **there(world))

    assert finished.code == 1
    assert "exports are refused while the disk is low" in finished.complaint
    assert not (tmp_path / "x.csv").exists()
