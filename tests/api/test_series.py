"""`/api/v1/series` and `/api/v1/schema`: columns of numbers, and refusals that name the way out."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from telemetry.errors import QueryTimedOut, StoreUnavailable
from telemetry.points import Point
from tests.api.world import NOW_NS, SECOND, World, running


def net(second: float, sent: int, interface: str = "eth0") -> Point:
    return Point.of("net", {"host": "h1", "interface": interface}, {"bytes_sent": sent}, NOW_NS + int(second * SECOND))


async def series(world: World, **parameters: str | list[str]) -> dict[str, Any]:
    answer = await world.get("/api/v1/series", **parameters)
    assert answer.status == 200, await answer.text()
    body: dict[str, Any] = await answer.json()
    return body


async def test_windows_share_one_axis(world: World) -> None:
    """With `every`: one time axis in milliseconds, a row of values per series and function, null for gaps."""
    await world.write(net(-300, 10), net(-290, 30), net(-110, 50), net(-110, 7, "lo"))
    body = await series(
        world, measurement="net", field="bytes_sent", start="-5m", stop="now", every="1m", fn=["mean", "count"]
    )

    first = NOW_NS // 1_000_000 - 300_000
    assert body == {
        "start": "2026-11-24T11:55:00Z",
        "stop": "2026-11-24T12:00:00Z",
        "step_ms": 60_000,
        "level": "raw",
        "levels": [{"level": "raw", "start": "2026-11-24T11:55:00Z", "stop": "2026-11-24T12:00:00Z"}],
        "time": [first + 60_000 * number for number in range(5)],
        "series": [
            {"tags": {"host": "h1", "interface": name}, "field": "bytes_sent", "fn": function, "values": values}
            for name, function, values in [
                ("eth0", "mean", [20.0, None, None, 50.0, None]),
                ("eth0", "count", [2, None, None, 1, None]),
                ("lo", "mean", [None, None, None, 7.0, None]),
                ("lo", "count", [None, None, None, 1, None]),
            ]
        ],
        "warnings": [],
    }


@pytest.mark.parametrize(("every", "count"), [("1s", 1), ("1m", 12), ("1h", 720)])
async def test_attempts_are_counted_per_second_minute_and_hour(world: World, every: str, count: int) -> None:
    """How often something is asked: what a probe attempts every five seconds, together with all others of its kind."""
    tags = {"host": "h1", "kind": "http", "service": "shop"}
    attempts = [
        Point.of("probe", tags | {"probe": name}, {"outcome": 0}, NOW_NS - second * SECOND + number)
        for number, name in enumerate(["health", "cart"])
        for second in range(5, 7_201, 5)
    ]
    await world.write(*attempts)
    body = await series(
        world, measurement="probe", field="outcome", start="-1h", every=every, fn="count", group_by="service"
    )

    (one,) = body["series"]
    assert {value for value in one["values"] if value} == {2 * count}
    assert sum(value or 0 for value in one["values"]) == 2 * 720


async def test_samples_carry_their_own_times(world: World) -> None:
    """Without `every`: what was stored, times floored to the millisecond."""
    await world.write(net(-10.0015, 1), net(-5, 2))
    body = await series(world, measurement="net", field="bytes_sent")

    (one,) = body["series"]
    assert (one["time"], one["values"]) == ([NOW_NS // 10**6 - 10_002, NOW_NS // 10**6 - 5_000], [1, 2])
    assert (body["step_ms"], body["warnings"]) == (None, [])
    assert "time" not in body


async def test_of_one_millisecond_the_last_wins_with_a_warning(world: World) -> None:
    """And the warning says where to find the others."""
    await world.write(net(-5, 1), net(-5 + 1e-6, 2), net(-4, 3))
    body = await series(world, measurement="net", field="bytes_sent")

    assert body["series"][0]["values"] == [2, 3]
    assert "export.csv" in body["warnings"][0]


async def test_the_latest_is_one_sample_of_each(world: World) -> None:
    """`latest=true`: the newest in the range."""
    await world.write(net(-20, 1), net(-10, 2), net(-15, 9, "lo"))
    body = await series(world, measurement="net", latest="true")

    assert [(one["tags"]["interface"], one["values"]) for one in body["series"]] == [("eth0", [2]), ("lo", [9])]


async def test_a_limit_cuts_each_series_and_says_so(world: World) -> None:
    """The oldest first."""
    await world.write(*(net(second, -second) for second in range(-10, 0)))
    body = await series(world, measurement="net", limit="3")

    assert body["series"][0]["values"] == [10, 9, 8]
    assert "first 3 samples" in body["warnings"][0]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (["interface:lo"], ["lo"]),
        (["interface!:lo"], ["eth0", "it's"]),
        (["interface~:^e|'"], ["eth0", "it's"]),
        (["interface:it's"], ["it's"]),
        (["host:h1", "interface~:o$"], ["lo"]),
        (["host:h2"], []),
        (["interface:a:b"], []),
        (["interface!~:^e"], ["it's", "lo"]),
        (["interface|:lo|it's|none"], ["it's", "lo"]),
        (["interface!|:lo|it's"], ["eth0"]),
        (["interface!:"], ["eth0", "it's", "lo"]),
        (["interface:"], []),
        (["interface!:", "interface!:lo"], ["eth0", "it's"]),
    ],
)
async def test_conditions_narrow_the_series(world: World, where: list[str], expected: list[str]) -> None:
    """Each of the forms, and its contrary; all must hold."""
    await world.write(net(-5, 1), net(-5, 1, "lo"), net(-5, 1, "it's"))
    body = await series(world, measurement="net", where=where)

    assert [one["tags"]["interface"] for one in body["series"]] == expected


@pytest.mark.parametrize(
    "start", ["-1h", "2026-11-24T11:00:00Z", "1795518000", "2026-11-24T13:00:00%2B02:00", "now-60m"]
)
async def test_a_time_is_understood_however_it_is_written(world: World, start: str) -> None:
    """RFC 3339, unix seconds, or relative."""
    body = await series(world, measurement="net", start=start.replace("%2B", "+"))

    assert body["start"] == "2026-11-24T11:00:00Z"


async def test_groups_and_the_greatest_of_them(world: World) -> None:
    """`group_by` makes one series for all that agree in a tag, `top` leaves the greatest."""
    await world.write(net(-50, 1), net(-50, 2, "lo"), net(-40, 9, "eth1"))
    asked = {"measurement": "net", "field": "bytes_sent", "start": "-1m", "every": "range", "fn": "max"}
    grouped = await series(world, **asked, group_by="host", group_fn="sum")
    over_all = await series(world, **asked, group_by="")
    top = await series(world, **asked, top="2")

    assert [(one["tags"], one["values"]) for one in grouped["series"]] == [({"host": "h1"}, [12])]
    assert [(one["tags"], one["values"]) for one in over_all["series"]] == [({}, [9])]
    assert [one["tags"]["interface"] for one in top["series"]] == ["eth1", "lo"]


async def test_quantiles_bear_the_name_people_give_them(world: World) -> None:
    """`q` is a value per window and quantile, by nearest rank; a histogram without samples answers from its buckets."""
    await world.write(*(net(second, second + 101) for second in range(-100, 0)))
    await world.write(Point.of("app", {"service": "a"}, {"latency_ms_le_200": 9, "latency_ms_le_1000": 1}, NOW_NS - 1))
    asked = {"start": "-1000s", "every": "range"}
    exact = await series(world, measurement="net", field="bytes_sent", q=["0.5", "0.999"], **asked)
    counted = await series(world, measurement="app", field="latency_ms", q="0.95", **asked)

    assert [(one["fn"], one["values"]) for one in exact["series"]] == [("p50", [50]), ("p99.9", [100])]
    assert [(one["field"], one["fn"], one["values"]) for one in counted["series"]] == [("latency_ms", "p95", [1000.0])]


async def test_coverage_counts_to_nought(world: World) -> None:
    """`fn=coverage`: how many samples each window has, 0 where there is none."""
    await world.write(net(-290, 1), net(-110, 1))
    body = await series(world, measurement="net", field="bytes_sent", start="-5m", every="1m", fn="coverage")

    assert [(one["fn"], one["values"]) for one in body["series"]] == [("coverage", [1, 0, 0, 1, 0])]


@pytest.mark.parametrize(
    ("values", "parameters", "expected"),
    [
        ("tag:interface", {"measurement": "net"}, ["eth0", "lo"]),
        ("tag:interface", {"measurement": "net", "where": "interface~:^l"}, ["lo"]),
        ("tag:interface", {"measurement": "net", "limit": "1"}, ["eth0"]),
        ("tag:interface", {"measurement": "net", "start": "-10s"}, ["eth0"]),
        ("field", {"measurement": "net"}, ["bytes_sent"]),
        ("measurement", {}, ["app", "net"]),
        ("measurement", {"start": "-10s"}, ["net"]),
    ],
)
async def test_values_are_those_with_samples_in_the_range(
    world: World, values: str, parameters: dict[str, str], expected: list[str]
) -> None:
    """`values=tag:NAME`, `field` or `measurement`: what a list to choose from needs."""
    await world.write(net(-5, 1), net(-50, 1, "lo"))
    await world.write(Point.of("app", {"service": "a"}, {"latency_ms_le_200": 9}, NOW_NS - 50 * SECOND))
    answer = await world.get("/api/v1/series", values=values, **parameters)

    assert (answer.status, (await answer.json())["values"]) == (200, expected)


@pytest.mark.parametrize(
    ("parameters", "status", "field", "words"),
    [
        ({}, 400, "measurement", "measurement=cpu"),
        ({"measurement": "cpi"}, 404, "measurement", "did you mean cpu?"),
        ({"measurement": "cpu", "field": "usage_activ"}, 422, "field", "did you mean usage_active?"),
        ({"measurement": "cpu", "where": "hots:h1"}, 422, "where", "did you mean host?"),
        ({"measurement": "cpu", "where": "host"}, 422, "where", "tag:value"),
        ({"measurement": "cpu", "where": "host~:("}, 422, "where", "knows them: missing"),
        ({"measurement": "cpu", "where": "host~:" + "a" * 501}, 422, "where", "500"),
        ({"measurement": "cpu", "where": ["host:a"] * 51}, 422, "where", "50"),
        ({"measurement": "cpu", "start": "yesterday"}, 400, "start", "'yesterday' is not a time"),
        ({"measurement": "cpu", "start": "2026-02-30T00:00:00Z"}, 400, "start", "RFC 3339"),
        ({"measurement": "cpu", "stop": "now-"}, 400, "stop", "not a time"),
        ({"measurement": "cpu", "start": "99999999999"}, 400, "start", "not a time"),
        ({"measurement": "cpu", "start": "now", "stop": "-1h"}, 422, "stop", "stop must be after start"),
        ({"measurement": "cpu", "start": "-3650d", "every": "1s"}, 422, "every", "ask for every="),
        ({"measurement": "cpu", "every": "soon"}, 400, "every", "is not a duration"),
        ({"measurement": "cpu", "every": "0s"}, 400, "every", "1 or more"),
        ({"measurement": "cpu", "every": "5m", "fn": "median"}, 400, "fn", "did you mean mean?"),
        ({"measurement": "cpu", "fn": "mean"}, 400, "fn", "every"),
        ({"measurement": "cpu", "every": "5m", "limit": "5"}, 400, "every", "limit"),
        ({"measurement": "cpu", "limit": "0"}, 422, "limit", "from 1"),
        ({"measurement": "cpu", "limit": "many"}, 400, "limit", "whole number"),
        ({"measurement": "cpu", "limit": "²"}, 400, "limit", "whole number"),
        ({"measurement": "cpu", "latest": "perhaps"}, 400, "latest", "true or false"),
        ({"measurement": ["cpu", "mem"]}, 400, "measurement", "more than once"),
        ({"measurement": "cpu", "feild": "x"}, 400, "feild", "did you mean field?"),
        ({"measurement": "cpu", "group_by": "host"}, 400, "group_by", "every=5m"),
        ({"measurement": "cpu", "every": "5m", "group_by": "hots"}, 422, "group_by", "did you mean host?"),
        ({"measurement": "cpu", "every": "5m", "group_fn": "max"}, 400, "group_fn", "group_by"),
        (
            {"measurement": "cpu", "every": "5m", "group_by": "host", "group_fn": "mx"},
            400,
            "group_fn",
            "did you mean max?",
        ),
        ({"measurement": "cpu", "start": "-3650d", "every": "1s"}, 422, "every", "ask for every=8h or more"),
        (
            {"measurement": "cpu", "start": "1677-09-22", "stop": "2262-04-10", "every": "range"},
            422,
            "every",
            "146 years",
        ),
        ({"measurement": "cpu", "every": "99999999h"}, 422, "every", "146 years"),
        ({"measurement": "cpu", "every": "999999999w"}, 400, "every", "too long a duration"),
        ({"measurement": "cpu", "start": "-999999999w"}, 400, "start", "is not a time"),
        ({"measurement": "cpu", "where": ":x"}, 422, "where", "tag:value"),
        ({"measurement": "cpu", "top": "5"}, 422, "top", "windows or latest"),
        ({"measurement": "cpu", "every": "5m", "top": "0"}, 422, "top", "from 1 to"),
        ({"measurement": "cpu", "every": "5m", "top": "-1"}, 400, "top", "whole number"),
        ({"measurement": "cpu", "q": "0.9"}, 400, "q", "every=5m"),
        ({"measurement": "cpu", "every": "5m", "q": "1.1"}, 422, "q", "from 0 to 1"),
        ({"measurement": "cpu", "every": "5m", "q": "nan"}, 422, "q", "from 0 to 1"),
        ({"measurement": "cpu", "every": "5m", "q": "0.9", "fn": "max"}, 400, "q", "instead of fn"),
        ({"measurement": "cpu", "every": "5m", "q": ["0.1"] + [f"0.{n}" for n in range(11, 30)]}, 422, "q", "times"),
        (
            {"measurement": "cpu", "every": "5m", "q": "0.9", "group_by": "host", "group_fn": "max"},
            422,
            "group_fn",
            "taking",
        ),
        ({"measurement": "cpu", "every": "5m", "fn": ["coverage", "max"]}, 400, "fn", "stands alone"),
        ({"measurement": "app", "every": "5m", "field": "latency_ms"}, 422, "field", "ask for q"),
        ({"measurement": "x" * 5_000}, 404, "measurement", "there is no measurement"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_name(
    world: World, parameters: dict[str, str | list[str]], status: int, field: str, words: str
) -> None:
    """Each refusal has its status, the parameter, and what to write instead; so has the export."""
    refusals = {path: await world.refusal(path, **parameters) for path in ("/api/v1/series", "/api/v1/export.csv")}

    for found, named, message in refusals.values():
        assert (found, named) == (status, field)
        assert words in message
        assert len(message) < 400


class Failing:
    """A store that cannot answer."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def read(self, query: object, deadline: timedelta = timedelta(0)) -> Any:
        raise self.error

    async def stream(self, query: object) -> Any:
        raise self.error
        yield


@pytest.mark.parametrize("error", [QueryTimedOut("stopped after 30s"), StoreUnavailable("no space")])
async def test_a_store_in_trouble_is_503(tmp_path: Path, error: Exception) -> None:
    """The error says why, for series as for the export."""
    async with running(tmp_path, reader=Failing(error)) as world:
        for path in ("/api/v1/series", "/api/v1/export.csv"):
            status, _, message = await world.refusal(path, measurement="cpu")
            assert (status, message) == (503, str(error))


async def test_the_schema_names_everything_that_can_be_asked(world: World) -> None:
    """Measurements with class, tags, and fields with type, unit and kind."""
    body = await (await world.get("/api/v1/schema")).json()
    (found,) = [one for one in body["measurements"] if one["name"] == "net"]

    assert found["class"] == "metrics"
    assert found["tags"] == ["host", "interface"]
    assert {field["name"]: (field["type"], field["kind"], field["unit"]) for field in found["fields"]}[
        "bytes_sent"
    ] == ("integer", "counter", "bytes")


@pytest.mark.parametrize(
    ("parameters", "status", "field", "words"),
    [
        ({"measurement": "cpu", "values": "tags"}, 400, "values", "tag:NAME"),
        ({"measurement": "cpu", "values": "tag:hots"}, 422, "values", "did you mean host?"),
        ({"measurement": "cpu", "values": "tag"}, 422, "values", "values=tag:service"),
        ({"values": "tag:host"}, 400, "measurement", "measurement=cpu"),
        ({"values": "measurement", "where": "host:a"}, 400, "where", "measurement"),
        ({"measurement": "cpu", "values": "field", "every": "5m"}, 400, "every", "values"),
    ],
)
async def test_a_question_for_values_that_makes_no_sense_is_refused_by_name(
    world: World, parameters: dict[str, str], status: int, field: str, words: str
) -> None:
    """What is wrong, and the way out."""
    answer = await world.get("/api/v1/series", **parameters)
    error = (await answer.json())["error"]

    assert (answer.status, error["field"]) == (status, field)
    assert words in error["message"]
