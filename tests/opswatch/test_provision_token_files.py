"""What `opswatch provision apply` does with what stands in the files of tokens already, on a real server."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.influx.server import InfluxServer
from tests.opswatch.process import ROOT, environment_of
from tests.opswatch.provisioned import Site, may_write


@pytest.fixture
def site(tmp_path: Path, influx: InfluxServer) -> Site:
    return Site(tmp_path, influx)


async def test_a_file_that_holds_something_else_is_not_overwritten(site: Site) -> None:
    """A key that was named by mistake; a file that is empty is filled."""
    site.configure(token_file="named")
    file = site.folder / "named"
    file.write_text("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n")
    before = file.read_bytes()
    done = await site.provision("apply")

    assert done.code == 1
    assert "must hold one line, the secret (it is left as it is: name another file for the token" in done.complaint
    assert file.read_bytes() == before
    assert (site.kept(), site.authorizations()) == ({}, [])
    file.write_text("\n")
    assert (await site.provision("apply")).code == 0
    assert may_write(site.server, file.read_text().strip(), site.name("raw"))


async def test_a_token_of_another_server_gives_way_only_when_somebody_says_so(site: Site) -> None:
    """It works there, and this may be its only copy; one that was made here gives way by itself."""
    file = site.folder / "other"
    site.configure(token_file="other")
    file.write_text("of-another-server\n")
    done = await site.provision("apply")

    assert done.code == 3
    assert "! token opswatch: InfluxDB does not know the one in its file" in done.output
    assert "(waits for --replace-tokens)" in done.output
    assert file.read_text() == "of-another-server\n"
    assert (await site.provision("apply", "--replace-tokens")).code == 0
    for one in site.authorizations():
        site.server.call("DELETE", f"/api/v2/authorizations/{one['id']}")
    assert (await site.provision("apply")).code == 0
    assert may_write(site.server, file.read_text().strip(), site.name("raw"))


async def test_a_renewal_that_is_killed_needs_no_word_for_what_was_made_here(site: Site) -> None:
    """A death between the note of a new token and its file leaves the old one there, which is known as ours still;
    two deaths in a row as well."""
    await site.provision("apply")
    bucket = site.bucket("raw")
    assert bucket is not None
    site.server.call("DELETE", f"/api/v2/buckets/{bucket['id']}")
    for _ in range(2):
        died = await opswatch_dying_at(site, "influx_token")
        assert died == -signal.SIGKILL
    done = await site.provision("apply")

    assert done.code == 0, done.output
    assert may_write(site.server, site.own_token, site.name("raw"))
    assert (await site.provision("apply", "--replace-tokens")).code == 0
    assert len(site.authorizations()) == 2


async def opswatch_dying_at(site: Site, file: str) -> int:
    """An apply that is killed just before it gives this file its new content."""
    code = (
        "import os, signal, sys\n"
        "def watch(event, arguments):\n"
        f"    if event == 'os.rename' and str(arguments[1]).endswith({'/' + file!r}):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(watch)\n"
        "sys.argv = ['opswatch', 'provision', 'apply']\n"
        "from opswatch.cli.main import main\n"
        "main()\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        cwd=site.folder,
        env=environment_of(INFLUXDB_V2_TOKEN=site.server.token) | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()
