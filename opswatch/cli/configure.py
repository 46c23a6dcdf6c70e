"""`opswatch init`, `add`, `check-config` and `schema`: the configuration file. Shell."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from opswatch.cli.running import CONFIG
from opswatch.log_record import inert
from telemetry.errors import ConfigurationError

if TYPE_CHECKING:
    from collector.attempt import Attempt
    from collector.targets import ProbeSpec
    from opswatch.settings import Settings

JSON = typer.Option(False, "--json", help="Print JSON.")


class SchemaName(StrEnum):
    """The files that have a schema."""

    config = "config"
    dashboards = "dashboards"
    rules = "rules"


def register(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(add)
    app.command(name="check-config")(check_config)
    app.command()(schema)


def init(config: Path | None = CONFIG) -> None:
    """Write a configuration file to start with; one that is there stays as it is.

    Example: opswatch init
    """
    from opswatch.configuration_writer import write_starter
    from opswatch.settings import chosen_config_file

    file = chosen_config_file(config)
    write_starter(file)
    typer.echo(inert(f"wrote {file}; now `opswatch add URL`, or `opswatch run`"))


def add(
    url: str = typer.Argument(help="What to ask: http:// or https://, a host and a path."),
    name: str | None = typer.Option(None, "--name", help="The service; else the URL's host."),
    probe: str | None = typer.Option(None, "--probe", help="The probe; else the last part of the URL's path."),
    interval: str | None = typer.Option(None, "--interval", help="How often, as 15s; else the file's default."),
    timeout: str | None = typer.Option(None, "--timeout", help="How long an attempt may take, as 5s."),
    status: list[str] = typer.Option([], "--status", help="A good status, as 204 or 200-399; else 200-299."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Write it without asking, whatever was seen."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Ask an endpoint once, show what was seen, and write it into the configuration file.

    What else stands in the file stays as it is, comments too. When the endpoint is down, a person is asked first.

    Example: opswatch add https://shop.example/health --name shop --interval 15s
    """
    from opswatch.add_probe import Wish, prepared, shown, write
    from opswatch.settings import chosen_config_file

    options = (("interval", interval), ("timeout", timeout), ("status", tuple(status)))
    wish = Wish(url, name, probe, tuple((key, value) for key, value in options if value))
    addition = prepared(chosen_config_file(config), wish)
    attempt = asyncio.run(_attempt_all((addition.spec,)))[0]
    if not as_json:
        _say_lines(shown(addition.spec, attempt))
        if not yes and not _agreed(attempt):
            typer.echo("nothing was written")
            raise typer.Exit(1)
    write(addition)
    if as_json:
        answer = _attempt_as_dict(addition.spec, attempt)
        typer.echo(json.dumps(answer | {"file": str(addition.file)}, indent=2))
    else:
        where = f"{addition.spec.service}/{addition.spec.name}"
        typer.echo(inert(f"added {where} to {addition.file}; a running server reads it at its next start"))


def check_config(
    file: Path | None = typer.Argument(None, help="The configuration file; the same as --config."),
    probe: bool = typer.Option(False, "--probe", help="Ask every probe once, too."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Say whether the configuration is good, or everything that is wrong with it.

    Exit code 0 when it is good, 2 when it is not, and with --probe 1 when a probe says that its target is down.

    Example: opswatch check-config opswatch.yaml --probe
    """
    from opswatch.settings import current_settings

    try:
        settings = current_settings(file or config)
    except ConfigurationError as error:
        _report_faults(error, as_json=as_json)
        sys.exit(2)
    attempts = _probe_everything(settings) if probe else ()
    if as_json:
        typer.echo(json.dumps(_report(settings, attempts), indent=2))
    else:
        _say_lines(f"warning: {warning}" for warning in settings.warnings)
        _say_lines(_attempt_line(spec, attempt) for spec, attempt in attempts)
        probes = sum(len(service.probes) for service in settings.services)
        source = settings.config_file or "no file, the defaults"
        services = _counted(len(settings.services), "service")
        typer.echo(inert(f"{source}: ok, {services}, {_counted(probes, 'probe')}"))
    sys.exit(1 if any(_is_down(attempt) for _, attempt in attempts) else 0)


def schema(name: SchemaName = typer.Argument(help="Which file's schema.")) -> None:
    """Print the JSON Schema of a file, so that an editor can complete and check it.

    Example: opswatch schema config > opswatch.schema.json
    """
    if name is SchemaName.rules:
        from opswatch.rule_models import rules_schema

        document = rules_schema()
    elif name is SchemaName.dashboards:
        from dashboards.panels import DashboardConfig

        document = DashboardConfig.model_json_schema(by_alias=True)
    else:
        from opswatch.configuration import json_schema

        document = json_schema()
    typer.echo(json.dumps(document, indent=2))


async def _attempt_all(specs: tuple[ProbeSpec, ...]) -> list[Attempt]:
    from collector.http_probe import HttpProber
    from opswatch.system_clock import system_clock

    at_once = asyncio.Semaphore(50)
    async with HttpProber.opened(system_clock()) as prober:

        async def attempt(spec: ProbeSpec) -> Attempt:
            async with at_once:
                return await prober.attempt(spec)

        return list(await asyncio.gather(*map(attempt, specs)))


def _probe_everything(settings: Settings) -> tuple[tuple[ProbeSpec, Attempt], ...]:
    specs = tuple(probe for service in settings.services for probe in service.probes)
    return tuple(zip(specs, asyncio.run(_attempt_all(specs)), strict=True))


def _agreed(attempt: Attempt) -> bool:
    """A person is asked when the target is down; a script has said what it wants."""
    if not _is_down(attempt) or not sys.stdin.isatty():
        return True
    return typer.confirm("It is not as expected. Write it all the same?", default=True)


def _is_down(attempt: Attempt) -> bool:
    from telemetry.health import Verdict, verdict_of

    return verdict_of(attempt.outcome) not in {Verdict.UP, Verdict.DEGRADED}


def _report_faults(error: ConfigurationError, *, as_json: bool) -> None:
    from opswatch.settings import excerpts_of

    if as_json:
        faults = [asdict(fault) for fault in error.faults]
        typer.echo(json.dumps({"ok": False, "faults": faults}, indent=2))
        return
    for fault, excerpt in zip(error.faults, excerpts_of(error), strict=True):
        typer.echo(inert(str(fault)), err=True)
        if excerpt:
            typer.echo(excerpt, err=True)
    typer.echo(_counted(len(error.faults), "fault"), err=True)


def _report(settings: Settings, attempts: tuple[tuple[ProbeSpec, Attempt], ...]) -> dict[str, Any]:
    return {
        "ok": True,
        "file": None if settings.config_file is None else str(settings.config_file),
        "services": len(settings.services),
        "probes": sum(len(service.probes) for service in settings.services),
        "faults": [],
        "warnings": list(settings.warnings),
        "attempts": [_attempt_as_dict(spec, attempt) for spec, attempt in attempts],
    }


def _attempt_as_dict(spec: ProbeSpec, attempt: Attempt) -> dict[str, Any]:
    return {
        "service": spec.service,
        "probe": spec.name,
        "target": spec.target,
        "outcome": attempt.outcome.word,
        "latency_ms": round(attempt.latency_ms, 3),
        "phases": asdict(attempt.phases),
        "code": attempt.code,
        "certificate_days_left": attempt.certificate_days_left,
        "message": attempt.message,
    }


def _attempt_line(spec: ProbeSpec, attempt: Attempt) -> str:
    message = f": {attempt.message}" if attempt.message else ""
    return f"{spec.service}/{spec.name}: {attempt.outcome.word}, {attempt.latency_ms:.0f} ms{message}"


def _say_lines(lines: Any) -> None:
    for line in lines:
        typer.echo(inert(line))


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
