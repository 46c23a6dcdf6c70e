"""`opswatch backup` and `opswatch restore`. Shell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from opswatch.cli.running import CONFIG
from opswatch.log_record import inert
from telemetry.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    from opswatch.backup_files import Advance
    from opswatch.backup_manifest import Manifest
    from opswatch.restore import Stage

JSON = typer.Option(False, "--json", help="Print JSON.")
_WORDS = {
    "copying": "the server copies its store",
    "receiving": "receiving",
    "comparing": "comparing with the manifest",
    "restoring": "restoring",
}


def register(app: typer.Typer) -> None:
    app.command()(backup)
    app.command()(restore)


def backup(
    target: Path = typer.Argument(metavar="DIR", help="A new or empty folder for the backup."),
    with_keys: bool = typer.Option(
        False, "--with-keys", help="The private keys of keys/ too: keep it as safe as them."
    ),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Back up the data while the server runs: everything that was acknowledged before is in it.

    Asks the server that OPSWATCH_URL names, with an admin's OPSWATCH_TOKEN, else the one that runs on this data
    directory, else opens the data itself. DIR has a manifest.json only when the backup is whole. The configuration
    file is named in there, not copied.

    Example: opswatch backup /mnt/backups/monday
    """
    from opswatch.backup_client import BackupRequest, fetch_backup
    from opswatch.settings import current_settings

    settings = current_settings(config)
    with _progress() as stage:
        manifest = asyncio.run(fetch_backup(settings, BackupRequest(target, with_keys), stage))
    if as_json:
        typer.echo(json.dumps(_as_dict(manifest, target), indent=2))
        return
    keys = "with the private keys" if manifest.keys else "without private keys"
    typer.echo(inert(f"backed up {_counted(manifest)} to {target}, {keys}"))


def restore(
    source: Path = typer.Argument(metavar="DIR", help="The folder that `opswatch backup` has made."),
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Restore a backup into this machine's data directory, which must be new or empty, with no server on it.

    Every file is compared with its checksum before anything is written.

    Example: OPSWATCH_DATA_DIR=/srv/opswatch opswatch restore /mnt/backups/monday
    """
    from opswatch.data_directory import DataDirectory
    from opswatch.restore import restore as put_back
    from opswatch.settings import current_settings

    settings = current_settings(config)
    if settings.server_url is not None:
        words = "restore writes the data directory of this machine, not of a server elsewhere: unset it"
        raise ConfigurationError([Fault(words, "environment", "OPSWATCH_URL")])
    with _progress() as stage:
        manifest = put_back(source, DataDirectory(settings.data_dir), stage)
    if as_json:
        typer.echo(json.dumps(_as_dict(manifest, settings.data_dir) | {"from": str(source)}, indent=2))
        return
    began = f"{manifest.began:%Y-%m-%d %H:%M:%S} UTC"
    typer.echo(inert(f"restored {_counted(manifest)} of {began} into {settings.data_dir}; now `opswatch run`"))
    if manifest.configuration is not None:
        typer.echo(inert(f"its configuration was {manifest.configuration} on {manifest.host}; it is not in the backup"))


@contextmanager
def _progress() -> Iterator[Stage]:
    """Bars on stderr, for a person only."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def stage(name: str, size: int) -> Advance:
            for earlier in progress.task_ids:
                progress.remove_task(earlier)
            task = progress.add_task(_WORDS[name], total=size or None)
            return lambda count: progress.advance(task, count)

        yield stage


def _counted(manifest: Manifest) -> str:
    return f"{len(manifest.files):,} files, {manifest.size / 1e6:,.1f} MB,"


def _as_dict(manifest: Manifest, place: Path) -> dict[str, object]:
    return {"directory": str(place.absolute()), "bytes": manifest.size} | manifest.model_dump(mode="json")
