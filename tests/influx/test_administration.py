"""The calls that make a server ours: what InfluxDB says to them, and what somebody else might say instead."""

import json
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from influx.administration import Administration
from influx.blueprint import FOR_EVER, Action, Bucket, Right
from influx.connection import MAX_LISTING_BYTES
from influx.token_rights import connected, granted, oldest_point
from telemetry.errors import ServerError, StoreUnavailable
from tests.influx import stub
from tests.influx.server import InfluxServer
from tests.influx.stub import QUERY, WRITE, Reply, Stub, stub_server

BUCKETS, ORGS, SETUP, TOKENS = (f"/api/v2/{word}" for word in ("buckets", "orgs", "setup", "authorizations"))
ID = "0123456789abcdef"
SECRET = SecretStr("secret-token")


@pytest.fixture
async def server() -> AsyncIterator[Stub]:
    async with stub_server() as running:
        yield running


def said(body: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json; charset=utf-8"})


async def test_a_bucket_is_made_once_and_changed_as_it_should_be(influx: InfluxServer) -> None:
    """Made meanwhile by somebody else is no error; also odd durations and for ever come back as they went."""
    name = influx.fresh().bucket_prefix + "_more"
    async with connected(influx.fresh(), SecretStr(influx.token)) as connection:
        ours = Administration(connection)
        org = await ours.organisation()
        assert await ours.buckets([name]) == {}
        for bucket in (Bucket(name, 90_061, 3_601), Bucket(name, FOR_EVER, 86_400), Bucket(name, 3_600, 3_600)):
            if not (seen := await ours.buckets([name])):
                assert await ours.make_bucket(org, bucket)
            else:
                await ours.alter_bucket(seen[name].id, bucket)
            assert (await ours.buckets([name]))[name].bucket == bucket
        assert not await ours.make_bucket(org, bucket)


async def test_rights_are_those_that_were_given(influx: InfluxServer) -> None:
    """Found by trying, for any token; a strange one has none, and is told from one that has no rights here."""
    settings = influx.fresh()
    one, other = f"{settings.bucket_prefix}_raw", f"{settings.bucket_prefix}_self"
    token = influx.make_token(("read", one), ("write", other))

    found = await granted(settings, SecretStr(token), [one, other])
    assert found is not None
    assert found.rights == {Right(Action.READ, one), Right(Action.WRITE, other)}
    assert not found.sees_others
    everywhere = await granted(settings, SecretStr(influx.token), [one])
    assert everywhere is not None
    assert everywhere.sees_others
    assert await granted(settings, SecretStr("nobodys"), [one]) is None


async def test_a_token_that_was_switched_off_has_no_rights(influx: InfluxServer) -> None:
    """The server knows it, and lets it do nothing."""
    settings = influx.fresh()
    async with connected(settings, SecretStr(influx.token)) as connection:
        ours = Administration(connection)
        bucket = (await ours.buckets([settings.bucket_prefix + "_raw"]))[settings.bucket_prefix + "_raw"]
        right = Right(Action.READ, bucket.bucket.name)
        made = await ours.make_token(await ours.organisation(), "switched off", [(right, bucket.id)])
    influx.call("PATCH", f"/api/v2/authorizations/{made.authorization}", {"status": "inactive"})

    found = await granted(settings, made.value, [right.bucket])
    assert found is not None
    assert found.rights == frozenset()


@pytest.mark.parametrize(
    "reply",
    [
        stub.HTML,
        said([]),
        said({"orgs": None}),
        said({"orgs": [{"id": "../../etc", "name": "ops"}]}),
        said({"orgs": [{"id": ID.upper(), "name": "ops"}]}),
        Reply(200, b"[" * 50_000, {"Content-Type": "application/json"}),
        Reply(200, b"\xff\xfe", {"Content-Type": "application/json"}),
        Reply(302, b"", {"Location": "http://127.0.0.1:1/"}),
        stub.error(500, "internal error", "it is broken"),
    ],
)
async def test_an_answer_that_is_none_of_influxdbs_is_an_error_in_a_sentence(server: Stub, reply: Reply) -> None:
    """Whatever it is: no traceback, nothing done with what it says, and the token went nowhere else."""
    for path in (ORGS, SETUP, BUCKETS, TOKENS):
        server.script(path, [reply])
    async with connected(server.settings(), SECRET) as connection:
        ours = Administration(connection)
        for call in (ours.organisation(), ours.is_fresh(), ours.buckets(["b"]), ours.authorizations(ID)):
            with pytest.raises(ServerError) as caught:
                await call
            assert "secret-token" not in caught.value.message
            assert len(caught.value.message) < 1_000


async def test_an_identifier_never_becomes_a_path_of_the_servers_choice(server: Stub) -> None:
    """It is sixteen digits, or the answer is refused."""
    server.script(BUCKETS, [said({"buckets": [{"id": "../authorizations/1", "name": "b", "retentionRules": []}]})])
    async with connected(server.settings(), SECRET) as connection:
        with pytest.raises(ServerError, match=r"cannot be read: buckets\.0\.id"):
            await Administration(connection).buckets(["b"])


async def test_a_new_token_is_never_quoted(server: Stub) -> None:
    """Also when the answer that holds it cannot be read."""
    server.script(TOKENS, [said({"id": "odd", "token": "the-new-one"}, 201)])
    async with connected(server.settings(), SECRET) as connection:
        with pytest.raises(ServerError) as caught:
            await Administration(connection).make_token(ID, "d", [])
    assert "the-new-one" not in str(caught.value)
    server.script(TOKENS, [said({"id": ID, "token": "the-new-one"}, 201)])
    async with connected(server.settings(), SECRET) as connection:
        made = await Administration(connection).make_token(ID, "d", [])
    assert "the-new-one" not in repr(made)
    assert made.value.get_secret_value() == "the-new-one"


async def test_a_long_list_is_read_to_its_end_and_an_endless_one_is_not(server: Stub) -> None:
    """A thousand tokens are more than the beginning of an answer; what never ends is cut and refused."""
    ones = [{"id": f"{number:016x}", "description": "d" * 500} for number in range(1_000)]
    server.script(TOKENS, [said({"authorizations": ones}), Reply(200, b" " * (MAX_LISTING_BYTES + 10))])
    async with connected(server.settings(), SECRET) as connection:
        assert len(await Administration(connection).authorizations(ID)) == 1_000
        with pytest.raises(ServerError):
            await Administration(connection).authorizations(ID)


async def test_a_server_in_trouble_says_nothing_of_rights(server: Stub) -> None:
    """A token that cannot be tried now is not one without rights: else it would be replaced."""
    server.script(BUCKETS, [said({"buckets": []})])
    for path, reply in ((WRITE, stub.WRITE_TIMEOUT), (QUERY, stub.error(500, "internal error", "panic"))):
        server.scripts.pop(WRITE, None)
        server.script(path, [reply])
        with pytest.raises(StoreUnavailable, match="is not known"):
            await granted(server.settings(), SECRET, ["b"])
    server.script(BUCKETS, [stub.error(503, "unavailable", "busy")])
    with pytest.raises(StoreUnavailable, match="is not known"):
        await granted(server.settings(), SECRET, [])


@pytest.mark.parametrize(
    ("reply", "time"),
    [
        (
            stub.table(("result", "table", "_time"), ("_result", "0", "2026-01-02T03:04:05.678Z")),
            "2026-01-02T03:04:05Z",
        ),
        (stub.EMPTY, ""),
        (stub.HTML, ""),
        (stub.table(("result", "table", "_time"), ("_result", "0", "\x1b[31mred")), ""),
    ],
)
async def test_the_oldest_point_is_a_time_or_nothing(server: Stub, reply: Reply, time: str) -> None:
    """It is shown to people, so nothing else of an answer gets through."""
    server.script(QUERY, [reply])
    async with connected(server.settings(), SECRET) as connection:
        assert await oldest_point(connection, "b", 10**18) == time
