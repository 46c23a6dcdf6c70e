"""`opswatch provision` keeps the tasks of the levels, and our pages as dashboards, on a real server."""

import asyncio
from pathlib import Path

import pytest

from influx.rollup_tasks import rollup_tasks
from influx.settings import InfluxSettings
from influx.stack_administration import DESCRIPTION
from tests.influx.server import InfluxServer
from tests.opswatch.provisioned import Site, everything


@pytest.fixture
def site(tmp_path: Path, influx: InfluxServer) -> Site:
    return Site(tmp_path, influx)


def task(site: Site, level: str) -> dict[str, str]:
    (one,) = (one for one in everything(site.server)["tasks"] if one["name"] == site.name(level))
    return one  # type: ignore[no-any-return]


async def test_every_drift_of_tasks_and_dashboards_is_named_and_mended(site: Site) -> None:
    """Deleted, edited, switched off, renamed; afterwards there is one of each, with the text that is committed."""
    await site.provision("apply")
    one, other = task(site, "5m"), task(site, "1h")
    boards = site.dashboards()
    overview, host = (boards[f"{title} ({site.prefix})"] for title in ("Overview", "Host"))
    cell = site.server.call("GET", f"/api/v2/dashboards/{host}")["cells"][0]["id"]  # type: ignore[index]
    view = site.server.call("GET", f"/api/v2/dashboards/{host}/cells/{cell}/view")
    view["properties"]["queries"][0]["text"] = "mine()"  # type: ignore[index]
    site.server.call("DELETE", f"/api/v2/tasks/{one['id']}")
    edited = other["flux"].replace("2h", "3h")
    site.server.call("PATCH", f"/api/v2/tasks/{other['id']}", {"flux": edited, "status": "inactive"})
    site.server.call("DELETE", f"/api/v2/dashboards/{overview}")
    site.server.call("PATCH", f"/api/v2/dashboards/{host}/cells/{cell}/view", view)
    verified = await site.provision("verify")
    applied = await site.provision("apply")

    lines = "'start = date.sub(d: 3h, from: stop)' instead of 'start = date.sub(d: 2h, from: stop)'"
    told = f"the dashboard Overview ({site.prefix}) is missing; the dashboard Host ({site.prefix}) was edited (CPU)"
    assert verified.code == 3
    assert verified.output.splitlines()[:-1] == [
        f"+ task {site.name('5m')}: is missing; make it",
        f"~ task {site.name('1h')}: is switched off; switch it on; was edited, first in line 6: {lines}",
        f"~ dashboards: {told}; put them back",
    ]
    assert (applied.code, applied.output) == (0, "everything is as it should be\n")
    settings = InfluxSettings(site.server.url, site.server.org, bucket_prefix=site.prefix)
    assert [task(site, made.level.name)["flux"] for made in rollup_tasks(settings)] == [
        made.flux for made in rollup_tasks(settings)
    ]
    assert set(site.tasks().values()) == {"active"}
    assert len(site.dashboards()) == 6
    before = everything(site.server)
    again = await site.provision("apply")
    assert (again.code, again.complaint, everything(site.server)) == (0, "", before)


async def test_what_is_there_twice_is_deleted_but_for_the_oldest(site: Site) -> None:
    """As two applies at once from two machines leave it; what others call the same is left alone, and told."""
    await site.provision("apply")
    one = task(site, "1h")
    body = {"orgID": one["orgID"], "flux": one["flux"], "status": "active"}
    second = site.server.call("POST", "/api/v2/tasks", body | {"description": one["description"]})
    foreign = site.server.call("POST", "/api/v2/tasks", body | {"description": "mine"})
    stack = {"orgID": one["orgID"], "name": f"OpsWatch {site.prefix}", "description": DESCRIPTION}
    extra = site.server.call("POST", "/api/v2/stacks", stack)
    plan = await site.plan()
    await site.provision("apply")
    ids = [one["id"] for one in everything(site.server)["tasks"] if one["name"] == site.name("1h")]

    assert [one["message"].partition(", made")[0] for one in plan["changes"]] == [
        f"is there several times; delete the one with the id {second['id']}",
        f"are there several times; remove those of the stack {extra['id']}",
    ]
    assert plan["notes"] == [
        f"there is another task {site.name('1h')}, with the id {foreign['id']}, which OpsWatch did not make"
    ]
    assert ids == [one["id"], foreign["id"]]
    assert (await site.plan())["changes"] == []
    assert len(site.dashboards()) == 6


async def test_a_stack_that_was_made_and_never_filled_is_filled(site: Site) -> None:
    """As a death between the two calls leaves it: it is taken, and there is no second one."""
    stack = {"orgID": site.server.org_id, "name": f"OpsWatch {site.prefix}", "description": DESCRIPTION}
    half = site.server.call("POST", "/api/v2/stacks", stack)
    done = await site.provision("apply")
    stacks = [one for one in everything(site.server)["stacks"] if one["name"] == stack["name"]]

    assert done.code == 0
    assert [one["id"] for one in stacks] == [half["id"]]
    assert len(site.dashboards()) == 6


async def test_dashboards_can_be_done_without(site: Site) -> None:
    """One setting removes them with their variables; nobody else's dashboard goes with them."""
    await site.provision("apply")
    mine = site.server.call("POST", "/api/v2/dashboards", {"orgID": site.server.org_id, "name": f"mine {site.prefix}"})
    site.configure(dashboards=False)  # type: ignore[arg-type]
    planned = await site.provision("plan")
    done = await site.provision("apply")
    left = everything(site.server)

    assert "- dashboards: are not wanted by storage.influxdb.dashboards; remove those of the stack" in planned.output
    assert (done.code, done.output) == (0, "everything is as it should be\n")
    assert site.dashboards() == {}
    assert mine["id"] in [one["id"] for one in left["dashboards"]]
    variables = site.server.call("GET", f"/api/v2/variables?orgID={site.server.org_id}")["variables"]
    assert [one["name"] for one in variables if one["name"].startswith(site.prefix)] == []  # type: ignore[attr-defined]


async def test_a_run_that_failed_is_told_with_its_reason(site: Site) -> None:
    """InfluxDB keeps it in the log of the run; no change waits for it."""
    await site.provision("apply")
    one = task(site, "5m")
    bucket = site.bucket("5m")
    assert bucket is not None
    site.server.call("DELETE", f"/api/v2/buckets/{bucket['id']}")
    site.server.call("POST", f"/api/v2/tasks/{one['id']}/runs", {"scheduledFor": "2026-01-01T00:00:00Z"})
    async with asyncio.timeout(30):
        while not (notes := [note for note in (await site.plan())["notes"] if "failed" in note]):
            await asyncio.sleep(0.1)

    assert notes[0].startswith(f"the last run of the task {site.name('5m')} failed: ")
    assert "could not find bucket" in notes[0]


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("tasks", "does not make the task PREFIX_5m: LACKS the right to write tasks of the organisation"),
        ("dashboards", "does not apply the dashboards of the stack OpsWatch PREFIX: LACKS the right to"),
    ],
)
async def test_a_right_that_is_missing_for_tasks_or_dashboards_is_named(site: Site, lacks: str, said: str) -> None:
    """A token that may do everything else."""
    kinds = ["buckets", "authorizations", "tasks", "dashboards", "variables", "labels", "orgs", "telegrafs"]
    kinds += ["notificationRules", "notificationEndpoints", "checks"]
    org = site.server.org_id
    permissions = [
        {"action": action, "resource": {"type": kind, "id": org} if kind == "orgs" else {"type": kind, "orgID": org}}
        for kind in kinds
        for action in ("read", "write")
        if kind != lacks
    ]
    permissions += [{"action": action, "resource": {"type": "users"}} for action in ("read", "write")]
    made = site.server.call("POST", "/api/v2/authorizations", {"orgID": org, "permissions": permissions})
    done = await site.provision("apply", token=str(made["token"]))

    assert done.code == 1
    lacking = said.replace("PREFIX", site.prefix).replace("LACKS", "the token to provision with lacks")
    assert lacking in done.complaint
    assert "Traceback" not in done.complaint


async def test_two_applies_at_once_leave_one_of_everything(site: Site, tmp_path: Path) -> None:
    """From two machines; whoever comes second finds what the first has made, or the next apply puts it in order."""
    other = Site(tmp_path / "other", site.server, site.prefix)
    await asyncio.gather(site.provision("apply"), other.provision("apply"))
    last = await site.provision("apply")

    assert last.code == 0
    assert len(site.tasks()) == 2
    assert sorted(site.dashboards()) == sorted(
        f"{title} ({site.prefix})"
        for title in ("Overview", "Host", "Service", "Status of OpsWatch", "Host, history", "Service, history")
    )
    stacks = [one for one in everything(site.server)["stacks"] if one["name"] == f"OpsWatch {site.prefix}"]
    assert len(stacks) == 1


async def test_a_variable_and_a_label_that_somebody_renamed_get_their_names_back(site: Site) -> None:
    """InfluxDB's templates leave such names as they are; an apply that could not mend it went round and round."""
    await site.provision("apply")
    for kind in ("variables", "labels"):
        named = {one["name"]: one["id"] for one in site.server.call("GET", f"/api/v2/{kind}?limit=100")[kind]}  # type: ignore[index]
        ours = next(name for name in sorted(named) if site.prefix in name)
        site.server.call("PATCH", f"/api/v2/{kind}/{named[ours]}", {"name": f"mine {site.prefix}"})
        verified = await site.provision("verify")
        applied = await site.provision("apply")

        assert f"the {kind[:-1]} {ours} is called mine {site.prefix}; put them back" in verified.output
        assert (applied.code, applied.output) == (0, "everything is as it should be\n")


async def test_a_task_that_cannot_be_seen_is_not_left_behind_by_every_run(site: Site) -> None:
    """A token that makes tasks and may not read them: which right is missing is said, and no run adds one more."""
    org = site.server.org_id
    kinds = ["buckets", "authorizations", "tasks", "dashboards", "variables", "labels"]
    rights = [(action, kind) for kind in kinds for action in ("read", "write") if (action, kind) != ("read", "tasks")]
    permissions: list[dict[str, object]] = [
        {"action": action, "resource": {"type": kind, "orgID": org}} for action, kind in rights
    ]
    permissions.append({"action": "read", "resource": {"type": "orgs", "id": org}})
    permissions += [{"action": action, "resource": {"type": "users"}} for action in ("read", "write")]  # for tokens
    made = site.server.call("POST", "/api/v2/authorizations", {"orgID": org, "permissions": permissions})
    done = [await site.provision("apply", token=str(made["token"])) for _ in range(2)]

    assert [one.code for one in done] == [1, 1]
    assert "cannot be seen: the token to provision with lacks the right to read tasks" in done[1].complaint
    assert site.tasks() == {}
