"""Looks at an InfluxDB and makes it what the settings ask for, step by step, each time from what is there. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random

from pydantic import SecretStr

from influx import changes
from influx.admin_answers import lacks
from influx.administration import Administration, SeenAuthorization, SeenBucket
from influx.blueprint import FOR_EVER, Blueprint, Token, blueprint
from influx.changes import (
    AlterBucket,
    Change,
    DeleteLeftover,
    Held,
    Leftover,
    MakeBucket,
    MakeToken,
    SeenToken,
    SetUp,
    There,
)
from influx.connection import InfluxConnection
from influx.examination import wrong_server
from influx.permissions import Permission
from influx.settings import InfluxSettings
from influx.stack_administration import StackAdministration
from influx.stack_changes import ApplyStack, RemoveStack, StackChange
from influx.task_administration import TaskAdministration
from influx.task_changes import AlterTask, DeleteTask, MakeTask, TaskChange
from influx.token_rights import connected, granted, oldest_point
from opswatch.boards import load_boards
from opswatch.data_directory import DataDirectory
from opswatch.influx_dashboards import template_objects
from opswatch.influx_keys import InfluxKeys, read_token
from opswatch.settings import Settings
from telemetry.errors import ConfigurationError, Fault, OpsWatchError, ServerError
from telemetry.times import from_datetime

_MOST_ROUNDS = 32  # six stages, and several times as often where others change the same things
_MOST_HALVES = 8  # times that dashboards may be half made by two at once
_chance = Random()  # noqa: S311 (when to try again is no secret)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be there, where, in whose name, and what was allowed. `admin_token` None: the owner's, where we set
    the server up."""

    influx: InfluxSettings
    wanted: Blueprint
    keys: InfluxKeys
    admin_token: SecretStr | None
    now: datetime
    permissions: frozenset[Permission] = frozenset()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen, with the ids by which it is changed."""

    there: There
    org: str = ""
    buckets: Mapping[str, SeenBucket] = field(default_factory=dict)


@dataclass(slots=True)
class _Unseen:
    """What the server says is there, or has made, and the token to provision with may not see."""

    buckets: set[str] = field(default_factory=set)
    has_stack: bool = False
    halves: int = 0  # times that the dashboards were made only in part


def wish_of(
    settings: Settings, admin_token: SecretStr | None, now: datetime, permissions: frozenset[Permission] = frozenset()
) -> Wish:
    """What these settings ask for. Raises ConfigurationError where the store is another."""
    influx = settings.influx
    if influx is None:
        hint = "set storage.kind to influxdb, or OPSWATCH_STORAGE"
        source = str(settings.config_file) if settings.config_file else "environment"
        raise ConfigurationError([Fault("the store is embedded, and needs no provision", source, hint=hint)])
    directory = DataDirectory(settings.data_dir)
    keys = InfluxKeys(directory, influx.token_file or directory.influx_token)
    boards = load_boards(settings.dashboards_file)
    objects = template_objects(influx, boards) if settings.influx_dashboards else ()
    return Wish(influx, blueprint(influx, settings.retention, objects), keys, admin_token, now, permissions)


async def look(wish: Wish) -> There:
    """What is there now; changes nothing. Raises StoreUnavailable, ServerError, OutputError, ConfigurationError."""
    return (await _look(wish)).there


async def apply(wish: Wish, say: Callable[[str], None]) -> There:
    """Make the changes that are permitted, telling of each before, and look again at the end.

    Wherever an earlier one was cut off, this one goes on: nothing is remembered but what is there. Raises as `look`.
    """
    wish.keys.directory.prepare()
    told: list[str] = []

    def wait() -> None:
        if not told:
            told.append("another `opswatch provision apply` is at work here; waiting for its end")
            say(told[0])

    async with wish.keys.locked(wait):
        unseen = _Unseen()
        for _ in range(_MOST_ROUNDS):
            seen = await _look(wish)
            step = changes.next_step(wish.wanted, seen.there, wish.permissions)
            if not step:
                await _settle_owner(wish)
                return seen.there
            for change in step:
                say(f"{change.subject}: {change.words}")
                await _make(wish, seen, change, unseen)
            if any(isinstance(change, SetUp) for change in step):
                wish = replace(wish, admin_token=None)
    raise ServerError("what was made in InfluxDB is otherwise when looked at again: does somebody else change it, too?")


async def _look(wish: Wish) -> _Seen:
    async with connected(wish.influx, None) as connection:
        if fault := wrong_server(await connection.ask("GET", "/ping"), wish.influx.url):
            raise ServerError(fault)
        if await Administration(connection).is_fresh():
            return _Seen(There(is_set_up=False))
    async with connected(wish.influx, await _admin_token(wish)) as connection:
        return await _look_closely(wish, connection)


async def _look_closely(wish: Wish, connection: InfluxConnection) -> _Seen:
    administration = Administration(connection)
    org, stack = await administration.organisation(), wish.wanted.stack
    buckets = await administration.buckets([one.name for one in wish.wanted.buckets])
    authorizations = await administration.authorizations(org)
    return _Seen(
        There(
            is_set_up=True,
            buckets={name: one.bucket for name, one in buckets.items()},
            tokens={one.name: await _seen_token(wish, one, set(buckets), authorizations) for one in wish.wanted.tokens},
            oldest={name: time async for name, time in _oldest(wish, connection, buckets)},
            tasks=await TaskAdministration(connection).tasks(org, [one.name for one in wish.wanted.tasks]),
            stacks=await StackAdministration(connection).stacks(org, stack.name) if stack is not None else (),
        ),
        org,
        buckets,
    )


async def _seen_token(
    wish: Wish, token: Token, buckets: set[str], authorizations: tuple[SeenAuthorization, ...]
) -> SeenToken:
    value = wish.keys.token(token.name)
    rights = None if value is None else await granted(wish.influx, value, buckets)
    own = None if value is None else wish.keys.authorization(token.name, value)
    held = Held.NOTHING if value is None else Held.UNKNOWN if rights is None else Held.KNOWN
    leftovers = tuple(
        Leftover(one.id, one.description, one.made)
        for one in authorizations
        if one.description == token.description and (one.id != own or held is not Held.KNOWN)
    )
    if rights is None:
        return SeenToken(held, is_ours=own is not None, leftovers=leftovers)
    return SeenToken(held, rights.rights, own is not None, rights.sees_others, leftovers)


async def _oldest(
    wish: Wish, connection: InfluxConnection, buckets: Mapping[str, SeenBucket]
) -> AsyncIterator[tuple[str, str]]:
    """(bucket, time) of the oldest point that a shorter retention would lose."""
    for bucket in wish.wanted.buckets:
        seen = buckets.get(bucket.name)
        if seen is not None and bucket.retention != FOR_EVER and changes.keeps_longer(seen.bucket, bucket):
            before = from_datetime(wish.now - timedelta(seconds=bucket.retention))
            yield bucket.name, await oldest_point(connection, bucket.name, before)


async def _admin_token(wish: Wish) -> SecretStr:
    """The token to make things with. Raises ConfigurationError when there is none."""
    if wish.admin_token is not None:
        return wish.admin_token
    if (owner := read_token(wish.keys.owner_token)) is not None:
        return owner
    if (pending := await _pending_owner(wish)) is not None:
        return pending
    hint = (
        "set it, or INFLUXDB_V2_TOKEN, to a token with all rights in the organisation:"
        f" `influx auth create --org {wish.influx.org} --all-access`, or the owner's; for a start that provisions by"
        " itself, storage.influxdb.admin_token_file"
    )
    raise ConfigurationError(
        [Fault("there is no token to provision with", "command line", "--admin-token-file", hint=hint)]
    )


async def _pending_owner(wish: Wish) -> SecretStr | None:
    """The token of a setup that was cut off, where the server had it done before."""
    pending = wish.keys.pending_owner()
    return pending if pending is not None and await granted(wish.influx, pending, ()) is not None else None


async def _settle_owner(wish: Wish) -> None:
    if await _pending_owner(wish) is not None:
        wish.keys.settle_owner()


async def _make(wish: Wish, seen: _Seen, change: Change, unseen: _Unseen) -> None:
    if isinstance(change, SetUp):
        await _set_up(wish, change)
        return
    async with connected(wish.influx, await _admin_token(wish)) as connection:
        administration = Administration(connection)
        match change:
            case MakeBucket(bucket):
                if not await administration.make_bucket(seen.org, bucket):
                    # Somebody else was faster, which is as good; the next look says whether it is as it should be.
                    if bucket.name in unseen.buckets:
                        raise ServerError(
                            f"there is a bucket {bucket.name}, which the token to provision with may not read: it lacks"
                            f" the right to read buckets of the organisation {wish.influx.org}"
                        )
                    unseen.buckets.add(bucket.name)
            case AlterBucket(after=bucket):
                await administration.alter_bucket(seen.buckets[bucket.name].id, bucket)
            case MakeToken(token):
                await _make_token(wish, administration, seen, token)
            case DeleteLeftover(leftover):
                await administration.delete_authorization(leftover.id)
            case MakeTask() | AlterTask() | DeleteTask():
                await _make_task(TaskAdministration(connection), seen.org, change)
            case ApplyStack() | RemoveStack():
                await _make_stack(StackAdministration(connection), seen.org, change, unseen)


async def _make_task(tasks: TaskAdministration, org: str, change: TaskChange) -> None:
    match change:
        case MakeTask(task):
            await tasks.make(org, task)
        case AlterTask(before, after):
            await tasks.alter(before.id, after)
        case DeleteTask(seen):
            await tasks.delete(seen)


async def _make_stack(stacks: StackAdministration, org: str, change: StackChange, unseen: _Unseen) -> None:
    match change:
        case ApplyStack(stack, before):
            if before is None and unseen.has_stack:
                raise ServerError(f"the dashboards were made, and cannot be seen: {lacks('read', 'dashboards')}")
            unseen.has_stack = unseen.has_stack or before is None
            failure = await stacks.apply(org, stack, before)
            if failure is not None:
                unseen.halves += 1
                if unseen.halves > _MOST_HALVES:
                    raise failure
                # Not at the same moment as the other one again.
                await asyncio.sleep(_chance.uniform(0, 0.5) * 2 ** min(unseen.halves, 4))
        case RemoveStack(seen):
            await stacks.remove(org, seen)


async def _make_token(wish: Wish, administration: Administration, seen: _Seen, token: Token) -> None:
    wish.keys.check_room(token.name)
    rights = [(right, seen.buckets[right.bucket].id) for right in sorted(token.rights, key=str)]
    made = await administration.make_token(seen.org, token.description, rights)
    try:
        wish.keys.keep(token.name, made.value, made.authorization)
    except OpsWatchError:
        await administration.delete_authorization(made.authorization)  # nobody will ever know its value
        raise


async def _set_up(wish: Wish, change: SetUp) -> None:
    password, token = wish.keys.owner()
    async with connected(wish.influx, None) as connection:
        is_ours = await Administration(connection).set_up(change.bucket, password, token)
    if is_ours or await granted(wish.influx, token, ()) is not None:
        wish.keys.settle_owner()
    else:
        wish.keys.forget_owner()
