"""A whole server for the tests: the real application over a real store and a real state, on a free port."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from alerting.duty import Person, Rotation
from alerting.evaluate import Evaluator
from alerting.evaluate import Surroundings as Around
from alerting.label_match import LabelMatch
from alerting.outbox import Answer, Notice
from alerting.outbox import Outcome as Sent
from alerting.receivers import HOUR, EmailTarget, Receiver, ReceiverKind, SmtpServer, WebhookTarget
from alerting.routes import Route
from alerting.summaries import Summaries
from alerting.windows import Cron, Window
from api.access import Role
from api.app import build_app
from api.doors import ApiSettings, Doors, OwnHealth
from collector.disk_room import DiskRoom, Filesystem
from collector.intake import Intake, IntakeSettings
from collector.quarantine import Quarantine
from collector.replay import Replay, ReplayParts
from collector.spool import Spool, SpoolLimits
from dashboards.panels import parse_config
from embedded.engine import EngineOptions
from embedded.store import EmbeddedOptions, EmbeddedStore
from embedded.stream_export import StreamExporter, StreamOptions
from influx.settings import InfluxSettings
from influx.store import InfluxStore
from opswatch.alert_surroundings import WatchedServices
from opswatch.alerting import Alerting, Parts
from opswatch.backup import Backups, Surroundings
from opswatch.data_directory import VERSION, DataDirectory
from opswatch.link_desk import StoredLinkDesk
from opswatch.link_keys import LinkKeys
from opswatch.listener import listening
from opswatch.open_telling import Means, joined_telling
from opswatch.rules_file import load_rules
from opswatch.state import State
from opswatch.telling import Telling
from opswatch.telling_settings import TellingSettings
from telemetry.clock import Clock
from telemetry.health import Outcome, ProbeStatus, ServiceStatus
from telemetry.health import State as ProbeState
from telemetry.measurements import BUILT_IN
from telemetry.points import Point, Tags
from telemetry.ports import PointWriter, SeriesReader, TableExporter, WriteStatus
from telemetry.rollup import Retention
from telemetry.schema import Registry

SECOND = 1_000_000_000
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * SECOND
LOCAL_TOKEN = "local-token-of-server-json-0123456789"
ROLES = {"viewer": Role.VIEWER, "operator": Role.OPERATOR, "admin": Role.ADMIN}
BOARDS = Path(__file__).parents[2] / "infrastructure" / "monitoring" / "dashboard_config.json"


@dataclass
class SetClock:
    """A clock that stands still until it is told."""

    wall: datetime = NOW
    seconds: float = 1_000.0

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.seconds)

    def advance(self, duration: timedelta) -> None:
        self.wall += duration
        self.seconds += duration.total_seconds()


def probe(name: str = "health", state: ProbeState = ProbeState.UP, **more: object) -> ProbeStatus:
    known = ProbeStatus(
        name,
        "http",
        "http://checkout:8080/health",
        timedelta(seconds=30),
        state,
        since=NOW - timedelta(hours=2),
        outcome=Outcome.OK,
        latency_ms=12.3456,
        last_attempt=NOW - timedelta(seconds=3),
        next_attempt=NOW + timedelta(seconds=27),
    )
    return replace(known, **more)  # type: ignore[arg-type]


def service(name: str = "checkout", *probes: ProbeStatus) -> ServiceStatus:
    return ServiceStatus(name, (("team", "shop"),), ("postgres",), probes or (probe(),))


@dataclass
class Catalog:
    """The services that somebody says there are."""

    known: tuple[ServiceStatus, ...] = ()

    def services(self) -> tuple[ServiceStatus, ...]:
        return self.known


def healthy() -> OwnHealth:
    return OwnHealth(
        reasons=(),
        log_rotation_status="healthy",
        spool_pending_batches=2,
        spool_oldest_s=0.5,
        spool_trouble="",
        spool_dropped_points=0,
        store_kind="embedded",
        store_file_bytes=4_096,
        store_series=7,
        started=NOW - timedelta(hours=1),
        first_sample_due=None,
    )


def options_in(folder: Path) -> EmbeddedOptions:
    """A store that may export."""
    exports = folder / "exports"
    exports.mkdir(exist_ok=True)
    return EmbeddedOptions(engine=EngineOptions(allowed_directories=(exports,)), exports=exports)


@dataclass
class Disk:
    """A filesystem of 100 GB, half of it free, until it is told; it is looked at once a second."""

    free: int = 50_000_000_000

    def measure(self) -> Filesystem:
        return Filesystem(self.free, 100_000_000_000)


@dataclass
class World:
    """The server and everything behind it; tests change what they need."""

    url: str
    app: web.Application
    session: aiohttp.ClientSession
    store: EmbeddedStore | InfluxStore
    spool: Spool
    folder: Path
    state: State
    clock: SetClock
    catalog: Catalog
    own: list[OwnHealth]
    tokens: dict[str, str] = field(default_factory=dict)
    disk: Disk = field(default_factory=Disk)
    alerting: Alerting | None = None
    telling: Telling | None = None

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def bearer(self, who: str = "viewer") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"}

    async def write(self, *points: Point) -> None:
        assert (await self.store.write(points)).status is WriteStatus.OK

    async def get(self, path: str, who: str = "viewer", **parameters: str | list[str]) -> aiohttp.ClientResponse:
        """GET as `who`; the body is read already."""
        pairs = [
            (name, one) for name, value in parameters.items() for one in (value if isinstance(value, list) else [value])
        ]
        headers = self.bearer(who) if who else {}
        async with self.session.get(self.url + path, params=pairs, headers=headers, allow_redirects=False) as answer:
            await answer.read()
        return answer

    async def refusal(self, path: str, **parameters: str | list[str]) -> tuple[int, str | None, str]:
        """Status, field and message of a GET that is refused."""
        answer = await self.get(path, **parameters)
        error = (await answer.json())["error"]
        assert set(error) == {"code", "message", "field", "value"}
        return answer.status, error["field"], error["message"]

    async def raw(self, request: bytes) -> tuple[int, bytes]:
        """The status and the rest of the answer to bytes that no client library would send."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        return int(answer.split(b" ", 2)[1]), answer

    async def log_in(self, who: str = "viewer") -> str:
        """The session cookie's value, as /login sets it."""
        form = {"token": self.tokens[who]}
        async with self.session.post(f"{self.url}/login", data=form, allow_redirects=False) as answer:
            assert answer.status == 303
            return answer.cookies["opswatch_session"].value


RULES = """
rules:
  - {name: load_high, query: {measurement: system, field: load1, window: 1m}, labels: {team: shop},
     warning: {above: 5, clear: 4}, critical: {above: 10, clear: 8}, runbook: "https://wiki.example/load",
     description: The load is high, summary: "load of {{ tags.host }} is {{ value }}"}
  - {name: service_health, query: {measurement: probe, field: state, fn: last, group_by: [service, probe]},
     critical: {at_most: 0}, summary: "{{ tags.service }} is down"}
"""


class Taken:
    """A way of telling that always works."""

    async def send(self, receiver: Receiver, notice: Notice, recipients: Sequence[str]) -> Sequence[Answer]:
        return [Answer(Sent.DELIVERED, "200", "thanks", 1.0, one) for one in recipients]


HOOK = Receiver("hook", WebhookTarget(SecretStr("http://127.0.0.1:9/secret-path")))
MAIL = Receiver("ops-mail", EmailTarget(("ops@example.com",), SmtpServer("127.0.0.1", sender="ops@example.com")))
ROTATION = Rotation(
    "on-duty",
    ZoneInfo("Europe/Berlin"),
    0,
    time(9),
    date(2026, 1, 5),
    (Person("anna", "hook"), Person("ben", "ops-mail")),
)
SUNDAY = Window("sunday", LabelMatch.of({"service": "checkout"}), HOUR, ZoneInfo("UTC"), Cron("0 3 * * SUN"))
TELLING = TellingSettings(
    (HOOK, MAIL), (Route("to hook", LabelMatch(), "hook"),), rotations=(ROTATION,), windows=(SUNDAY,)
)


def joined(world: "World", settings: TellingSettings, sender: Taken) -> AbstractAsyncContextManager[Telling]:
    """Telling of this world by other settings."""
    assert world.alerting is not None
    means = Means(dict.fromkeys(ReceiverKind, sender), None, None, "h1", ZoneInfo("UTC"))
    return joined_telling(settings, world.state, world.alerting, means, world.clock.clock)


async def alerting_of(
    folder: Path, state: State, ports: tuple[SeriesReader, PointWriter], registry: Registry, clock: Clock
) -> Alerting:
    """Alerting with the rules of a file of its own, which tests may write anew; nothing evaluates by itself."""
    file = folder / "rules.yaml"
    file.write_text(RULES)
    watched = WatchedServices(())
    around = Around(clock, watched.lookback, watched.freshness, watched.dependencies, Summaries(registry))
    evaluator = Evaluator(ports[0], state.ledger, load_rules(file, registry), around)
    load = partial(load_rules, file, registry)
    made = Alerting(Parts(evaluator, ports[0], around, state.ledger, state.incidents, ports[1], load, registry, clock))
    await made.start()
    return made


@asynccontextmanager
async def opened(
    folder: Path, registry: Registry, clock: Clock, influx: InfluxSettings | None
) -> AsyncIterator[tuple[EmbeddedStore | InfluxStore, TableExporter, Sequence[tuple[str, Tags]]]]:
    """The store with its exporter and what is in it."""
    if influx is None:
        async with EmbeddedStore.opened(folder / "metrics.duckdb", options_in(folder), registry) as store:
            yield store, store, store.tag_sets()
        return
    exports = options_in(folder).exports
    assert exports is not None
    async with InfluxStore.opened(influx, Retention(), registry, clock, "h1") as server:
        yield server, StreamExporter(server, registry, exports, StreamOptions()), await server.tag_sets()


@asynccontextmanager
async def running(
    folder: Path,
    settings: ApiSettings | None = None,
    reader: SeriesReader | None = None,
    change: Callable[[Doors], Doors] = lambda doors: doors,
    influx: InfluxSettings | None = None,
) -> AsyncIterator[World]:
    """A server with a token of every role; the owner does not exist yet. `change` puts other doors in.

    On the embedded store, or on InfluxDB where `influx` says which.
    """
    clock, catalog, own = SetClock(), Catalog((service(),)), [healthy()]

    async def own_health() -> OwnHealth:
        return own[0]

    (folder / "version").write_text(f"{VERSION}\n")
    registry, quarantine = BUILT_IN.learning(), Quarantine(folder / "quarantine", clock.clock)
    async with (
        opened(folder, registry, clock.clock, influx) as (store, exporter, tag_sets),
        State.opened(folder / "state.sqlite") as state,
        Spool.opened(folder / "spool.sqlite", store, quarantine, SpoolLimits(), clock.clock) as spool,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        AsyncExitStack() as stack,
    ):
        copied = store if isinstance(store, EmbeddedStore) else None
        disk = Disk()
        room = DiskRoom(disk.measure, None, clock.clock)
        pushed = IntakeSettings(known=tag_sets)
        intake = Intake(spool, registry, state.learned_schema, quarantine, clock.clock, pushed)
        tokens = {name: await state.tokens.create(name, role, NOW) for name, role in ROLES.items()}
        alerting = await alerting_of(folder, state, (store, spool), registry, clock.clock)
        keys = LinkKeys(DataDirectory(folder))
        links = StoredLinkDesk(keys, state, "http://ops.example", clock.clock, alerting.refresh)
        means = Means(dict.fromkeys(ReceiverKind, Taken()), links.link, None, "h1", ZoneInfo("UTC"))
        telling = await stack.enter_async_context(joined_telling(TELLING, state, alerting, means, clock.clock))
        doors = Doors(
            reader=reader or store,
            exporter=exporter if reader is None else None,
            intake=intake,
            quarantine=Replay(quarantine, folder, ReplayParts(intake, registry, store, room)),
            disk_room=room,
            backups=Backups(DataDirectory(folder), copied, room, Surroundings("h1", None, clock.clock)),
            services=catalog,
            alerts=alerting,
            incidents=alerting,
            evaluations=alerting,
            rules=alerting,
            explainer=state.explanations,
            receivers=telling,
            windows=lambda: TELLING.windows,
            rotations=lambda: TELLING.rotations,
            links=links,
            silences=state.silences,
            maintenance=state.maintenance,
            duty=state.duty,
            registry=registry,
            tokens=state.tokens,
            sessions=state.sessions,
            ownership=state.ownership,
            own_health=own_health,
            exposition=lambda: b"# TYPE opswatch_up gauge\nopswatch_up 1\n",
            boards=parse_config(BOARDS.read_text(), BOARDS.name, BUILT_IN),
            clock=clock.clock,
            settings=settings or ApiSettings(host="h1", version="0.1.0", refresh_interval=timedelta(milliseconds=50)),
            local_token=LOCAL_TOKEN,
        )
        app = build_app(change(doors))
        async with listening(app, "127.0.0.1", 0, None) as url:
            yield World(
                url, app, session, store, spool, folder, state, clock, catalog, own, tokens, disk, alerting, telling
            )
