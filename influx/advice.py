"""What people are told to do when InfluxDB cannot be used as it is: one sentence each. Pure."""

from __future__ import annotations

from shlex import quote


def unknown_token() -> str:
    return (
        "InfluxDB does not know the token: it is wrong, was deleted, or is missing"
        " (`opswatch provision apply` makes one; so does `influx auth create`, for where storage.influxdb names it)"
    )


def inactive_token() -> str:
    return "the token for InfluxDB is switched off (`influx auth active --id ID` switches it on)"


def _right_token(org: str) -> str:
    # One that may use this bucket alone would help nobody: the others would be the next fault.
    return (
        f"`opswatch provision apply` makes one that may; by hand: `influx auth create --org {quote(org)}` with"
        f" --read-bucket ID and --write-bucket ID for each bucket; `influx bucket list --org {quote(org)}` has the IDs"
    )


def no_write_right(bucket: str, org: str) -> str:
    return f"the token may not write into the bucket {bucket} of InfluxDB ({_right_token(org)})"


def no_read_right(bucket: str, org: str) -> str:
    return f"the token may not read the bucket {bucket} of InfluxDB ({_right_token(org)})"


def no_bucket(bucket: str, org: str, retention: str = "") -> str:
    """`retention` as InfluxDB's command line takes it, where there is one to name."""
    by_hand = f", or `influx bucket create --name {bucket} --org {quote(org)} --retention {retention}`"
    return (
        f"InfluxDB has no bucket {bucket} in the organisation {org}"
        f" (make it: `opswatch provision apply`{by_hand if retention else ''})"
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


def slow(url: str, waited: str) -> str:
    return (
        f"InfluxDB at {url} did not answer what it was asked within {waited}"
        " (is it overloaded or stopped, or is another program at that address?)"
    )
