"""`opswatch provision apply --setup` on servers that nobody has set up, each a real one of its own."""

import asyncio
import base64
import json
import re
import shutil
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.influx.server import NOT_HERE, InfluxServer, _set_up
from tests.opswatch.process import ROOT, Finished, environment_of, opswatch
from tests.opswatch.provisioned import LEVELS, Site, everything, may_write

OWNER = ("influx_owner_password", "influx_owner_token")


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Site]:
    """A site on a server that was just started for the first time."""
    if shutil.which("influxd") is None:
        pytest.skip(NOT_HERE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path / "influxd"
    folder.mkdir()
    server = InfluxServer(f"http://127.0.0.1:{port}", "ops", "", None, folder)
    await asyncio.to_thread(server.start)
    try:
        yield Site(tmp_path / "site", server, "opswatch")
    finally:
        await asyncio.to_thread(server.stop)


async def provision(site: Site, *arguments: str) -> Finished:
    """The command, without any token of the environment; no secret is in what it says."""
    done = await opswatch(site.folder, "provision", *arguments)
    for file in site.keys.glob("influx_*"):
        text = file.read_text().strip()
        assert not text or file.suffix == ".json" or text not in done.output + done.complaint
    return done


def is_fresh(site: Site) -> bool:
    with urllib.request.urlopen(f"{site.server.url}/api/v2/setup", timeout=10) as answer:
        return bool(json.load(answer)["allowed"])


async def test_a_fresh_server_waits_for_the_word(bare: Site) -> None:
    """Plan, verify and an apply without it say how, and nobody becomes its owner."""
    for word in ("plan", "verify", "apply"):
        done = await provision(bare, word)

        assert done.code == 3
        assert "! server: has not been set up; make its owner, the organisation ops" in done.output
        assert "(waits for --setup)" in done.output
        assert "right" not in done.output
        assert "`opswatch provision apply --setup`" in done.output
    assert is_fresh(bare)
    assert (await bare.plan())["set_up"] is False


async def test_a_fresh_server_becomes_ours_with_one_command(bare: Site) -> None:
    """Owner, organisation, buckets, tokens; afterwards nothing waits, with no token named by anybody."""
    done = await provision(bare, "apply", "--setup")

    assert (done.code, done.output) == (0, "everything is as it should be\n"), done.complaint
    password, token = ((bare.keys / name).read_text().strip() for name in OWNER)
    assert all((bare.keys / name).stat().st_mode & 0o777 == 0o600 for name in OWNER)
    assert not list(bare.keys.glob("*.pending"))
    bare.server.token = token
    assert bare.kept() == LEVELS
    assert may_write(bare.server, bare.own_token, "opswatch_self")
    credentials = base64.b64encode(f"opswatch:{password}".encode()).decode()
    request = urllib.request.Request(
        f"{bare.server.url}/api/v2/signin", b"", {"Authorization": f"Basic {credentials}"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 204
    before = everything(bare.server)
    for arguments in (("plan",), ("verify",), ("apply",), ("apply", "--setup")):
        again = await provision(bare, *arguments)
        assert (again.code, again.complaint) == (0, "")
    assert everything(bare.server) == before


async def victim(*arguments: str | Path) -> str:
    """What provision_victim.py says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, ROOT / "tests" / "opswatch" / "provision_victim.py", *arguments),
        env=environment_of(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def test_a_setup_that_is_killed_is_finished_by_the_next(bare: Site) -> None:
    """SIGKILL at each step in turn, always on the same server and folder: what was made is never lost."""
    assert int(await victim("--setup", bare.folder)) > 10
    bare.server.token = (bare.keys / "influx_owner_token").read_text().strip()
    assert bare.kept() == LEVELS
    assert may_write(bare.server, bare.own_token, "opswatch_raw")
    assert not list(bare.keys.glob("*.pending"))
    assert (await provision(bare, "verify")).code == 0


async def test_an_owner_that_was_made_just_before_the_kill_is_not_lost(bare: Site) -> None:
    """The server has answered, and nothing of it was written down: its secrets were on disk before."""
    await victim("--settle", bare.folder)
    assert not is_fresh(bare)
    assert not (bare.keys / "influx_owner_token").exists()
    assert (await provision(bare, "plan")).code == 3
    done = await provision(bare, "apply")

    assert done.code == 0
    bare.server.token = (bare.keys / "influx_owner_token").read_text().strip()
    assert bare.kept() == LEVELS
    assert not list(bare.keys.glob("*.pending"))


async def test_two_setups_at_once_make_one_owner(bare: Site, tmp_path: Path) -> None:
    """Of one folder both end right; another folder's comes too late, and says that it needs a token."""
    other = Site(tmp_path / "other", bare.server, "opswatch")
    done = await asyncio.gather(*(provision(one, "apply", "--setup") for one in (bare, bare, other, other)))

    codes = [one.code for one in done]
    assert codes in ([0, 0, 2, 2], [2, 2, 0, 0]), [one.complaint for one in done]
    winner, loser = (bare, other) if codes[0] == 0 else (other, bare)
    bare.server.token = (winner.keys / "influx_owner_token").read_text().strip()
    assert winner.kept() == LEVELS
    assert len(winner.authorizations()) == 2
    assert not list(loser.keys.glob("influx_owner*"))
    assert any("there is no token to provision with" in one.complaint for one in done)


async def test_a_token_of_the_environment_does_not_stand_in_the_way_of_a_setup(bare: Site) -> None:
    """A new server knows no token at all; what follows is done in the name of the owner that was made."""
    bare.server.token = "left-from-elsewhere"
    done = await bare.provision("apply", "--setup")

    assert (done.code, done.output) == (0, "everything is as it should be\n"), done.complaint


async def test_a_server_that_was_set_up_by_somebody_is_not_set_up_again(bare: Site) -> None:
    """It needs a token of its owner's, and --setup changes nothing of that."""
    bare.server.org, bare.server.token = _set_up(bare.server.url)
    done = await provision(bare, "apply", "--setup")

    assert done.code == 2
    assert "there is no token to provision with" in done.complaint
    assert not list(bare.keys.glob("influx_owner*"))
    done = await bare.provision("apply", "--setup")
    assert (done.code, bare.kept()) == (0, LEVELS)
    assert not list(bare.keys.glob("influx_owner*"))


async def test_the_owner_of_another_server_is_not_overwritten(bare: Site) -> None:
    """The only copy of a token with all rights: somebody has to move it away."""
    bare.keys.mkdir(parents=True)
    (bare.keys / "influx_owner_token").write_text("of-another\n")
    done = await provision(bare, "apply", "--setup")

    assert done.code == 1
    assert re.search(r"influx_owner_token holds the owner's token of a server that was set up before", done.complaint)
    assert (bare.keys / "influx_owner_token").read_text() == "of-another\n"
    assert is_fresh(bare)
