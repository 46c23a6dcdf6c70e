"""What is wrong between the items of `opswatch.yaml`: duplicates, unknown names, rings, times that do not fit. Pure.

These look at the values as they were read, not at the models: so they find what they find, whatever else is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

from opswatch.configuration_faults import fault_at
from opswatch.configuration_values import BadValue, duration_of, near_miss, quoted
from opswatch.yaml_document import Document, Path
from telemetry.errors import Fault
from telemetry.times import format_duration

MAX_NEAR_MISSES = 20


@dataclass(frozen=True, slots=True)
class ProbeDefaults:
    """What holds for a probe that does not say otherwise. A timeout of None is ten seconds, or 2/3 of the interval."""

    interval: timedelta = timedelta(seconds=30)
    timeout: timedelta | None = None
    failure_threshold: int = 2
    success_threshold: int = 1

    def timeout_for(self, interval: timedelta) -> timedelta:
        """Nobody wrote a timeout, so it is nobody's mistake when the interval is short: it gives way."""
        return self.timeout if self.timeout is not None else min(timedelta(seconds=10), interval * 2 / 3)


def check(document: Document, source: str, interval: timedelta) -> list[Fault]:
    """All faults between items; `interval` is what holds where the file says nothing."""
    services = [
        (path, service) for path, service in items_of(document.value, ("services",)) if isinstance(service, dict)
    ]
    found = [
        *duplicates(document, source, services, "service"),
        *_dependencies(document, source, services),
        *_retention_order(document, source),
    ]
    defaults = _defaults(document, interval)
    found += _default_times(document, source, defaults)
    for path, service in services:
        probes = [(place, probe) for place, probe in items_of(service, ("probes",), path) if isinstance(probe, dict)]
        found += duplicates(document, source, probes, "probe", unnamed="http")
        for place, probe in probes:
            found += _probe_faults(document, source, place, probe, defaults)
    return found


def _retention_order(document: Document, source: str) -> Iterator[Fault]:
    # Queries take the coarser level for the past: where that were deleted first, they would miss what is still there.
    path: Path = ("storage", "retention")
    times: Any = document.value
    for key in path:
        times = times.get(key) if isinstance(times, dict) else None
    if not isinstance(times, dict):
        return
    written = []
    for level in ("raw", "5m", "1h"):
        with suppress(BadValue):  # which is a fault of its own
            if times.get(level) is not None:
                written.append((level, duration_of(times[level])))
    for (finer, kept), (coarser, longer) in pairwise(written):
        if longer < kept:
            message = f"{quoted(times[coarser])} is shorter than {finer}, {quoted(times[finer])}"
            yield fault_at(document, source, (*path, coarser), message, f"keep {coarser} at least as long as {finer}")


def items_of(value: Any, keys: Path, path: Path = ()) -> list[tuple[Path, Any]]:
    """The items of the list at these keys, each with its place; none where there is no list."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return [((*path, *keys, index), item) for index, item in enumerate(value)] if isinstance(value, list) else []


def duplicates(
    document: Document, source: str, items: list[tuple[Path, dict[str, Any]]], what: str, unnamed: str | None = None
) -> Iterator[Fault]:
    """Names that stand twice among the items; `unnamed` is what one without a name is called."""
    first: dict[str, Path] = {}
    for path, item in items:
        name = item.get("name")
        name = unnamed if name is None else name
        if not isinstance(name, str):
            continue
        if name in first:
            earlier = document.spans.get((*first[name], "name")) or document.spans.get(first[name])
            where = f"; first in line {earlier.line + 1}" if earlier else ""
            message = f"the {what} {quoted(name)} stands twice{where}"
            yield fault_at(document, source, (*path, "name"), message, "give it another name")
        first.setdefault(name, path)


def _dependencies(document: Document, source: str, services: list[tuple[Path, dict[str, Any]]]) -> Iterator[Fault]:
    names = {service["name"]: path for path, service in services if isinstance(service.get("name"), str)}
    needs: dict[str, list[tuple[str, Path]]] = {name: [] for name in names}
    unknown = 0
    for path, service in services:
        for place, needed in items_of(service, ("depends_on",), path):
            if isinstance(needed, str) and needed not in names:
                # Comparing with thousands of names takes time: after a few, people have understood.
                hint = near_miss(needed, list(names)) if (unknown := unknown + 1) <= MAX_NEAR_MISSES else ""
                hint = hint or "name a service of this file"
                yield fault_at(document, source, place, f"no service has the name {quoted(needed)}", hint)
            elif isinstance(needed, str) and isinstance(service.get("name"), str):
                needs[service["name"]].append((needed, place))
    for ring, place in rings(needs):
        circle = " → ".join(name if len(name) <= 40 else f"{name[:39]}…" for name in ring)
        yield fault_at(document, source, place, f"services depend on each other in a ring: {circle}")


def rings(needs: dict[str, list[tuple[str, Path]]]) -> Iterator[tuple[list[str], Path]]:
    """Each edge that closes a ring, with the names along it. Depth first, without recursion: chains may be long."""
    done: set[str] = set()
    for root, first in needs.items():
        way = [] if root in done else [(root, iter(first))]
        above = {root: 0}
        while way:
            name, edges = way[-1]
            edge = next(edges, None)
            if edge is None:
                way.pop()
                above.pop(name, None)
                done.add(name)
            elif edge[0] in above:
                yield [*(each for each, _ in way[above[edge[0]] :]), edge[0]], edge[1]
            elif edge[0] not in done:
                above[edge[0]] = len(way)
                way.append((edge[0], iter(needs[edge[0]])))


def _defaults(document: Document, interval: timedelta) -> ProbeDefaults:
    return ProbeDefaults(
        _duration(document, ("defaults", "interval")) or interval, _duration(document, ("defaults", "timeout"))
    )


def _default_times(document: Document, source: str, defaults: ProbeDefaults) -> Iterator[Fault]:
    if defaults.timeout is not None and defaults.timeout >= defaults.interval:
        path: Path = ("defaults", "timeout")
        yield fault_at(document, source, path, _too_long(document, ("defaults",), (), defaults))


def _probe_faults(
    document: Document, source: str, path: Path, probe: dict[str, Any], defaults: ProbeDefaults
) -> Iterator[Fault]:
    interval, timeout = _duration(document, (*path, "interval")), _duration(document, (*path, "timeout"))
    effective = ProbeDefaults(interval or defaults.interval, timeout or defaults.timeout)
    if (interval or timeout) and effective.timeout is not None and effective.timeout >= effective.interval:
        place = (*path, "timeout" if timeout is not None else "interval")
        yield fault_at(document, source, place, _too_long(document, path, ("defaults",), effective))
    yield from _request_faults(document, source, path, probe)


def _request_faults(document: Document, source: str, path: Path, probe: dict[str, Any]) -> Iterator[Fault]:
    expect, basic = _mapping(probe, "expect"), _mapping(probe, "basic_auth")
    for place, message, hint in (
        *_vain_expectations(probe, expect),
        *_bad_credentials(basic, _mapping(probe, "headers")),
    ):
        yield fault_at(document, source, (*path, *place), message, hint)
    if probe.get("client_key") is not None and probe.get("client_certificate") is None:
        message, hint = "a client_key needs a client_certificate", "write client_certificate too"
        yield fault_at(document, source, (*path, "client_key"), message, hint)


def _mapping(probe: dict[str, Any], key: str) -> dict[str, Any]:
    value = probe.get(key)
    return value if isinstance(value, dict) else {}


def _vain_expectations(probe: dict[str, Any], expect: dict[str, Any]) -> Iterator[tuple[Path, str, str]]:
    if expect.get("certificate_days") is not None and str(probe.get("url")).lower().startswith("http://"):
        yield ("expect", "certificate_days"), "an http URL has no certificate", "ask by https"
    if str(probe.get("method")).upper() == "HEAD":
        for key in ("body_contains", "body_matches", "json"):
            if expect.get(key):
                yield ("expect", key), "the answer to HEAD has no body", "use the method GET"


def _bad_credentials(basic: dict[str, Any], headers: dict[str, Any]) -> Iterator[tuple[Path, str, str]]:
    if basic and set(basic) <= {"username", "password", "password_file"}:
        given = [name for name in ("password", "password_file") if basic.get(name) is not None]
        if len(given) != 1:
            words = "both password and password_file are here" if given else "no password is here"
            yield ("basic_auth",), words, "write one of password_file and password"
    if basic and any(str(name).lower() == "authorization" for name in headers):
        yield ("basic_auth",), "basic_auth and a header Authorization exclude each other", "remove one of them"


def _duration(document: Document, path: Path) -> timedelta | None:
    """What is written there as a duration; None where nothing is, or something that the models refuse."""
    value = document.value
    for part in path:
        try:
            value = value[part]
        except (LookupError, TypeError):
            return None
    try:
        return None if value is None else duration_of(value) or None
    except BadValue:
        return None


def _too_long(document: Document, path: Path, above: Path, times: ProbeDefaults) -> str:
    """The fault, with both durations as they are written where they are."""

    def words(key: str, duration: timedelta) -> str:
        texts = (document.texts.get((*place, key)) for place in (path, above))
        return next(filter(None, texts), format_duration(duration))

    timeout = words("timeout", times.timeout or timedelta())
    return f"timeout {timeout} must be shorter than interval {words('interval', times.interval)}"
