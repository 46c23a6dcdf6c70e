"""`opswatch token`: API tokens, with the server running or stopped. Shell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from opswatch.cli.running import CONFIG
from opswatch.log_record import inert
from telemetry.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    from api.access import TokenRecord
    from opswatch.state import State

T = TypeVar("T")


class RoleName(str, Enum):
    """The roles as the command line takes them."""

    viewer = "viewer"
    operator = "operator"
    admin = "admin"


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        name="token", help="Make, list and revoke API tokens.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command()(create)
    group.command(name="list")(list_tokens)
    group.command()(revoke)
    app.add_typer(group)


def create(
    name: str = typer.Argument(help="What the token is for; unique among those that are good."),
    role: RoleName = typer.Option(RoleName.viewer, "--role", help="What it may do."),
    expires: str | None = typer.Option(None, "--expires", help="For how long it is good, as 30d; else until revoked."),
    config: Path | None = CONFIG,
) -> None:
    """Make a token and print it, alone, on stdout. It is never shown again.

    Example: opswatch token create grafana --role viewer --expires 90d
    """
    from api.access import Role

    lifetime = _lifetime(expires)

    async def work(state: State, now: datetime) -> str:
        return await state.tokens.create(
            name, Role[role.name.upper()], now, None if lifetime is None else now + lifetime
        )

    typer.echo(_with_state(config, work))


def list_tokens(
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    config: Path | None = CONFIG,
) -> None:
    """List the tokens: names, roles, when they end and when they were last used; never the tokens themselves.

    Example: opswatch token list
    """

    async def work(state: State, now: datetime) -> tuple[TokenRecord, ...]:
        del now
        return await state.tokens.list()

    records = _with_state(config, work)
    if as_json:
        typer.echo(json.dumps([_as_dict(record) for record in records], indent=2))
        return
    for record in records:
        row = _as_dict(record)
        ends = "revoked" if record.revoked else f"until {row['expires'] or 'revoked'}"
        used = f"last used {row['last_used'] or 'never'}"
        typer.echo("\t".join(map(inert, (record.name, record.role.word, f"{record.prefix}…", ends, used))))


def revoke(name: str = typer.Argument(help="The token's name."), config: Path | None = CONFIG) -> None:
    """Revoke a token: the next request with it is refused.

    Example: opswatch token revoke grafana
    """

    async def work(state: State, now: datetime) -> None:
        await state.tokens.revoke(name, now)

    _with_state(config, work)
    typer.echo(inert(f"revoked {name}"))


def _with_state(config: Path | None, work: Callable[[State, datetime], Awaitable[T]]) -> T:
    from opswatch.data_directory import DataDirectory
    from opswatch.migration import ensure_current
    from opswatch.settings import current_settings
    from opswatch.state import State
    from opswatch.system_clock import system_clock

    directory = DataDirectory(current_settings(config).data_dir)
    ensure_current(directory, system_clock().now())

    async def run() -> T:
        async with State.opened(directory.state) as state:
            return await work(state, system_clock().now())

    return asyncio.run(run())


def _lifetime(text: str | None) -> timedelta | None:
    from telemetry.times import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise ConfigurationError([Fault(str(error), "command line", "--expires")]) from error


def _as_dict(record: TokenRecord) -> dict[str, str | None]:
    moments = {name: getattr(record, name) for name in ("created", "expires", "last_used", "revoked")}
    return {"name": record.name, "role": record.role.word, "prefix": record.prefix} | {
        name: moment and moment.strftime("%Y-%m-%dT%H:%M:%SZ") for name, moment in moments.items()
    }
