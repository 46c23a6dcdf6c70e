"""What `opswatch provision apply` does beside what somebody else made with names like ours, on a real server."""

from pathlib import Path

import pytest

from tests.influx.server import InfluxServer
from tests.opswatch.provisioned import Site


@pytest.fixture
def site(tmp_path: Path, influx: InfluxServer) -> Site:
    return Site(tmp_path, influx)


def stack_name(site: Site) -> str:
    return f"OpsWatch {site.prefix}"


def put_a_bucket_into(site: Site, identifier: str, bucket: str) -> None:
    """Have a template make a bucket in the stack of this id."""
    spec = {"apiVersion": "influxdata.com/v2alpha1", "kind": "Bucket", "metadata": {"name": bucket.replace("_", "-")}}
    template = {"contentType": "json", "contents": [spec | {"spec": {"name": bucket}}]}
    body = {"orgID": site.server.org_id, "stackID": identifier, "template": template}
    site.server.call("POST", "/api/v2/templates/apply", body)


async def test_a_stack_of_our_name_that_somebody_else_made_stays_with_its_bucket(site: Site) -> None:
    """Removed as a second one, it would take the bucket with all its points along."""
    made = site.server.call("POST", "/api/v2/stacks", {"orgID": site.server.org_id, "name": stack_name(site)})
    put_a_bucket_into(site, made["id"], site.name("theirs"))

    assert (await site.provision("apply")).code == 0
    assert (await site.provision("verify")).code == 0
    assert site.bucket("theirs") is not None
    site.configure(dashboards="false")
    assert (await site.provision("apply")).code == 0
    assert site.bucket("theirs") is not None
    assert site.dashboards() == {}


async def test_our_stack_is_not_touched_while_it_holds_what_is_not_ours(site: Site) -> None:
    """A template that somebody applied into it: a change of the stack would delete what that made."""
    await site.provision("apply")
    stacks = site.server.call("GET", f"/api/v2/stacks?orgID={site.server.org_id}")["stacks"]
    (identifier,) = [one["id"] for one in stacks if one["name"] == stack_name(site)]
    put_a_bucket_into(site, identifier, site.name("theirs"))
    site.configure(dashboards="false")
    done = await site.provision("apply")

    assert done.code == 1
    assert "which opswatch did not put there" in done.complaint
    assert site.bucket("theirs") is not None


@pytest.mark.parametrize("change", [str, str.upper])
async def test_a_variable_that_somebody_made_is_not_taken_over(site: Site, change: type[str]) -> None:
    """In whatever capitals: it is named, and stays what it was; once it is gone, the apply goes through."""
    name = change(f"{site.prefix}_host")
    body = {"orgID": site.server.org_id, "name": name, "arguments": {"type": "constant", "values": ["mine"]}}
    made = site.server.call("POST", "/api/v2/variables", body)
    done = await site.provision("apply")

    assert done.code == 1
    assert f"somebody else has made the variable {name} ({made['id']})" in done.complaint
    assert site.server.call("GET", f"/api/v2/variables/{made['id']}")["arguments"]["values"] == ["mine"]
    site.server.call("DELETE", f"/api/v2/variables/{made['id']}")
    assert (await site.provision("apply")).code == 0
    assert (await site.provision("verify")).code == 0
