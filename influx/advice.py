"""What people are told to do when InfluxDB cannot be used as it is: one sentence each. Pure."""

from __future__ import annotations


def unknown_token() -> str:
    return (
        "InfluxDB does not know the token: it is wrong, was deleted, or is missing"
        " (`opswatch provision apply` makes one; so does `influx auth create`, for where storage.influxdb names it)"
    )


def inactive_token() -> str:
    return "the token for InfluxDB is switched off (`influx auth active --id ID` switches it on)"


def no_write_right(bucket: str, org: str) -> str:
    return (
        f"the token may not write into the bucket {bucket} of InfluxDB"
        " (make one that may: `opswatch provision apply`,"
        f" or `influx auth create --org {org} --write-bucket ID --read-bucket ID`)"
    )


def no_read_right(bucket: str, org: str) -> str:
    return (
        f"the token may not read the bucket {bucket} of InfluxDB"
        " (make one that may: `opswatch provision apply`,"
        f" or `influx auth create --org {org} --write-bucket ID --read-bucket ID`)"
    )


def no_bucket(bucket: str, org: str, retention: str = "") -> str:
    """`retention` as InfluxDB's command line takes it, where there is one to name."""
    keeping = f" --retention {retention}" if retention else ""
    return (
        f"InfluxDB has no bucket {bucket} in the organisation {org}"
        f" (make it: `opswatch provision apply`, or `influx bucket create --name {bucket} --org {org}{keeping}`)"
    )


def no_organisation(org: str) -> str:
    return f"InfluxDB has no organisation {org} (`influx org list` shows those that the token sees)"


def moved(location: str) -> str:
    return (
        f"the server sends us on to {location or 'another place'}, and the token is not for whoever stands there"
        " (name the last address yourself)"
    )


def no_influxdb(said: str) -> str:
    return (
        "that is no InfluxDB's answer; is it a proxy or another program?"
        f" (the address must be that of InfluxDB itself; it said: {said or 'nothing'})"
    )
