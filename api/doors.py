"""What the server is given: the doors to the other rooms, and how it is set up. Pure."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from alerting.duty import Rotation
from alerting.explanation import Explainer
from alerting.ledger import FiringCounts, Incident, IncidentBook, OpenAlert
from alerting.links import LinkDesk
from alerting.receiver_status import ReceiverDesk
from alerting.rule_status import ReloadOutcome, RulesStanding
from alerting.silences import DutyBook, MaintenanceBook, SilenceBook
from alerting.windows import Window
from api.access import Ownership, Sessions, Tokens
from dashboards.panels import DashboardConfig
from telemetry.clock import Clock
from telemetry.health import ServiceStatus
from telemetry.ports import IntakeOutcome, SeriesReader, TableExporter
from telemetry.quarantine import QuarantinedItem, QuarantinePage, QuarantineQuery, ReplayOutcome
from telemetry.rollup import Retention
from telemetry.schema import Registry


class ServiceCatalog(Protocol):
    """What is watched, and what is known of it."""

    def services(self) -> tuple[ServiceStatus, ...]: ...


class PointIntake(Protocol):
    """Takes what applications push."""

    async def take(self, body: bytes, precision: str) -> IntakeOutcome:
        """Acknowledge the points of a body of line protocol. Raises StoreUnavailable."""
        ...


class QuarantineDesk(Protocol):
    """What stores refused, and another try of it. Every call raises StoreUnavailable when it cannot be used."""

    async def list(self, query: QuarantineQuery) -> QuarantinePage:
        """The items asked for. Raises InvalidRequest."""
        ...

    async def show(self, identifier: str) -> QuarantinedItem:
        """One item, whole. Raises NotFound."""
        ...

    async def replay(self, identifier: str) -> None:
        """Give one item to the store. Raises NotFound, PointRejected when it is refused again, DiskLow."""
        ...

    async def replay_many(self, query: QuarantineQuery) -> ReplayOutcome:
        """Give a page of items to the store. Raises InvalidRequest, DiskLow."""
        ...

    async def discard(self, identifier: str) -> None:
        """Take an item out for good. Raises NotFound."""
        ...


class PreparedBackup(Protocol):
    """A backup that is ready to be sent; `size` in bytes."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...

    def pieces(self) -> AsyncGenerator[bytes]:
        """The tar file, with flat memory. Raises StoreUnavailable."""
        ...


class BackupDesk(Protocol):
    """Makes backups of everything that is kept."""

    def prepared(self, *, with_keys: bool) -> AbstractAsyncContextManager[PreparedBackup]:
        """A consistent copy as of now. Raises Conflict while another is under way, DiskLow, StoreUnavailable."""
        ...


class AlertBoard(Protocol):
    """What is not as it should be, now."""

    def open_alerts(self) -> tuple[OpenAlert, ...]:
        """Every alert that is not inactive, the worst first."""
        ...

    def counts(self) -> FiringCounts:
        """How many incidents are open."""
        ...


@dataclass(frozen=True, slots=True)
class Evaluations:
    """What a rule read of one tag set: `values` at `times` (ns); None where there was none."""

    times: range
    values: tuple[float | None, ...]


class EvaluationReader(Protocol):
    """What rules read."""

    async def evaluations(self, incident: Incident, start: datetime, stop: datetime) -> Evaluations:
        """Of an incident's alert, from the samples that are stored.

        Raises NotFound when its rule is gone, StoreUnavailable, QueryTimedOut, QueryTooLarge.
        """
        ...


class RuleDesk(Protocol):
    """The rules in force, and how to have others."""

    def standing(self) -> RulesStanding:
        """All of them, and what they find."""
        ...

    async def reload(self, author: str, *, dry_run: bool) -> ReloadOutcome:
        """Read them anew, or say what that would do. Raises ConfigurationError with every fault, StoreUnavailable."""
        ...


class DiskRoom(Protocol):
    """Whether there is room for work that can wait."""

    def check(self, what: str, size: int = 0) -> None:
        """Raise DiskLow when `what` (pushed points, exports) must wait for room, or takes it up itself (bytes)."""
        ...


@dataclass(frozen=True, slots=True)
class DiskHealth:
    """The filesystem of the data directory, in bytes. `level` is `enough`, `low` or `critical`."""

    free: int
    total: int
    reserve: int
    level: str
    refusals: int


@dataclass(frozen=True, slots=True)
class RollupHealth:
    """How a rolled-up level of the store stands: made up to `until`, windows that are due or to be made again."""

    level: str
    until: datetime | None
    lag_s: float
    missed_windows: int
    late_windows: int
    failures: int


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """A server that is the store. `canary_ms`: how long a point took to be written and read back; None: it did not."""

    address: str
    version: str  # empty before it has said so
    canary_ms: float | None


@dataclass(frozen=True, slots=True)
class LostPeriod:
    """Samples of [start, stop) are lost, at most; `start` None: from whenever on. `file` is the store set aside."""

    start: datetime | None
    stop: datetime
    reason: str
    file: str


@dataclass(frozen=True, slots=True)
class OwnHealth:
    """How OpsWatch itself stands. `reasons` why it is not ready (codes; empty when it is); ages in seconds."""

    reasons: tuple[str, ...]
    log_rotation_status: str
    spool_pending_batches: int
    spool_oldest_s: float
    spool_trouble: str
    spool_dropped_points: int
    store_kind: str
    store_file_bytes: int | None  # None where the store does not say
    store_series: int | None
    started: datetime
    first_sample_due: datetime | None
    rollups: tuple[RollupHealth, ...] = ()
    lost: tuple[LostPeriod, ...] = ()
    disk: DiskHealth | None = None
    store_notes: tuple[str, ...] = ()  # sentences about what is odd with the store
    server: ServerHealth | None = None  # None: the store is a file of ours
    loop_trouble: str = ""  # at which stage the way from a probe to a message is broken
    alerting_trouble: str = ""  # why rules are not evaluated, or their findings not kept
    longest_write_ms: float | None = None  # of the store, in the ten seconds before the newest sample
    longest_query_ms: float | None = None
    catch_up_s: float | None = (
        None  # until nothing waits in the spool, at the pace of now; None: nothing does, or unknown
    )


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """`base_path` begins with a slash and ends without one, or is empty; `host` names this machine in tags."""

    host: str
    version: str
    refresh_interval: timedelta = timedelta(seconds=5)
    host_interval: timedelta = timedelta(seconds=60)
    base_path: str = ""
    time_zone: str = "UTC"
    retention: Retention = field(default_factory=Retention)
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    secure_cookies: bool = False
    heartbeat_interval: timedelta = timedelta(seconds=10)  # of the live stream; at most 15 s is promised
    stalled_after: timedelta = timedelta(seconds=60)  # a client of an export that takes nothing for so long is let go


@dataclass(frozen=True, slots=True)
class Doors:
    """Everything a handler may reach. `local_token` is that of server.json, good for commands on this machine.

    `windows` and `rotations` are those of opswatch.yaml, as it is now.
    """

    reader: SeriesReader
    exporter: TableExporter | None
    intake: PointIntake
    quarantine: QuarantineDesk
    disk_room: DiskRoom
    backups: BackupDesk
    services: ServiceCatalog
    alerts: AlertBoard
    incidents: IncidentBook
    evaluations: EvaluationReader
    rules: RuleDesk
    explainer: Explainer
    receivers: ReceiverDesk
    links: LinkDesk
    silences: SilenceBook
    maintenance: MaintenanceBook
    duty: DutyBook
    registry: Registry
    tokens: Tokens
    sessions: Sessions
    ownership: Ownership
    own_health: Callable[[], Awaitable[OwnHealth]]
    exposition: Callable[[], bytes]
    boards: DashboardConfig
    clock: Clock
    settings: ApiSettings
    local_token: str
    windows: Callable[[], Sequence[Window]] = lambda: ()
    rotations: Callable[[], Sequence[Rotation]] = lambda: ()
