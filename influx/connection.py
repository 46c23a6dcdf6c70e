"""The one way to an InfluxDB 2.x server: one session, the token, and answers that are not taken on trust. Shell."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp

from influx.http_answers import Answer, shown
from influx.settings import InfluxSettings
from telemetry.errors import StoreUnavailable

MAX_ANSWER_BYTES = 64 * 1024  # of an answer that is no table: a server quotes whole lines in its errors
MAX_LISTING_BYTES = 32 * 1024 * 1024  # one token with all rights takes six thousand bytes of a list
_CONNECT_SECONDS = 5.0
_WRITE_SECONDS = 30.0  # the server itself gives up after ten
# A new token may be in the file: the old one is not known any more, or may not see what it could see.
_MAY_BE_THE_TOKEN = frozenset({401, 403, 404})


class InfluxConnection:
    """Open it with `opened`. Every method raises StoreUnavailable, naming the URL, when no answer comes."""

    def __init__(self, settings: InfluxSettings, session: aiohttp.ClientSession, token: str) -> None:
        self.settings = settings
        self._session = session
        self._token = token

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: InfluxSettings) -> AsyncIterator[InfluxConnection]:
        """A connection, as long as the block runs; nothing is asked of the server yet.

        Raises StoreUnavailable when the token's file or the certificate authority's cannot be read.
        """
        token = await asyncio.to_thread(_read_token, settings)
        trusted = await asyncio.to_thread(_trusted, settings)
        connector = aiohttp.TCPConnector(limit=16, ssl=trusted)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
        # No proxy of the environment and no cookies: the token goes to the server that was named, and nowhere else.
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=True,
            headers={"User-Agent": "opswatch"},
        ) as session:
            yield cls(settings, session, token)

    async def write(self, bucket: str, body: bytes, *, is_gzip: bool) -> Answer:
        """`POST /api/v2/write` of line protocol with times in ns; any answer, as it came."""
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if is_gzip:
            headers["Content-Encoding"] = "gzip"
        parameters = {"org": self.settings.org, "bucket": bucket, "precision": "ns"}
        return await self.ask("POST", "/api/v2/write", parameters, body, headers)

    async def ask(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Any call with a short answer."""
        with told(self.settings.url):
            async with asyncio.timeout(_WRITE_SECONDS):
                async with self._request(method, path, parameters or {}, body, headers or {}) as response:
                    return await short_answer(response)

    async def listing(self, path: str, parameters: Mapping[str, str]) -> Answer:
        """A `GET` whose answer may be long, as a list is; at most MAX_LISTING_BYTES of it."""
        with told(self.settings.url):
            async with asyncio.timeout(_WRITE_SECONDS), self._request("GET", path, parameters, None, {}) as response:
                return await short_answer(response, MAX_LISTING_BYTES)

    @asynccontextmanager
    async def query(self, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        """`POST /api/v2/query` of a JSON body; the answer as it comes, whatever its status.

        Leaving the block before the end closes the connection, which stops the query on the server. Without a time
        limit: the caller has a deadline. Reading raises aiohttp.ClientError; wrap it with `told`.
        """
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/csv",
            "Accept-Encoding": "identity",  # on a fast network compressing costs half the speed (influxdb.md 2.1)
        }
        with told(self.settings.url):
            async with self._request("POST", "/api/v2/query", {"org": self.settings.org}, body, headers) as response:
                yield response

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, parameters: Mapping[str, str], body: bytes | None, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request; once more with the token that the file holds now, where that is another one."""
        for is_last in (False, True):
            token = self._token
            async with self._session.request(
                method,
                self.settings.url + path,
                params=dict(parameters),
                data=body,
                headers={**headers, "Authorization": f"Token {token}"},
                allow_redirects=False,  # a token is not for whoever is named in a Location
            ) as response:
                if is_last or response.status not in _MAY_BE_THE_TOKEN or not await self._has_another(token):
                    yield response
                    return

    async def _has_another(self, refused: str) -> bool:
        """Whether the file holds another token than the one that was refused, which others may have read already."""
        if self.settings.token_file is None:
            return False
        try:
            self._token = await asyncio.to_thread(_read_token, self.settings)
        except StoreUnavailable:  # it is being replaced; the next answer asks again
            return False
        return self._token != refused


class told:  # noqa: N801 (read as a word)
    """Makes StoreUnavailable of whatever a connection can fail with."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TimeoutError):
            raise StoreUnavailable(f"InfluxDB at {self._url} does not answer in time") from error
        if isinstance(error, aiohttp.ClientError | OSError):
            words = shown(_words(error).encode("utf-8", "replace")) or type(error).__name__
            raise StoreUnavailable(f"InfluxDB at {self._url} cannot be reached: {words}") from error


def _words(error: Exception) -> str:
    """Why there is no connection, without what only programmers can read, and with a way out where there is one."""
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=cause):
            said = getattr(cause, "verify_message", "") or str(cause)
            return f"its certificate is not trusted: {said} (name its authority's file in storage.influxdb.ca_file)"
        case aiohttp.ClientConnectorSSLError(os_error=cause):
            said = getattr(cause, "reason", "") or str(cause)
            return f"no TLS can be agreed on: {said} (is it a server of http://?)"
        case aiohttp.ClientConnectorError(os_error=cause):
            number = cause.errno or 0
            said = os.strerror(number) if number > 0 else cause.strerror or str(cause)
            return f"{said} (is it running, and is that its address?)"
    return str(error)


async def short_answer(response: aiohttp.ClientResponse, most: int = MAX_ANSWER_BYTES) -> Answer:
    """The answer with the beginning of its body, `most` bytes of it. Raises aiohttp.ClientError."""
    body = bytearray()
    while len(body) < most and (piece := await response.content.read(most - len(body))):
        body += piece
    return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, bytes(body))


def _read_token(settings: InfluxSettings) -> str:
    where = settings.token_file or "the settings"
    try:
        if settings.token_file is not None:
            token = settings.token_file.read_text(encoding="utf-8").strip()
        else:
            token = settings.token.get_secret_value().strip() if settings.token is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        if settings.awaits_token and isinstance(error, FileNotFoundError):
            return ""
        raise StoreUnavailable(f"the token of InfluxDB cannot be read: {error}") from error
    if not token.isprintable():  # no header can carry it
        raise StoreUnavailable(f"{where} must hold the token of InfluxDB alone, on one line")
    return token


def _trusted(settings: InfluxSettings) -> ssl.SSLContext | bool:
    if settings.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(settings.ca_file))
    except (OSError, ssl.SSLError) as error:
        raise StoreUnavailable(
            f"{settings.ca_file} holds no certificates to trust InfluxDB by: {error}", value=str(settings.ca_file)
        ) from error
