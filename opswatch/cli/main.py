"""The command `opswatch`: what it can be told, and how it ends. Shell.

Exit codes: 0 ok, 1 failure, 2 usage or configuration, 3 changes wait (provision).
"""

from __future__ import annotations

import sys

import typer

from opswatch.cli import (
    alerts,
    backups,
    configure,
    doctor,
    exports,
    imports,
    provisioning,
    quarantine,
    reports,
    rules,
    running,
    telling,
    tokens,
)
from opswatch.log_record import inert
from telemetry.errors import ConfigurationError, OpsWatchError

app = typer.Typer(
    name="opswatch",
    help=(
        "Watch services and this host: probes, metrics, a live page, all in one program.\n\n"
        "Start with `opswatch init`, then `opswatch add https://your.service/health`, then `opswatch run`."
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from opswatch.version import VERSION

        typer.echo(f"opswatch {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Say which it is."),
) -> None:
    """Hold what stands before the command."""
    del version


for module in (
    running,
    configure,
    alerts,
    telling,
    rules,
    exports,
    imports,
    reports,
    quarantine,
    tokens,
    provisioning,
    backups,
    doctor,
):
    module.register(app)


def main() -> None:
    """Run the command line; every error of ours ends as one message on stderr, never as a traceback."""
    try:
        app()
    except OpsWatchError as error:
        prefix = "" if isinstance(error, ConfigurationError) else "opswatch: "
        sys.stderr.write("".join(f"{prefix}{inert(line)}\n" for line in str(error).splitlines()))
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # `opswatch export | head`: the reader has enough, which is no error.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        # A disk that is full, a file that is not ours: whoever reads this needs its name, not where we were.
        named = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(inert(f"opswatch: {named}{error.strerror or error}") + "\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
