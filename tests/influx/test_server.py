"""The server that the other tests rely on."""

from tests.influx.server import InfluxServer


def test_the_server_is_an_influxdb_2(influx: InfluxServer) -> None:
    """It answers as one, and takes buckets and tokens of ours."""
    settings = influx.fresh()

    assert influx.call("GET", "/health")["status"] == "pass"
    assert influx.make_token(("read", f"{settings.bucket_prefix}_raw"))
