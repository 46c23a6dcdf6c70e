"""Listen for HTTP, and say where. Shell."""

from __future__ import annotations

import errno
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from opswatch.settings import TlsSettings
from telemetry.errors import ListenError

# Live streams are told to end first; what still runs after this is cut.
_SHUTDOWN_SECONDS = 1.5


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int, tls: TlsSettings | None) -> AsyncIterator[str]:
    """Serve the application as long as the block runs; gives its address, as http://127.0.0.1:8321.

    Raises ListenError that names the address, why, and the way out.
    """
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=None if tls is None else _context(tls))
        try:
            await site.start()
        except OSError as error:
            raise ListenError(_why(host, port, error), field="listen", value=f"{host}:{port}") from error
        bound = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        yield f"{'http' if tls is None else 'https'}://{shown}:{bound}"
    finally:
        await runner.cleanup()


def _context(tls: TlsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.certificate, tls.key)
    return context


def _why(host: str, port: int, error: OSError) -> str:
    place = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{place} is in use by another program: stop it, or choose another port with listen in opswatch.yaml"
            " or OPSWATCH_LISTEN (port 0 picks a free one)"
        )
    if error.errno == errno.EACCES:
        return f"{place} needs more rights than this user has: choose a port above 1023 with OPSWATCH_LISTEN"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{place} is no address of this machine: choose one that is, with OPSWATCH_LISTEN"
    return f"{place} cannot be listened on: {error.strerror or error}"
