"""The one place that chooses adapters and joins the rooms. Shell."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from os import getpid
from typing import Protocol

from alerting.rule_status import ReloadOutcome
from api.app import build_app
from api.cached_reader import CachedReader
from api.doors import ApiSettings, Doors
from collector.disk_room import DiskRoom, filesystem_of
from collector.host import HostSampler
from opswatch.backup import Backups, Surroundings
from opswatch.boards import load_boards
from opswatch.canary import canary_of
from opswatch.data_directory import DataDirectory, ServerFacts
from opswatch.jobs import plan
from opswatch.listener import listening
from opswatch.loop_lag import LoopLag
from opswatch.migration import bring_forward
from opswatch.open_alerting import open_alerting
from opswatch.open_telling import open_telling
from opswatch.program_log import ProgramLog
from opswatch.scheduler import Scheduler
from opswatch.self_watch import SelfWatch, Watched
from opswatch.settings import Settings
from opswatch.state import State
from opswatch.storage import Place, open_storage
from opswatch.system_clock import system_clock
from opswatch.version import VERSION
from opswatch.write_path import open_write_path
from telemetry.clock import Clock

DRAIN_WITHIN = timedelta(seconds=30)


class Reload(Protocol):
    """Reads the rules anew."""

    async def __call__(self, author: str, *, dry_run: bool) -> ReloadOutcome:
        """Raises ConfigurationError with every fault, StoreUnavailable; then nothing has changed."""
        ...


@dataclass(frozen=True, slots=True)
class RunningApp:
    """Where the application answers. `owner_link` is None once it has an owner; `token` is that of server.json.

    `reload` reads the rules anew, in somebody's name.
    """

    url: str
    owner_link: str | None
    token: str
    reload: Reload


@asynccontextmanager
async def open_app(settings: Settings, log: ProgramLog, *, only_answering: bool = False) -> AsyncIterator[RunningApp]:
    """The whole application, as long as the block runs.

    `only_answering`: on a free loopback port and without any job, for a command that wants an answer.
    Raises OpsWatchError: DataDirectoryInUse, StoreUnavailable, ListenError, ConfigurationError, ...
    """
    clock, host, token = system_clock(), socket.gethostname(), secrets.token_urlsafe(32)
    boards = load_boards(settings.dashboards_file)
    directory = DataDirectory(settings.data_dir)
    async with AsyncExitStack() as stack:
        stack.enter_context(directory.held())
        await asyncio.to_thread(bring_forward, directory, clock.now())
        state = await stack.enter_async_context(State.opened(directory.state))
        registry = await state.learned_schema.registry()
        room = open_room(directory, settings, clock)
        place = Place(directory, settings, room, clock, host)
        storage = await stack.enter_async_context(open_storage(place, registry))
        intake = await stack.enter_async_context(open_write_path(place, storage, registry, state.learned_schema))
        spool, collector = intake.spool, intake.collector
        scheduler, lag = Scheduler(clock), LoopLag()
        alerting = await open_alerting(settings, state, (storage.reader, spool), registry, clock)
        telling, links = await stack.enter_async_context(open_telling(place, state, alerting))
        canary = canary_of(place, intake, storage.reader, alerting, telling)
        parts = Watched(storage, spool, room, collector, scheduler, lag, log, alerting, telling, canary)
        watch = SelfWatch(parts, registry, clock, host)
        doors = Doors(
            reader=CachedReader(storage.reader, clock.monotonic),
            exporter=storage.exporter,
            intake=intake.pushed,
            quarantine=intake.replay,
            disk_room=room,
            backups=Backups(directory, storage.copied, room, Surroundings(host, settings.config_file, clock)),
            services=collector,
            alerts=alerting,
            incidents=alerting,
            evaluations=alerting,
            rules=alerting,
            explainer=state.explanations,
            receivers=telling,
            links=links,
            silences=state.silences,
            maintenance=state.maintenance,
            duty=state.duty,
            windows=lambda: settings.telling.windows,
            rotations=lambda: settings.telling.rotations,
            registry=registry,
            tokens=state.tokens,
            sessions=state.sessions,
            ownership=state.ownership,
            own_health=watch.own_health,
            exposition=watch.exposition,
            boards=boards,
            clock=clock,
            settings=api_settings(settings, host),
            local_token=token,
        )
        listen = (
            ("127.0.0.1", 0, None) if only_answering else (settings.listen_host, settings.listen_port, settings.tls)
        )
        address = await stack.enter_async_context(listening(build_app(doors), *listen))
        url = address + settings.base_path
        if only_answering:
            await spool.drain(DRAIN_WITHIN)
            yield RunningApp(url, None, token, alerting.reload)
            return
        directory.write_server_facts(ServerFacts(url, getpid(), token))
        stack.callback(directory.remove_server_facts)
        plan(scheduler, collector, HostSampler(host), watch, settings, clock)
        storage.plan_jobs(scheduler)
        if settings.alerting_enabled:
            alerting.plan_jobs(scheduler)
            telling.plan_jobs(scheduler)
        canary.plan_jobs(scheduler, url)
        await stack.enter_async_context(lag.watched())
        await stack.enter_async_context(scheduler.running())
        yield RunningApp(url, await owner_link(state, settings, url, clock), token, alerting.reload)


def open_room(directory: DataDirectory, settings: Settings, clock: Clock) -> DiskRoom:
    """The room on the filesystem of the data directory."""
    return DiskRoom(lambda: filesystem_of(directory.root), settings.disk_reserve, clock)


def api_settings(settings: Settings, host: str) -> ApiSettings:
    """What the server needs of the settings."""
    return ApiSettings(
        host=host,
        version=VERSION,
        refresh_interval=settings.refresh_interval,
        host_interval=settings.host_interval,
        base_path=settings.base_path,
        time_zone=settings.time_zone,
        retention=settings.retention,
        trusted_proxies=settings.trusted_proxies,
        secure_cookies=settings.tls is not None,
    )


async def owner_link(state: State, settings: Settings, url: str, clock: Clock) -> str | None:
    """The one-time link that makes an owner; None where there is one, or a token file makes it."""
    if settings.owner_token_file is not None:
        token = settings.owner_token_file.read_text(encoding="utf-8").strip()
        await state.ownership.ensure_token(token, clock.now())
    if await state.ownership.exists():
        return None
    return f"{url}/setup#{state.ownership.issue_key(clock.now())}"
