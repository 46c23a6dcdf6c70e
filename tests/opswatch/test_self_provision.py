"""`opswatch run` that makes InfluxDB ours by itself, where the settings say so."""

from pathlib import Path

import pytest

from tests.influx.server import InfluxServer
from tests.opswatch.provisioned import Site, may_read
from tests.opswatch.test_provision_setup import bare  # noqa: F401 (a fixture)
from tests.opswatch.test_run import running


@pytest.fixture
def site(tmp_path: Path, influx: InfluxServer) -> Site:
    return Site(tmp_path, influx)


def configure(site: Site, **more: object) -> None:
    site.configure(provision=True, **more)  # type: ignore[arg-type]


async def test_a_start_makes_buckets_tokens_tasks_and_dashboards(site: Site) -> None:
    """In the name of the admin's token; the run lives by one of its own, and a second start changes nothing."""
    (site.folder / "admin.token").write_text(site.server.token)
    configure(site, admin_token_file="admin.token")
    with running(site.folder) as server:
        server.wait_for("/ready", '"ready"')
        server.wait_for("/metrics", r"opswatch_spool_delivered_points\S* [1-9]")
    first = (set(site.tasks()), sorted(site.dashboards()), site.own_token)
    with running(site.folder) as server:
        server.wait_for("/ready", '"ready"')

    assert first[0] == {site.name("5m"), site.name("1h")}
    assert len(first[1]) == 6
    assert (set(site.tasks()), sorted(site.dashboards()), site.own_token) == first
    assert may_read(site.server, site.grafana_token, site.name("5m"))
    assert site.server.token not in (site.folder / "stderr.txt").read_text()


async def test_a_server_that_comes_later_is_made_ours_when_it_does(bare: Site) -> None:  # noqa: F811
    """It is set up too; until then the page answers, says what is missing, and what is measured waits."""
    configure(bare)
    bare.server.stop()
    with running(bare.folder) as server:
        text = server.wait_for("/api/v1/health", "is not provisioned yet")
        assert "it is tried again and again: InfluxDB at http://127.0.0.1" in text
        bare.server.start()
        server.wait_for("/api/v1/health", r"\A(?!(?s:.*)not provisioned)")
        bare.server.token = (bare.keys / "influx_owner_token").read_text().strip()
        assert set(bare.tasks()) == {"opswatch_5m", "opswatch_1h"}


async def test_what_waits_for_a_word_is_told_and_stops_nobody(site: Site) -> None:
    """A bucket that keeps longer than it should: nothing is lost without a person's word."""
    (site.folder / "admin.token").write_text(site.server.token)
    site.make("raw", 0)
    configure(site, admin_token_file="admin.token")
    with running(site.folder) as server:
        text = server.wait_for("/api/v1/health", "waits for your word")

        assert f"bucket {site.name('raw')}: keeps longer than it should" in text
        assert "`opswatch provision apply --allow-data-loss`" in text
        server.wait_for("/ready", '"ready"')
