"""`opswatch provision`: an InfluxDB is made what OpsWatch needs, kept so, and any drift is named. Shell."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from opswatch.cli.running import CONFIG
from opswatch.log_record import inert

if TYPE_CHECKING:
    from influx.changes import There
    from influx.permissions import Permission
    from opswatch.provision_text import Account
    from opswatch.provisioning import Wish

JSON = typer.Option(False, "--json", help="Print JSON.")
ADMIN = typer.Option(
    None,
    "--admin-token-file",
    help="File with a token that has all rights in the organisation; else INFLUXDB_V2_TOKEN, else that of the owner"
    " whom `apply --setup` made.",
)
_CHANGES_WAIT = 3


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        name="provision",
        help="Make what OpsWatch needs in InfluxDB, buckets, tokens, tasks and dashboards, and keep it so.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command()(plan)
    group.command()(apply)
    group.command()(verify)
    app.add_typer(group)


def plan(admin_token_file: Path | None = ADMIN, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Show what is there and what should be, without touching anything.

    Exit code 0 when nothing waits, 3 when changes wait, 1 when the server cannot be asked, 2 for the configuration.

    Example: opswatch provision plan --admin-token-file admin.token
    """
    from opswatch.provision_text import plan_lines

    _show(_wish(config, admin_token_file), plan_lines, as_json=as_json)


def apply(
    setup: bool = typer.Option(False, "--setup", help="A server that nobody has set up gets its owner, too."),
    allow_data_loss: bool = typer.Option(
        False, "--allow-data-loss", help="Buckets that keep longer than they should are shortened."
    ),
    replace_tokens: bool = typer.Option(
        False,
        "--replace-tokens",
        help="Older tokens of ours are deleted, and one that somebody put into the file gives way if it may not do"
        " what it must.",
    ),
    admin_token_file: Path | None = ADMIN,
    as_json: bool = JSON,
    config: Path | None = CONFIG,
) -> None:
    """Make buckets, tokens, tasks and dashboards what they should be, then look whether they are.

    Again and again does no harm. Nothing that is not OpsWatch's is touched. A token goes into its file, readable by
    its owner alone, and is never shown. Exit codes are those of `plan`: 3 when something still waits for a word of
    yours.

    Example: opswatch provision apply --setup
    """
    from influx.permissions import Permission
    from opswatch.provision_text import drift_lines
    from opswatch.provisioning import apply as make

    said = zip(Permission, (setup, allow_data_loss, replace_tokens), strict=True)
    wish = _wish(config, admin_token_file, *(permission for permission, is_given in said if is_given))
    made: list[str] = []

    def say(line: str) -> None:
        made.append(line)
        typer.echo(inert(line), err=True)

    there = asyncio.run(make(wish, say))
    _end(_account(wish, there), drift_lines, as_json=as_json, made=made)


def verify(admin_token_file: Path | None = ADMIN, as_json: bool = JSON, config: Path | None = CONFIG) -> None:
    """Name everything that is not as it should be.

    Exit code 0 when nothing is, 3 when something is; else as `plan`. It suits a check of every night.

    Example: opswatch provision verify --json
    """
    from opswatch.provision_text import drift_lines

    _show(_wish(config, admin_token_file), drift_lines, as_json=as_json)


def _wish(config: Path | None, admin_token_file: Path | None, *permissions: Permission) -> Wish:
    from opswatch.provisioning import wish_of
    from opswatch.settings import settings_to_provision
    from opswatch.system_clock import system_clock

    settings, admin_token = settings_to_provision(config, admin_token_file)
    return wish_of(settings, admin_token, system_clock().now(), frozenset(permissions))


def _account(wish: Wish, there: There) -> Account:
    from opswatch.provision_text import Account

    files = {token.name: str(wish.keys.file_of(token.name)) for token in wish.wanted.tokens}
    return Account(wish.influx.url, wish.wanted, there, files, tuple(map(str, wish.keys.exposed())))


def _show(wish: Wish, lines: Callable[[Account], Iterator[str]], *, as_json: bool) -> None:
    from opswatch.provisioning import look

    _end(_account(wish, asyncio.run(look(wish))), lines, as_json=as_json)


def _end(
    account: Account, lines: Callable[[Account], Iterator[str]], *, as_json: bool, made: Sequence[str] | None = None
) -> None:
    from opswatch.provision_text import as_dict

    if as_json:
        answer = as_dict(account) | ({} if made is None else {"made": list(made)})
        typer.echo(json.dumps(answer, indent=2))
    else:
        for line in lines(account):
            typer.echo(line)
    sys.exit(_CHANGES_WAIT if account.changes else 0)
