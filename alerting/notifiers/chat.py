"""Chats and pagers: whatever apprise has a URL for. Shell.

apprise blocks, so each message has a thread of its own, and they are few: one that hangs keeps a place, and when all
are taken the next message waits instead of the house. They are daemons: none keeps the process from ending. The log of
apprise would print URLs, which hold credentials: it is kept quiet.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread

from alerting.messages import short_of
from alerting.notifiers.answers import Stopwatch
from alerting.outbox import Answer, Notice, NoticeKind, Outcome
from alerting.receivers import AppriseTarget, Receiver

THREADS = 4


class ChatSender:
    """Implements `alerting.outbox.Sender`."""

    def __init__(self) -> None:
        self._places = BoundedSemaphore(THREADS)

    async def send(
        self,
        receiver: Receiver,
        notice: Notice,
        recipients: Sequence[str],  # noqa: ARG002  # one URL is one recipient
    ) -> Sequence[Answer]:
        """See `Sender.send`."""
        assert isinstance(receiver.target, AppriseTarget)
        watch = Stopwatch()
        if not self._places.acquire(blocking=False):
            return [watch.answer(Outcome.LATER, "busy", f"{THREADS} messages hang already")]
        done: Future[tuple[str, str]] = Future()
        Thread(target=self._notify, args=(receiver.target, notice, done), name="apprise", daemon=True).start()
        try:
            async with asyncio.timeout(receiver.target.timeout):
                code, text = await asyncio.wrap_future(done)
        except TimeoutError:
            return [watch.answer(Outcome.LATER, "timeout", f"no answer within {receiver.target.timeout:g} s")]
        outcome = Outcome.DELIVERED if code == "ok" else Outcome.REFUSED if code == "url" else Outcome.LATER
        return [watch.answer(outcome, code, text)]

    def _notify(self, target: AppriseTarget, notice: Notice, done: Future[tuple[str, str]]) -> None:
        """In a thread."""
        try:
            found = _notified(target.url.get_secret_value(), notice)
        except Exception as error:  # noqa: BLE001  # a hundred plugins, and what each of them trips over
            found = "failed", type(error).__name__
        finally:
            self._places.release()
        if done.set_running_or_notify_cancel():
            done.set_result(found)


def is_url(url: str) -> bool:
    """Whether apprise knows what to do with a URL."""
    from apprise import Apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    return Apprise().instantiate(url, suppress_exceptions=True) is not None


def _notified(url: str, notice: Notice) -> tuple[str, str]:
    from apprise import Apprise, NotifyFormat, NotifyType

    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    chat = Apprise()
    if not chat.add(url):
        return "url", "apprise does not know this URL"
    title, body = short_of(notice)
    if notice.kind is not NoticeKind.ALERT:
        kind = NotifyType.INFO
    elif notice.firing:
        kind = NotifyType.FAILURE if notice.critical else NotifyType.WARNING
    else:
        kind = NotifyType.SUCCESS
    if chat.notify(body, title, notify_type=kind, body_format=NotifyFormat.TEXT):
        return "ok", "taken"
    return "failed", "it was not taken; apprise does not say why"
