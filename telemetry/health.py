"""States, outcomes and what is known of services: the words that collector, api and pages share. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, IntEnum, unique


@unique
class State(IntEnum):
    """The confirmed state of a probe; the number is what the field `state` of `probe` stores."""

    DOWN = 0
    DEGRADED = 1
    UP = 2
    UNKNOWN = 3

    @property
    def word(self) -> str:
        """`down`, `degraded`, `up`, `unknown`: as the API, the pages and the configuration say it."""
        return self.name.lower()


# A service has the worst of its probes, in this order (design.md, "Vocabulary").
_WORST_FIRST = (State.DOWN, State.UNKNOWN, State.DEGRADED, State.UP)


def worst_state(states: Iterable[State]) -> State:
    """The state of a service from those of its probes; of no probes nothing is known."""
    present = set(states)
    return next((state for state in _WORST_FIRST if state in present), State.UNKNOWN)


def rank(state: State) -> int:
    """Its place in the order worst first, from 0."""
    return _WORST_FIRST.index(state)


@unique
class Verdict(Enum):
    """What one attempt says about its target, before any threshold."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


@unique
class Outcome(IntEnum):
    """How one attempt ended; the number is what the field `outcome` of `probe` stores. Numbers are never reused."""

    OK = 0
    TIMEOUT = 1  # the deadline passed, in any phase
    DNS = 2  # the name did not resolve
    REFUSED = 3  # nothing listens there
    RESET = 4  # the connection was reset or closed before the answer began
    UNREACHABLE = 5  # no route to the host or the network
    TLS = 6  # the handshake failed for another reason than the certificate
    CERTIFICATE = 7  # expired, not yet valid, wrong host, self-signed, unknown issuer, or too few days left
    STATUS = 8  # the status is not among the expected ones
    BODY = 9  # the body, or a JSON path in it, is not as expected
    HEADER = 10  # a header is not as expected
    LATENCY = 11  # slower than expected, and otherwise as expected: degraded
    REDIRECT = 12  # too many, in a circle, without a target, or to a host that is not allowed
    TOO_LARGE = 13  # more headers or body, plain or decompressed, than is read
    PROTOCOL = 14  # what came is not HTTP
    CUT_OFF = 15  # the connection ended in the middle of the answer
    FORBIDDEN = 16  # a link-local or metadata address that the configuration does not name literally
    PROXY = 17  # the proxy refused or failed
    ERROR = 18  # OpsWatch itself could not ask (a file missing, out of descriptors): says nothing of the target
    CONNECTIVITY = 19  # our own network is away: says nothing of the target

    @property
    def word(self) -> str:
        """The name in API, pages and configuration: `ok`, `timeout`, `too_large`."""
        return self.name.lower()


_NOT_ABOUT_THE_TARGET = frozenset({Outcome.ERROR, Outcome.CONNECTIVITY})


def verdict_of(outcome: Outcome) -> Verdict:
    """What an outcome says of the target: latency alone is degraded, our own trouble is unknown."""
    if outcome is Outcome.OK:
        return Verdict.UP
    if outcome is Outcome.LATENCY:
        return Verdict.DEGRADED
    return Verdict.UNKNOWN if outcome in _NOT_ABOUT_THE_TARGET else Verdict.DOWN


@dataclass(frozen=True, slots=True)
class ProbeStatus:
    """What is known of one probe now. `outcome` and `last_attempt` are None before the first attempt."""

    name: str
    kind: str
    target: str
    interval: timedelta
    state: State
    since: datetime | None = None
    outcome: Outcome | None = None
    latency_ms: float | None = None
    message: str = ""
    last_attempt: datetime | None = None
    next_attempt: datetime | None = None
    certificate_days_left: float | None = None


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """What is known of one service now; `since` is when its state last changed, as far as is known."""

    name: str
    labels: tuple[tuple[str, str], ...]
    depends_on: tuple[str, ...]
    probes: tuple[ProbeStatus, ...]
    maintenance: bool = False

    @property
    def state(self) -> State:
        return worst_state(probe.state for probe in self.probes)

    @property
    def since(self) -> datetime | None:
        """When the probe that decides the state entered it; the earliest, if several share it."""
        moments = [probe.since for probe in self.probes if probe.state is self.state and probe.since is not None]
        return min(moments, default=None)


def availability(up_s: float, degraded_s: float, down_s: float) -> float | None:
    """(up + degraded) / (up + degraded + down), from 0 to 1; None where nothing is known.

    Unknown time counts neither for nor against (design.md 4).
    """
    known = up_s + degraded_s + down_s
    return None if known <= 0 else (up_s + degraded_s) / known
