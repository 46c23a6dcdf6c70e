"""Encoded answers, each made once for all who ask the same at about the same time. Shell."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from api.cached_reader import KEEP_SECONDS
from telemetry.series import SeriesResult

_MAX_BYTES = 100_000_000  # of all kept bodies together
_SMALL = 100_000  # values, which take some 5 ms


@dataclass(frozen=True, slots=True)
class _Body:
    result: SeriesResult  # held, so that nothing else gets its identity
    made: asyncio.Future[bytes]
    until: float  # monotonic seconds


class AnswerBodies:
    """Goes with `CachedReader`, which gives the same object to all who ask the same within a second."""

    def __init__(self, encode: Callable[[SeriesResult], bytes], monotonic: Callable[[], float]) -> None:
        self._encode = encode
        self._monotonic = monotonic
        self._kept: OrderedDict[int, _Body] = OrderedDict()

    async def of(self, result: SeriesResult) -> bytes:
        """The body of this very answer."""
        self._forget_old()
        kept = self._kept.get(id(result))
        if kept is None:
            made = asyncio.ensure_future(self._made(result))
            kept = self._kept[id(result)] = _Body(result, made, self._monotonic() + KEEP_SECONDS)
        return await asyncio.shield(kept.made)

    async def _made(self, result: SeriesResult) -> bytes:
        size = sum(len(one.values) for one in result.series)
        # A thread costs a millisecond or more; two million numbers on the event loop would cost everybody 100 ms.
        return self._encode(result) if size < _SMALL else await asyncio.to_thread(self._encode, result)

    def _forget_old(self) -> None:
        now = self._monotonic()
        while self._kept and next(iter(self._kept.values())).until <= now:
            self._kept.popitem(last=False)
        size = sum(len(one.made.result()) for one in self._kept.values() if _is_made(one.made))
        while size > _MAX_BYTES:
            _, oldest = self._kept.popitem(last=False)
            size -= len(oldest.made.result()) if _is_made(oldest.made) else 0


def _is_made(future: asyncio.Future[bytes]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


ANSWER_BODIES: web.AppKey[AnswerBodies] = web.AppKey("answer_bodies", AnswerBodies)
