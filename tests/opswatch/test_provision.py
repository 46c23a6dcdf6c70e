"""`opswatch provision` in an organisation that exists, on a real server."""

import asyncio
import fcntl
import json
import re
import sys
import time
from pathlib import Path

import pytest

from tests.influx.server import InfluxServer
from tests.opswatch.process import ROOT, environment_of, opswatch
from tests.opswatch.provisioned import DAY, LEVELS, Site, everything, may_read, may_write, status
from tests.opswatch.test_run import running


@pytest.fixture
def site(tmp_path: Path, influx: InfluxServer) -> Site:
    return Site(tmp_path, influx)


async def test_a_plan_shows_everything_that_is_missing_and_touches_nothing(site: Site) -> None:
    """A readable list, exit code 3, and the server and the folder are as before."""
    before = everything(site.server)
    done = await site.provision("plan")

    assert done.code == 3
    first, *lines, last = done.output.splitlines()
    assert first == f"InfluxDB at {site.server.url}, organisation {site.server.org}"
    assert lines[1] == f"+ bucket {site.name('5m')}: is missing; make it, keeping 180d in shards of 7d"
    assert [line.split(":")[0] for line in lines] == [
        *(f"+ bucket {site.name(word)}" for word in LEVELS),
        "+ token opswatch",
        "+ token grafana",
        f"+ task {site.name('5m')}",
        f"+ task {site.name('1h')}",
        "+ dashboards",
    ]
    assert lines[-1] == "+ dashboards: are missing; make 6 dashboards, 3 variables and 1 label"
    assert last == "10 changes wait: `opswatch provision apply`"
    assert everything(site.server) == before
    assert not (site.folder / ".opswatch").exists()


async def test_an_apply_makes_buckets_and_tokens_and_a_second_one_nothing(site: Site) -> None:
    """A line per change on stderr; afterwards plan, verify and another apply find nothing to do."""
    done = await site.provision("apply")

    assert (done.code, done.output) == (0, "everything is as it should be\n"), done.complaint
    assert len(done.complaint.splitlines()) == 10
    assert site.kept() == LEVELS
    assert site.tasks() == {site.name("5m"): "active", site.name("1h"): "active"}
    assert len(site.dashboards()) == 6
    assert {one.name: one.stat().st_mode & 0o777 for one in site.keys.glob("influx_*")} == {
        "influx_token": 0o600,
        "influx_grafana_token": 0o600,
        "influx_tokens.json": 0o600,
    }
    before, tokens = everything(site.server), (site.own_token, site.grafana_token)
    again = await site.provision("apply")
    assert (again.code, again.complaint) == (0, "")
    assert (everything(site.server), (site.own_token, site.grafana_token)) == (before, tokens)
    assert [(await site.provision(word)).code for word in ("plan", "verify")] == [0, 0]
    assert (await site.plan())["changes"] == []


async def test_the_tokens_may_do_what_they_must_and_no_more(site: Site) -> None:
    """By the server's own word: other buckets are closed to both, ours are read-only for Grafana."""
    await site.provision("apply")
    other = f"{site.prefix}-others"
    site.server.make_bucket(other)

    for word in LEVELS:
        assert may_write(site.server, site.own_token, site.name(word))
        assert may_read(site.server, site.own_token, site.name(word))
        assert may_read(site.server, site.grafana_token, site.name(word))
        assert not may_write(site.server, site.grafana_token, site.name(word))
    for token in (site.own_token, site.grafana_token):
        assert not may_read(site.server, token, other)
        assert not may_write(site.server, token, other)
        assert status(site.server, token, "POST", "/api/v2/buckets", b"{}") in {400, 401, 403}
        assert status(site.server, token, "DELETE", f"/api/v2/authorizations/{site.authorizations()[0]['id']}") == 401
    assert len(site.authorizations()) == 2


async def test_opswatch_runs_with_the_token_that_was_made(site: Site) -> None:
    """Nothing but the one command: no token in the configuration, and `run` and `doctor` find the one that was made."""
    await site.provision("apply")
    doctor = await opswatch(site.folder, "doctor", "--json")
    with running(site.folder) as server:
        server.wait_for("/ready", '"ready"')
        flux = f'from(bucket: "{site.name("raw")}") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "mem")'
        deadline = time.monotonic() + 30
        while "mem" not in (text := _asked(site, flux)) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        assert "mem" in text
        _, health = server.get("/api/v1/health")
    store = [one for one in json.loads(doctor.output) if one["subject"] == "store"]
    assert [one["verdict"] for one in store] == ["ok"], store
    assert "may not" not in health
    assert site.own_token not in (site.folder / "stderr.txt").read_text()


def _asked(site: Site, flux: str) -> str:
    import urllib.request

    headers = {"Authorization": f"Token {site.grafana_token}", "Content-Type": "application/vnd.flux"}
    url = f"{site.server.url}/api/v2/query?org={site.server.org}"
    with urllib.request.urlopen(urllib.request.Request(url, flux.encode(), headers), timeout=30) as answer:
        return str(answer.read().decode())


async def test_nothing_that_is_not_ours_is_touched(site: Site) -> None:
    """Other buckets, other tokens, also one whose name begins like ours."""
    site.server.make_bucket(f"{site.prefix}_rawer", DAY)
    site.server.make_bucket(f"{site.prefix}-else", 0)
    site.server.make_token(("read", f"{site.prefix}_rawer"))
    before = everything(site.server)
    await site.provision("apply", "--allow-data-loss", "--replace-tokens")
    after = everything(site.server)

    for kind, ones in before.items():
        kept = {one["id"]: one for one in after[kind]}
        assert [kept.get(one["id"]) for one in ones] == ones


async def test_a_shorter_retention_is_lengthened_and_a_longer_one_waits_for_a_word(site: Site) -> None:
    """What would be lost is named, with the oldest point; everything else is made meanwhile."""
    site.make("raw", 0)
    site.make("events", 2 * DAY, DAY)
    site.make("self", 31 * DAY, 3_600)
    old = int(time.time()) - 30 * DAY
    path = f"/api/v2/write?org={site.server.org}&bucket={site.name('raw')}&precision=s"
    assert (
        status(site.server, site.server.token, "POST", path, f'm v=1 {old}\nm v=2\nn s="x" {old + 60}'.encode()) == 204
    )

    done = await site.provision("apply")
    assert done.code == 3
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(old))
    line, sum_ = done.output.splitlines()
    assert line == (
        f"! bucket {site.name('raw')}: keeps longer than it should, for ever instead of 7d: points older than 7d are"
        f" lost, the oldest of {stamp}; has shards of 7d instead of 1d (waits for --allow-data-loss)"
    )
    assert sum_ == "1 change is needed: `opswatch provision apply --allow-data-loss`"
    assert site.kept() == LEVELS | {"raw": (0, 7)}
    assert (await site.provision("verify")).code == 3
    done = await site.provision("apply", "--allow-data-loss")
    assert (done.code, site.kept()) == (0, LEVELS)


async def test_a_token_file_that_others_can_read_is_told(site: Site) -> None:
    """It was made so that nobody can; the way out stands beside it."""
    await site.provision("apply")
    file = site.keys / "influx_grafana_token"
    file.chmod(0o644)
    done = await site.provision("verify")
    file.chmod(0o600)
    after = await site.provision("verify")

    assert "influx_grafana_token can be read by other users: chmod 600 " in done.output
    assert after.output == "everything is as it should be\n"


async def test_verify_names_every_drift(site: Site) -> None:
    """A bucket that is gone, one that keeps less, one with other shards, a token that was deleted."""
    await site.provision("apply")
    found = {word: site.bucket(word) for word in LEVELS}
    for word, rule in (("5m", {"everySeconds": 3_600}), ("1h", {"everySeconds": 1_095 * DAY})):
        rules = [{"type": "expire", "shardGroupDurationSeconds": 3_600, **rule}]
        site.server.call("PATCH", f"/api/v2/buckets/{found[word]['id']}", {"retentionRules": rules})  # type: ignore[index]
    site.server.call("DELETE", f"/api/v2/buckets/{found['self']['id']}")  # type: ignore[index]
    (grafana,) = (one for one in site.authorizations() if "Grafana" in one["description"])
    site.server.call("DELETE", f"/api/v2/authorizations/{grafana['id']}")
    done, all_ = await site.provision("verify"), ", ".join(sorted(map(site.name, LEVELS)))
    lacking = f"may not read and write {site.name('self')}"

    assert done.code == 3
    assert done.output.splitlines() == [
        f"~ bucket {site.name('5m')}: keeps shorter than it should, 1h instead of 180d; has shards of 1h instead of 7d",
        f"~ bucket {site.name('1h')}: has shards of 1h instead of 30d",
        f"+ bucket {site.name('self')}: is missing; make it, keeping 31d in shards of 1d",
        f"+ token opswatch: the one in its file {lacking}; make one that may read and write {all_}",
        f"+ token grafana: InfluxDB does not know the one in its file; make one that may read {all_}",
        "5 changes are needed: `opswatch provision apply`",
    ]
    assert (await site.provision("apply")).code == 0
    assert site.kept() == LEVELS
    assert (await site.provision("verify")).code == 0


async def test_a_lost_token_is_made_anew_and_the_old_one_named_until_it_is_deleted(site: Site) -> None:
    """Nobody can read the old one's value any more; it goes when somebody says so."""
    await site.provision("apply")
    lost = site.own_token
    (site.keys / "influx_token").unlink()
    done = await site.provision("apply")

    assert done.code == 0
    (note,) = (line for line in done.output.splitlines() if line.startswith("note: "))
    named = re.search(r"authorization ([0-9a-f]{16}) \('OpsWatch .*: reads and writes its buckets', made 2", note)
    assert named is not None
    assert len(site.authorizations()) == 3
    assert may_write(site.server, lost, site.name("raw"))
    done = await site.provision("apply", "--replace-tokens")
    assert done.code == 0
    assert "note" not in done.output
    assert named[1] not in [one["id"] for one in site.authorizations()]
    assert not may_write(site.server, lost, site.name("raw"))
    assert may_write(site.server, site.own_token, site.name("raw"))


async def test_a_token_that_somebody_put_into_the_file_stays_while_it_works(site: Site) -> None:
    """Also when it may do more than it must, which is said; one that may not do enough goes when somebody says so."""
    file = site.folder / "mine"
    site.configure(token_file="mine")
    file.write_text(f"{site.server.token}\n")
    done = await site.provision("apply", "--replace-tokens")
    assert done.code == 0
    assert "note: the token opswatch may do more than it must: it sees buckets that are not OpsWatch's" in done.output
    assert file.read_text() == f"{site.server.token}\n"
    site.server.buckets[site.name("raw")] = site.bucket("raw")["id"]  # type: ignore[index]
    narrow = site.server.make_token(("read", site.name("raw")), ("write", site.name("raw")))
    file.write_text(narrow)
    done = await site.provision("apply")
    assert done.code == 3
    assert "! token opswatch: the one in its file may not read and write" in done.output
    assert "(waits for --replace-tokens)" in done.output
    assert file.read_text() == narrow
    done = await site.provision("apply", "--replace-tokens")
    assert done.code == 0
    assert may_write(site.server, file.read_text().strip(), site.name("self"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert not (site.keys / "influx_token").exists()


async def test_no_token_is_made_that_cannot_be_kept(site: Site) -> None:
    """A folder that is not there: said before anything is made that nobody could ever read."""
    site.configure(token_file="nowhere/token")
    done = await site.provision("apply")

    assert done.code == 1
    assert "a new token cannot be put into nowhere/token" in done.complaint
    assert site.authorizations() == []


async def test_a_token_that_cannot_be_kept_at_last_is_deleted_again(site: Site) -> None:
    """The disk says no when it was made already: it does not stay behind without anybody who knows its value."""
    (site.keys / "influx_tokens.json").mkdir(parents=True)
    done = await site.provision("apply")

    assert done.code == 1
    assert "influx_tokens.json cannot be written" in done.complaint
    assert site.authorizations() == []
    assert not (site.keys / "influx_token").exists()


async def test_a_token_file_that_cannot_be_read_stops_before_anything_is_made(site: Site) -> None:
    """It may hold a token that works: nobody knows, so it is not replaced."""
    site.configure(token_file="taken")
    (site.folder / "taken").mkdir()
    done = await site.provision("apply")

    assert done.code == 1
    assert "'taken' is a directory" in done.complaint
    assert (site.kept(), site.authorizations()) == ({}, [])


RIGHTS = {
    "nothing at all": ((), "lacks the right to read the organisation ops"),
    "no bucket to be made": (
        ("read:orgs", "read:buckets", "read:authorizations", "write:authorizations"),
        "does not make the bucket PREFIX_raw: LACKS the right to write buckets of the organisation",
    ),
    "no bucket to be seen": (
        ("read:orgs", "write:buckets"),
        "a bucket PREFIX_raw, which the token to provision with may not read: it lacks the right to read buckets",
    ),
    "no token to be made": (
        ("read:orgs", "read:buckets", "write:buckets"),
        "lacks the right to write authorizations of the organisation",
    ),
}


@pytest.mark.parametrize("case", RIGHTS)
async def test_a_right_that_is_missing_is_named_with_what_it_is_for(site: Site, case: str) -> None:
    """Which, and for which resource; and where to get a token that has it."""
    given, said = RIGHTS[case]
    if case == "no bucket to be seen":
        site.make("raw", 7 * DAY)
    done = await site.provision("apply", token=_token(site, given))

    assert done.code == 1
    lacks = "the token to provision with lacks"
    assert said.replace("PREFIX", site.prefix).replace("LACKS", lacks) in done.complaint
    assert "Traceback" not in done.complaint


def _token(site: Site, rights: tuple[str, ...]) -> str:
    org = site.server.org_id
    pairs = [one.split(":") for one in rights] or [["read", "dashboards"]]
    permissions = [
        {"action": action, "resource": {"type": kind, **({"id": org} if kind == "orgs" else {"orgID": org})}}
        for action, kind in pairs
    ]
    made = site.server.call("POST", "/api/v2/authorizations", {"orgID": org, "permissions": permissions})
    return str(made["token"])


async def test_a_bucket_that_may_not_be_changed_is_named(site: Site) -> None:
    """The right to write this one bucket, by its id, as the server says it."""
    identifier = site.make("raw", DAY)
    done = await site.provision("apply", token=_token(site, ("read:orgs", "read:buckets", "read:authorizations")))

    assert done.code == 1
    assert f"the right to write buckets {identifier}" in done.complaint


async def test_two_applies_at_once_end_right(site: Site, tmp_path: Path) -> None:
    """From one folder they go one after the other; from two, each bucket exists once and each has tokens that work."""
    others = Site(tmp_path / "others", site.server, site.prefix)
    done = await asyncio.gather(*(one.provision("apply") for one in (site, site, others, others)))

    assert [one.code for one in done] == [0, 0, 0, 0], "\n".join(one.complaint for one in done if one.code)
    assert site.kept() == LEVELS
    for one in (site, others):
        assert may_write(site.server, one.own_token, site.name("raw"))
        assert may_read(site.server, one.grafana_token, site.name("raw"))
    assert len(site.authorizations()) == 4


async def test_an_apply_waits_for_another_one_of_the_same_folder(site: Site) -> None:
    """It says so, does nothing meanwhile, and goes on when the other one has ended."""
    site.keys.mkdir(parents=True)
    with (site.keys / "influx.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "opswatch.cli.main", "provision", "apply"),
            cwd=site.folder,
            env=environment_of(INFLUXDB_V2_TOKEN=site.server.token),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        first = await process.stderr.readline()
        assert first == b"another `opswatch provision apply` is at work here; waiting for its end\n"
        assert site.kept() == {}
    _, rest = await process.communicate()
    assert (process.returncode, len(rest.splitlines()), site.kept()) == (0, 10, LEVELS)


async def test_an_apply_that_is_killed_is_finished_by_the_next(site: Site, tmp_path: Path) -> None:
    """SIGKILL before some of the calls and changes of files, each time on other buckets; the next apply ends right."""
    await killed(site, tmp_path, 9)


@pytest.mark.soak
async def test_an_apply_that_is_killed_at_any_step_is_finished_by_the_next(site: Site, tmp_path: Path) -> None:
    """Before every one of them."""
    orphans = await killed(site, tmp_path, 1)

    # Between the answer with a token and its file, a death leaves an authorization: named, and left to a person.
    assert set(orphans) == {0, 1}


async def killed(site: Site, base: Path, stride: int) -> list[int]:
    """How many authorizations more than the two that are needed there are after each death."""
    script = ROOT / "tests" / "opswatch" / "provision_victim.py"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, script, site.server.url, site.server.org, site.prefix, base / "deaths", str(stride)),
        env=environment_of(INFLUXDB_V2_TOKEN=site.server.token),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()

    assert process.returncode == 0
    died = json.loads(output)
    assert len(died) > 40 / stride
    orphans = []
    for number in died:
        victim = Site(base / "deaths" / str(number), site.server, f"{site.prefix}_{number}")
        assert victim.kept() == LEVELS
        assert may_write(site.server, victim.own_token, victim.name("self"))
        assert may_read(site.server, victim.grafana_token, victim.name("self"))
        assert (len(victim.tasks()), len(victim.dashboards())) == (2, 6)
        orphans.append(len(victim.authorizations()) - 2)
    return orphans


@pytest.mark.parametrize(
    ("yaml", "code", "said"),
    [
        ("storage: {kind: embedded}", 2, "the store is embedded, and needs no provision"),
        ("storage: {kind: influxdb, influxdb: {org: ops}}", 2, "InfluxDB has no URL"),
        ("storage: {kind: influxdb, influxdb: {url: 'http://127.0.0.1:1', org: ops}}", 1, "cannot be reached"),
        ("storage: {kind: influxdb, influxdb: {url: URL, org: nobodys}}", 1, "no organisation nobodys"),
    ],
)
async def test_what_cannot_be_provisioned_is_said(
    tmp_path: Path, influx: InfluxServer, yaml: str, code: int, said: str
) -> None:
    """The configuration is at fault, or the server cannot be asked."""
    (tmp_path / "opswatch.yaml").write_text(f"version: 1\n{yaml.replace('URL', repr(influx.url))}\n")
    for word in ("plan", "apply", "verify"):
        done = await opswatch(tmp_path, "provision", word, INFLUXDB_V2_TOKEN=influx.token)

        assert (done.code, said in done.complaint) == (code, True), done.complaint


async def test_without_a_token_to_provision_with_the_ways_to_one_are_named(site: Site) -> None:
    """And the file that was named is read, or its fault told."""
    done = await opswatch(site.folder, "provision", "plan")
    assert done.code == 2
    assert "--admin-token-file: there is no token to provision with (set it, or INFLUXDB_V2_TOKEN" in done.complaint
    done = await opswatch(site.folder, "provision", "plan", "--admin-token-file", "admin")
    assert (done.code, "'admin' does not exist" in done.complaint) == (2, True)
    (site.folder / "admin").write_text(site.server.token)
    done = await opswatch(site.folder, "provision", "plan", "--admin-token-file", "admin")
    assert (done.code, done.complaint) == (3, "")
    done = await site.provision("plan", token="nobodys")
    assert done.code == 1
    assert "does not know the token" in done.complaint


def test_the_documentation_makes_by_hand_what_the_command_makes() -> None:
    """Names, retention and shards of docs/influxdb.md are those of an apply, and so are the rights of its token."""
    text = (ROOT / "docs" / "influxdb.md").read_text()
    made = re.findall(r"--name opswatch_(\w+) +--retention (\d+)d +--shard-group-duration (\d+)d", text)
    rights = re.findall(r"--(read|write)-bucket ID_(\w+)", text)

    assert {word: (int(kept), int(shard)) for word, kept, shard in made} == LEVELS
    assert sorted(rights) == sorted((action, word.upper()) for action in ("read", "write") for word in LEVELS)
