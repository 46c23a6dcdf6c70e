"""What is wrong between the items of telling people: unknown names, rings, ladders out of order. Pure.

As `configuration_checks`, these look at the values as they were read, not at the models.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from opswatch.configuration_checks import duplicates, items_of, rings
from opswatch.configuration_faults import fault_at
from opswatch.configuration_telling_values import moment_of
from opswatch.configuration_values import BadValue, duration_of, near_miss, quoted, zone_of
from opswatch.environment import Environment
from opswatch.yaml_document import Document, Path
from telemetry.errors import Fault
from telemetry.times import from_datetime

_SECTIONS = {"receiver": "receivers", "receiver or rotation": "receivers", "escalation": "escalations"}
Items = Sequence[tuple[Path, dict[str, Any]]]


def check_telling(document: Document, source: str, environment: Environment) -> Iterator[Fault]:
    """All faults between items, and between the file and the environment's word on e-mail."""
    receivers, rotations = (_mappings(document.value, key) for key in ("receivers", "duty"))
    escalations = _mappings(document.value, "escalations")
    yield from duplicates(document, source, [*receivers, *rotations], "receiver or rotation")
    yield from duplicates(document, source, list(escalations), "escalation")
    yield from duplicates(document, source, list(_mappings(document.value, "maintenance")), "maintenance window")
    yield from _references(document, source, receivers, rotations, escalations)
    yield from _fallback_rings(document, source, receivers)
    for path, escalation in escalations:
        yield from _step_order(document, source, path, escalation)
    yield from _overrides(document, source, rotations)
    yield from _times(document, source, rotations)
    yield from _plain_password(document, source, environment)
    yield from _mail(document, source, receivers, environment)


def _mappings(value: Any, key: str) -> Items:
    return [(path, item) for path, item in items_of(value, (key,)) if isinstance(item, dict)]


def _references(
    document: Document, source: str, receivers: Items, rotations: Items, escalations: Items
) -> Iterator[Fault]:
    own = [str(item["name"]) for _, item in receivers if isinstance(item.get("name"), str)]
    reached = [*own, *(str(item["name"]) for _, item in rotations if isinstance(item.get("name"), str))]
    ladders = [str(item["name"]) for _, item in escalations if isinstance(item.get("name"), str)]
    for path, item in receivers:
        yield from _known(document, source, (*path, "fallback"), item.get("fallback"), own, "receiver")
    for path, item in _mappings(document.value, "routes"):
        what = "receiver or rotation"
        yield from _known(document, source, (*path, "receiver"), item.get("receiver"), reached, what)
        yield from _known(document, source, (*path, "escalation"), item.get("escalation"), ladders, "escalation")
    for path, item in escalations:
        for place, step in items_of(item, ("steps",), path):
            if isinstance(step, dict):
                what = "receiver or rotation"
                yield from _known(document, source, (*place, "receiver"), step.get("receiver"), reached, what)
    for path, item in rotations:
        for place, person in items_of(item, ("people",), path):
            if isinstance(person, dict):
                yield from _known(document, source, (*place, "receiver"), person.get("receiver"), own, "receiver")


def _known(document: Document, source: str, path: Path, name: Any, known: Sequence[str], what: str) -> Iterator[Fault]:
    if isinstance(name, str) and name not in known:
        hint = near_miss(name, list(known)) or (
            f"known here: {', '.join(known[:12])}" if known else f"write one under {_SECTIONS.get(what, what)}"
        )
        yield fault_at(document, source, path, f"no {what} has the name {quoted(name)}", hint)


def _fallback_rings(document: Document, source: str, receivers: Items) -> Iterator[Fault]:
    needs: dict[str, list[tuple[str, Path]]] = {}
    for path, item in receivers:
        if isinstance(item.get("name"), str):
            fallback = item.get("fallback")
            needs[item["name"]] = [(fallback, (*path, "fallback"))] if isinstance(fallback, str) else []
    known = {name: [edge for edge in edges if edge[0] in needs] for name, edges in needs.items()}
    for ring, place in rings(known):
        if len(ring) == 2:
            yield fault_at(document, source, place, f"{quoted(ring[0])} cannot be the fallback of itself")


def _step_order(document: Document, source: str, path: Path, escalation: dict[str, Any]) -> Iterator[Fault]:
    before = timedelta(-1)
    for place, step in items_of(escalation, ("steps",), path):
        after = None
        with suppress(BadValue):
            if isinstance(step, dict):
                after = timedelta() if step.get("after") == "0s" else duration_of(step.get("after"))
        if after is None:
            continue
        if after < before:
            message = f"{quoted(step['after'])} is before the step above"
            yield fault_at(document, source, (*place, "after"), message, "write the steps in the order of their times")
        before = max(before, after)


def _overrides(document: Document, source: str, rotations: Items) -> Iterator[Fault]:
    for path, item in rotations:
        people = [one.get("name") for _, one in items_of(item, ("people",), path) if isinstance(one, dict)]
        known = [name for name in people if isinstance(name, str)]
        for place, override in items_of(item, ("overrides",), path):
            if isinstance(override, dict):
                what = f"person of {quoted(item.get('name'))}"
                yield from _known(document, source, (*place, "person"), override.get("person"), known, what)


def _times(document: Document, source: str, rotations: Items) -> Iterator[Fault]:
    """What ends before it begins; a time without an offset is of the item's zone, else of the file's."""
    written = document.value.get("time_zone") if isinstance(document.value, dict) else None
    spans = [(path, item, item) for path, item in _mappings(document.value, "maintenance")]
    for path, item in rotations:
        overrides = items_of(item, ("overrides",), path)
        spans += [(place, one, item) for place, one in overrides if isinstance(one, dict)]
    for path, span, item in spans:
        with suppress(BadValue):  # which has a fault of its own
            zone = zone_of(item.get("time_zone") or written or "UTC")
            start, stop = (moment_of(span.get(name)) for name in ("start", "stop"))
            start, stop = (one if one.tzinfo else one.replace(tzinfo=zone) for one in (start, stop))
            if from_datetime(stop) <= from_datetime(start):
                message = f"{quoted(str(span['stop']))} is not after the start, {quoted(str(span['start']))}"
                yield fault_at(document, source, (*path, "stop"), message, "write a later time")


def _smtp(document: Document) -> dict[str, Any]:
    smtp = document.value.get("smtp") if isinstance(document.value, dict) else None
    return smtp if isinstance(smtp, dict) else {}


def _plain_password(document: Document, source: str, environment: Environment) -> Iterator[Fault]:
    """Who logs in without TLS, by whatever the file and the variables say together."""
    written = _smtp(document)
    starttls = environment.smtp_starttls if written.get("starttls") is None else written["starttls"]
    username = written.get("username") or environment.smtp_username
    if not username or starttls is not False or written.get("tls") is True:
        return
    message = "the password would go through the network as it is"
    if written.get("starttls") is False:
        yield fault_at(document, source, ("smtp", "starttls"), message, "write starttls: true or tls: true")
    else:
        yield Fault(message, "environment", "SMTP_STARTTLS", hint="set SMTP_STARTTLS=true, or write smtp.tls: true")


def _mail(document: Document, source: str, receivers: Items, environment: Environment) -> Iterator[Fault]:
    written = _smtp(document)
    for path, item in receivers:
        if item.get("kind") == "email":
            for key, variable, other in (
                ("host", "SMTP_HOST", environment.smtp_host),
                ("from", "ALERT_EMAIL_FROM", environment.alert_email_from),
            ):
                if written.get(key) is None and not other:
                    message, hint = f"e-mail has no {key}", f"write smtp.{key}, or set {variable}"
                    yield fault_at(document, source, (*path, "kind"), message, hint)
            return


def missing_mail(document: Document, environment: Environment, wrong: Collection[str]) -> Iterator[Fault]:
    """What ALERT_EMAIL_ENABLED needs and nobody says; `wrong` are variables that are set, and have a fault already.

    Receivers of the file hold instead of the environment's: then nothing is needed.
    """
    if not environment.alert_email_enabled or _mappings(document.value, "receivers"):
        return
    written = _smtp(document)
    for name, value in (
        ("SMTP_HOST", written.get("host") or environment.smtp_host),
        ("ALERT_EMAIL_FROM", written.get("from") or environment.alert_email_from),
        ("ALERT_EMAIL_TO", environment.alert_email_to),
    ):
        if not value and name not in wrong:
            yield Fault(
                f"e-mail is enabled, and {name} is not set", "environment", "ALERT_EMAIL_ENABLED", hint=f"set {name}"
            )
