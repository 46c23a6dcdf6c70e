"""What `opswatch doctor` looks at, finding by finding. Shell."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path
from typing import Literal

import aiohttp

from collector.replay import set_aside_files
from embedded.engine import fault_of
from influx.settings import InfluxSettings
from influx.store import InfluxStore
from opswatch.data_directory import VERSION, DataDirectory
from opswatch.settings import Settings, current_settings
from telemetry.errors import ConfigurationError, DataDirectoryError, StoreUnavailable
from telemetry.measurements import BUILT_IN

TOP_LEVEL_NAMES = ("api", "collector", "dashboards", "embedded", "influx", "infrastructure", "opswatch", "telemetry")
_LOW_SPACE = 500_000_000  # bytes; a day of a small fleet, and what DuckDB wants for a checkpoint


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; a failed one says what to do."""

    subject: str
    verdict: Literal["ok", "warning", "failed"]
    message: str


async def examine(config: Path | None, *, quick: bool) -> list[Finding]:
    """Look at everything, or, when `quick`, only at the running server. Never raises for what it finds."""
    try:
        settings = current_settings(config)
    except ConfigurationError as error:
        return [Finding("configuration", "failed", str(fault)) for fault in error.faults]
    server = await _server(settings)
    if quick:  # a health check: no server is a failure there
        return [server if server.verdict == "ok" else Finding(server.subject, "failed", server.message)]
    return [
        _python(),
        _names(),
        _front_end(),
        _configuration(settings),
        _data_directory(settings),
        _disk_space(settings),
        *await _store(settings),
        *_set_aside(settings),
        server,
    ]


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _names() -> Finding:
    owners = packages_distributions()
    foreign = {
        name: owners.get(name, []) for name in TOP_LEVEL_NAMES if set(owners.get(name, ["opswatch"])) != {"opswatch"}
    }
    if not foreign:
        return Finding("packages", "ok", "each of our names comes from OpsWatch alone")
    listed = "; ".join(
        f"{name} also comes from {', '.join(sorted(set(by) - {'opswatch'}))}" for name, by in foreign.items()
    )
    return Finding("packages", "failed", f"{listed}: give OpsWatch an environment of its own (make install)")


def _front_end() -> Finding:
    if files("dashboards").joinpath("static/vendor/uPlot.iife.min.js").is_file():
        return Finding("front end", "ok", "the chart library is in place")
    return Finding("front end", "failed", "the chart library is missing, so pages show tables only: run make install")


def _configuration(settings: Settings) -> Finding:
    source = str(settings.config_file) if settings.config_file else "defaults and environment"
    probes = sum(len(service.probes) for service in settings.services)
    if settings.warnings:
        return Finding("configuration", "warning", "; ".join(settings.warnings))
    return Finding("configuration", "ok", f"{source}: services {len(settings.services)}, probes {probes}")


def _data_directory(settings: Settings) -> Finding:
    root = settings.data_dir
    if not root.exists():
        return Finding("data directory", "warning", f"{root} does not exist yet; `opswatch run` makes it")
    if not os.access(root, os.W_OK | os.X_OK):
        return Finding("data directory", "failed", f"{root} cannot be written by user {os.getuid()}: change its owner")
    try:
        version = DataDirectory(root).version()
    except DataDirectoryError as error:
        return Finding("data directory", "failed", error.message)
    if version not in {None, VERSION}:
        words = f"{root} has version {version}; the next start brings it to {VERSION}, after a copy (backup-{version}/)"
        return Finding("data directory", "warning", words)
    if root.stat().st_mode & 0o077:
        return Finding("data directory", "warning", f"{root} can be entered by other users: chmod 700 {root}")
    return Finding("data directory", "ok", f"{root} (version {VERSION})")


def _disk_space(settings: Settings) -> Finding:
    place = next(path for path in (settings.data_dir, *settings.data_dir.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    verdict: Literal["ok", "failed"] = "ok" if free >= _LOW_SPACE else "failed"
    return Finding("disk space", verdict, f"{free / 1e9:.1f} GB free for {settings.data_dir}")


async def _store(settings: Settings) -> list[Finding]:
    directory = DataDirectory(settings.data_dir)
    if settings.influx is not None:
        return await _influx(settings, settings.influx)
    if directory.read_server_facts() is not None:
        return [Finding("store", "ok", "the running server has it open")]
    fault = fault_of(directory.metrics)
    if fault:
        return [Finding("store", "failed", f"{fault} (docs/storage.md says what a start does with a damaged store)")]
    words = f"{directory.metrics} can be opened" if directory.metrics.exists() else "none yet"
    return [Finding("store", "ok", words)]


async def _influx(settings: Settings, influx: InfluxSettings) -> list[Finding]:
    from opswatch.system_clock import system_clock

    try:
        opened = InfluxStore.opened(influx, settings.retention, BUILT_IN, system_clock(), socket.gethostname())
        async with opened as store:
            faults, notes, version = store.faults, store.notes, store.version
    except StoreUnavailable as error:
        return [Finding("store", "failed", error.message)]
    found = [Finding("store", "failed", fault) for fault in faults]
    found += [Finding("store", "warning", note) for note in notes if note not in faults]
    if not faults:
        found.insert(0, Finding("store", "ok", f"InfluxDB {version} at {influx.url} takes and keeps points"))
    return found


def _set_aside(settings: Settings) -> list[Finding]:
    files = set_aside_files(settings.data_dir)
    if not files:
        return []
    listed = ", ".join(Path(one.path).name for one in files)
    words = f"could not be opened and were set aside: {listed}; delete them when nothing of them is needed any more"
    return [Finding("files set aside", "warning", words)]


async def _server(settings: Settings) -> Finding:
    facts = DataDirectory(settings.data_dir).read_server_facts()
    url = facts.url if facts else settings.server_url
    if url is None:
        return Finding("server", "warning", "none runs on this data directory; `opswatch run` starts one")
    try:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{url.rstrip('/')}/ready") as answer:
            body = await answer.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        return Finding("server", "failed", f"{url} does not answer: {str(error) or 'no answer in time'}")
    if answer.status == 200:
        if "history_missing" in body:
            words = f"{url} is ready, but a period was lost with a damaged store: see its page Status"
            return Finding("server", "warning", words)
        return Finding("server", "ok", f"{url} is ready")
    return Finding("server", "failed", f"{url} is not ready: {body[:300]}")
