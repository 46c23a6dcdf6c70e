"""The command line on InfluxDB as the store: what a user does, on a real server."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from influx.settings import InfluxSettings
from telemetry.rollup import ONE_HOUR
from telemetry.schema import MeasurementClass
from tests.influx.server import InfluxServer
from tests.opswatch.process import ROOT, Finished, opswatch


def configured(folder: Path, settings: InfluxSettings) -> None:
    """As docs/influxdb.md says it."""
    assert settings.token is not None
    (folder / "token").write_text(f"{settings.token.get_secret_value()}\n")
    (folder / "opswatch.yaml").write_text(
        "version: 1\n"
        "storage:\n"
        "  kind: influxdb\n"
        f"  influxdb: {{url: '{settings.url}', org: {settings.org}, token_file: token,"
        f" bucket_prefix: {settings.bucket_prefix}}}\n"
    )


async def doctor(folder: Path) -> tuple[int, list[dict[str, str]]]:
    found: Finished = await opswatch(folder, "doctor", "--json")
    return found.code, [one for one in json.loads(found.output) if one["subject"] == "store"]


async def test_the_doctor_finds_a_server_that_is_well(tmp_path: Path, influx: InfluxServer) -> None:
    """It writes a point and reads it back: nothing less is called well."""
    settings = influx.fresh(retention_s=1_100 * 86_400)
    configured(tmp_path, settings)
    code, findings = await doctor(tmp_path)

    assert code == 0, findings
    (one,) = findings
    assert one["verdict"] == "ok"
    assert re.fullmatch(rf"InfluxDB \S+ at {re.escape(settings.url)} takes and keeps points", one["message"])


async def test_the_doctor_names_a_level_that_has_no_bucket(tmp_path: Path, influx: InfluxServer) -> None:
    """It is no reason not to start: what is measured is kept without it, for a week."""
    settings = influx.fresh(retention_s=1_100 * 86_400)
    configured(tmp_path, settings)
    bucket = settings.level_bucket(ONE_HOUR)
    influx.call("DELETE", f"/api/v2/buckets/{influx.buckets[bucket]}")
    code, findings = await doctor(tmp_path)

    assert (code, [one["verdict"] for one in findings]) == (0, ["ok", "warning"])
    assert findings[1]["message"].startswith("nothing is kept beyond the samples: ")
    assert f"influx bucket create --name {bucket}" in findings[1]["message"]


async def test_the_doctor_names_what_is_missing_and_shows_no_token(tmp_path: Path, influx: InfluxServer) -> None:
    """A bucket with the command that makes it, and the token nowhere."""
    settings = influx.fresh()
    configured(tmp_path, settings)
    bucket = settings.bucket(MeasurementClass.EVENTS)
    influx.call("DELETE", f"/api/v2/buckets/{influx.buckets[bucket]}")
    code, findings = await doctor(tmp_path)

    assert code == 1
    (one,) = findings
    assert one["verdict"] == "failed"
    assert f"influx bucket create --name {bucket}" in one["message"]
    assert "--retention 400d" in one["message"]
    assert influx.token not in json.dumps(findings)


async def test_one_collection_alone_lands_in_influxdb(tmp_path: Path, influx: InfluxServer) -> None:
    """R4: without a server `collect --once` drains the spool by itself; `export` then reads it from there."""
    configured(tmp_path, influx.fresh())
    collected = await opswatch(tmp_path, "collect", "--once", "--json")
    exported = await opswatch(tmp_path, "export", "mem", "--field", "used", "--start", "-5m")

    assert (collected.code, exported.code) == (0, 0), collected.complaint + exported.complaint
    assert json.loads(collected.output)["kept"] is True
    header, row = exported.output.splitlines()
    assert header == "time,measurement,host,field,value"
    assert re.fullmatch(r"2\d{3}-\S+Z,mem,[^,]+,used,\d+", row)
    assert not (tmp_path / ".opswatch" / "metrics.duckdb").exists()


async def test_a_backup_says_that_the_measurements_are_elsewhere(tmp_path: Path, influx: InfluxServer) -> None:
    """Nobody thinks that a tar file without them is everything."""
    configured(tmp_path, influx.fresh())
    await opswatch(tmp_path, "collect", "--once")
    made = await opswatch(tmp_path, "backup", "saved", "--json")

    assert made.code == 0, made.complaint
    (file,) = (tmp_path / "saved").glob("**/manifest.json")
    manifest = json.loads(file.read_text())
    assert any("influx backup" in one for one in manifest["left_out"])
    assert not any(one["path"].startswith("metrics.duckdb") for one in manifest["files"])


def test_the_documentation_asks_what_is_there(tmp_path: Path, influx: InfluxServer) -> None:
    """Every Python text of docs/influxdb.md runs as it stands, and finds what was written."""
    texts = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "influxdb.md").read_text(), re.DOTALL)
    settings = influx.fresh()
    bucket = settings.bucket(MeasurementClass.METRICS)
    lines = "probe,service=checkout,probe=health latency_ms=12.5"
    subprocess.run(
        [sys.executable, "-c", _WRITE, influx.url, bucket, lines], env=_environment(influx), check=True, timeout=60
    )

    assert texts
    for text in texts:
        ran = subprocess.run(
            [sys.executable, "-c", text.replace("opswatch_raw", bucket)],
            env=_environment(influx),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert ran.stdout == "checkout health 12.5\n"


_WRITE = """
import sys
from influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
with InfluxDBClient.from_env_properties() as client:
    client.write_api(write_options=SYNCHRONOUS).write(sys.argv[2], record=sys.argv[3])
"""


def _environment(influx: InfluxServer) -> dict[str, str]:
    variables = {"INFLUXDB_V2_URL": influx.url, "INFLUXDB_V2_ORG": influx.org, "INFLUXDB_V2_TOKEN": influx.token}
    return {**os.environ, **variables}
