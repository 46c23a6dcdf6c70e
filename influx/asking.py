"""Ask InfluxDB a question until it is answered, or say why it is not. Shell."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp

from influx.annotated_csv import AnnotatedCsvParser, ErrorTable, GarbledAnswer, Rows
from influx.connection import InfluxConnection, short_answer, told
from influx.http_answers import Answer, shown
from influx.parameters import FluxQuery, extern
from telemetry.errors import InvalidQuery, QueryTimedOut, QueryTooLarge, StoreUnavailable
from telemetry.times import format_duration

MOST_AT_ONCE = 4
BITE_BYTES = 256 * 1024
_TABLES_A_TURN = 500  # a bite may hold thousands of tables of one row, each of which costs as much as a hundred rows
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0  # seconds
_QUEUE_FULL = "queue length exceeded"
OUT_OF_MEMORY = "memory allocation limit reached"
_BAD_PATTERN = "error parsing regexp"
_TABLES = ("text/csv", "application/csv")
_ONCE_MORE = frozenset({500, 502, 503, 504})  # a 500 is often the question's own fault (design.md 4)
_WAY_OUT = {
    401: "its token is not known there: make one that may read the buckets, and put it where the configuration says",
    403: "its token may not read that: give it the right to read the buckets",
    404: "a bucket is not there, or the token may not read it: make it, or give the right to read it",
}

Take = Callable[[Rows], None]


@asynccontextmanager
async def within(deadline: timedelta) -> AsyncIterator[None]:
    """Raises QueryTimedOut, when the block has not ended by then."""
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            yield
    except TimeoutError as error:
        raise QueryTimedOut(
            f"InfluxDB had not answered after {format_duration(deadline)}, and the query was stopped: shorten the range"
            " or lengthen every (if small ones take as long, the server is in trouble)"
        ) from error


class _TryAgain(Exception):
    """The server has no room for the question now; `reason` is what is said when there never is."""

    def __init__(self, reason: Exception, *, is_full: bool) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.is_full = is_full


class FluxAsker:
    """Asks at most MOST_AT_ONCE questions at once; the others wait for their turn, within their deadline."""

    def __init__(self, connection: InfluxConnection) -> None:
        self._connection = connection
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._url = connection.settings.url

    async def ask(self, flux: FluxQuery, take: Take) -> None:
        """Hand all rows to `take`. Whoever stops waiting closes the connection, and the server stops.

        Raises QueryTooLarge, InvalidQuery, StoreUnavailable; and what `take` raises. It asks again only where nothing
        has been taken yet, and until a deadline when the server has no room.
        """
        body, wait, failures = _body(flux), _FIRST_WAIT, 0
        while True:
            try:
                async with self._turns:
                    return await self._attempt(body, take)
            except _TryAgain as again:
                failures += not again.is_full
                if failures > 1:
                    raise again.reason from again
            # Not all that were refused together come again together.
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 (no secret)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _attempt(self, body: bytes, take: Take) -> None:
        with told(self._url):
            async with self._connection.query(body) as response:
                if response.status != 200:
                    raise self._refusal(await short_answer(response))
                kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
                if kind not in _TABLES:
                    seen = await short_answer(response)
                    raise StoreUnavailable(
                        f"{self._url} answers a query with {kind or 'no content type'}, not with tables: is it a proxy,"
                        f" or no InfluxDB? {seen.text}",
                        value=kind,
                    )
                await self._read(response, take)

    async def _read(self, response: aiohttp.ClientResponse, take: Take) -> None:
        parser = AnnotatedCsvParser()
        try:
            async for piece in _bites(response.content):
                for number, rows in enumerate(parser.feed(piece)):
                    take(rows)
                    if number % _TABLES_A_TURN == 0:
                        await asyncio.sleep(0)  # others have their turn; what has come already is read without waiting
            parser.close()
        except ErrorTable as error:
            raise self._failure(shown(str(error).encode())) from error
        except GarbledAnswer as error:
            raise StoreUnavailable(f"InfluxDB at {self._url} sent an answer that is none: {error}") from error
        except LookupError as error:  # it has not the columns or the results that were asked for
            raise StoreUnavailable(
                f"InfluxDB at {self._url} sent another answer than was asked for: {error} is not in it (is it a proxy"
                " that gives back an old one?)"
            ) from error

    def _refusal(self, answer: Answer) -> Exception:
        words = message_of(answer)
        if answer.status in _WAY_OUT:
            return StoreUnavailable(f"InfluxDB at {self._url} refuses: {words}; {_WAY_OUT[answer.status]}")
        failure = self._failure(words)
        if not isinstance(failure, StoreUnavailable):
            return failure
        if answer.status == 429 or _QUEUE_FULL in words:
            return _TryAgain(failure, is_full=True)
        if answer.status in _ONCE_MORE:
            return _TryAgain(failure, is_full=False)
        return StoreUnavailable(f"InfluxDB at {self._url} answers a query with {answer.status}: {words}")

    def _failure(self, words: str) -> Exception:
        """What the server's own words mean, whatever the status they came with."""
        if OUT_OF_MEMORY in words:
            return QueryTooLarge(
                "the query needs more memory than InfluxDB may use: shorten the range, lengthen every, or narrow it"
                f" with where ({words})"
            )
        if _BAD_PATTERN in words:
            return InvalidQuery(f"a pattern in where is one that InfluxDB does not take: {words}", field="where")
        return StoreUnavailable(f"InfluxDB at {self._url} failed to answer a query: {words}")


async def _bites(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """What comes, in pieces that hold whole tables: their times are often the same, and then read once."""
    pieces, size = [], 0
    while piece := await content.read(BITE_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size >= BITE_BYTES:
            yield b"".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)


def _body(flux: FluxQuery) -> bytes:
    dialect = {"annotations": ["datatype"], "header": True, "delimiter": ","}
    body = {"type": "flux", "query": flux.text, "extern": extern(flux.parameters), "dialect": dialect}
    return json.dumps(body).encode()


def message_of(answer: Answer) -> str:
    """What an answer with an error says, for people."""
    if answer.is_json:
        try:
            content = json.loads(answer.body)
        except ValueError:
            content = None
        if isinstance(content, dict) and isinstance(content.get("message"), str):
            return shown(content["message"].encode("utf-8", "replace"))
    return answer.text
