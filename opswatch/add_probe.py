"""What `opswatch add` does around its asking: make a probe of what was said, and write it into the file. Shell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.attempt import Attempt
from collector.targets import HttpExpectation, HttpRequestSpec, ProbeSpec
from opswatch.configuration_checks import ProbeDefaults
from opswatch.configuration_edit import NewProbe, names_for, with_probe
from opswatch.configuration_values import BadValue, duration_of, name_of, statuses_of, url_of
from opswatch.configuration_writer import edit, read_text
from opswatch.settings import check_text
from telemetry.errors import ConfigurationError, Fault

COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line says. `options` are `interval`, `timeout` and `status`, where they were given."""

    url: str
    service: str | None = None
    probe: str | None = None
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Addition:
    """A probe that can be added to the file: seen to be good, and not there yet."""

    file: Path
    added: NewProbe
    spec: ProbeSpec


def prepared(file: Path, wish: Wish) -> Addition:
    """Check the wish against the file, before anything is asked. Raises ConfigurationError, Conflict."""
    spec, keys = _checked(wish)
    added = NewProbe(spec.service, spec.name, spec.request.url, keys)
    text = read_text(file)
    # First the file alone: what is wrong in it already is not the fault of what is added.
    _raise(check_text(text, file))
    _raise(check_text(with_probe(text, added), file))
    return Addition(file, added, spec)


def write(addition: Addition) -> None:
    """Write it. The file may have changed meanwhile, so it is read and checked anew. Raises OpsWatchError."""

    def change(text: str) -> str:
        new = with_probe(text, addition.added)
        _raise(check_text(new, addition.file))
        return new

    edit(addition.file, change)


def shown(spec: ProbeSpec, attempt: Attempt) -> Iterator[str]:
    """What was seen, for people."""
    yield spec.target
    code = f" ({attempt.code})" if attempt.code is not None else ""
    message = f": {attempt.message}" if attempt.message else ""
    yield f"  outcome      {attempt.outcome.word}{code}{message}"
    names = (("dns", "dns_ms"), ("connect", "connect_ms"), ("tls", "tls_ms"), ("first byte", "first_byte_ms"))
    phases = [(name, getattr(attempt.phases, field)) for name, field in (*names, ("transfer", "transfer_ms"))]
    parts = ", ".join(f"{name} {duration:.1f}" for name, duration in phases if duration is not None)
    yield f"  latency      {attempt.latency_ms:.1f} ms" + (f" ({parts})" if parts else "")
    if attempt.certificate_days_left is not None:
        yield f"  certificate  good for {attempt.certificate_days_left:.0f} more days"


def _checked(wish: Wish) -> tuple[ProbeSpec, tuple[tuple[str, Any], ...]]:
    """The wish as a probe and as the keys to write. Raises ConfigurationError with everything that is wrong."""
    faults: list[Fault] = []

    def value(field: str, parse: Any, given: Any, otherwise: Any = None) -> Any:
        try:
            return parse(given) if given is not None else otherwise
        except BadValue as error:
            faults.append(Fault(str(error), COMMAND_LINE, field, hint=error.hint))
            return otherwise

    options = dict(wish.options)
    url = value("URL", url_of, wish.url, "")
    suggested = names_for(url)
    service = value("--name", name_of, wish.service, suggested[0])
    probe = value("--probe", name_of, wish.probe, suggested[1])
    defaults = ProbeDefaults()
    interval = value("--interval", duration_of, options.get("interval"), defaults.interval)
    timeout = value("--timeout", duration_of, options.get("timeout"), defaults.timeout_for(interval))
    given = options.get("status")
    status = value("--status", statuses_of, given and list(given), HttpExpectation().status)
    _raise(faults)
    keys: list[tuple[str, Any]] = [(key, options[key]) for key in ("interval", "timeout") if key in options]
    if given:
        keys.append(("expect", {"status": [int(one) if one.isdecimal() else one for one in given]}))
    request, expect = HttpRequestSpec(url), HttpExpectation(status)
    return ProbeSpec(service, probe, "http", request, expect, interval, timeout), tuple(keys)


def _raise(faults: list[Fault]) -> None:
    if faults:
        raise ConfigurationError(faults)
