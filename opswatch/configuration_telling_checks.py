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
from opswatch.configuration_values import BadValue, duration_of, near_miss, quoted
from opswatch.environment import Environment
from opswatch.yaml_document import Document, Path
from telemetry.errors import Fault

_SECTIONS = {"receiver": "receivers", "receiver or rotation": "receivers", "escalation": "escalations"}
Items = Sequence[tuple[Path, dict[str, Any]]]


def check_telling(document: Document, source: str, *, has_default_smtp: bool) -> Iterator[Fault]:
    """All faults between items; `has_default_smtp`: the environment says where e-mail is handed over, and from whom."""
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
    yield from _mail(document, source, receivers, has_default_smtp=has_default_smtp)


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


def _mail(document: Document, source: str, receivers: Items, *, has_default_smtp: bool) -> Iterator[Fault]:
    smtp = document.value.get("smtp") if isinstance(document.value, dict) else None
    written = smtp if isinstance(smtp, dict) else {}
    if written.get("username") is not None and written.get("starttls") is False and not written.get("tls"):
        message = "the password would go through the network as it is"
        yield fault_at(document, source, ("smtp", "starttls"), message, "write starttls: true or tls: true")
    if has_default_smtp:
        return
    for path, item in receivers:
        if item.get("kind") == "email":
            for key, variable in (("host", "SMTP_HOST"), ("from", "ALERT_EMAIL_FROM")):
                if written.get(key) is None:
                    message, hint = f"e-mail has no {key}", f"write smtp.{key}, or set {variable}"
                    yield fault_at(document, source, (*path, "kind"), message, hint)
            return


def missing_mail(environment: Environment, wrong: Collection[str]) -> Iterator[Fault]:
    """What ALERT_EMAIL_ENABLED needs and is not set; `wrong` are variables that are, and have a fault already."""
    if environment.smtp_username and not environment.smtp_starttls:
        message = "the password would go through the network as it is"
        yield Fault(message, "environment", "SMTP_STARTTLS", hint="set SMTP_STARTTLS=true")
    if not environment.alert_email_enabled:
        return
    for name, value in (
        ("SMTP_HOST", environment.smtp_host),
        ("ALERT_EMAIL_FROM", environment.alert_email_from),
        ("ALERT_EMAIL_TO", environment.alert_email_to),
    ):
        if not value and name not in wrong:
            yield Fault(
                f"e-mail is enabled, and {name} is not set", "environment", "ALERT_EMAIL_ENABLED", hint=f"set {name}"
            )
