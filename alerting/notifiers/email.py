"""E-mail: one transaction for all recipients of a message, and an answer for each of them. Shell.

Without TLS nothing secret is said: where STARTTLS is wanted and not offered, the message waits and the password stays
here. Threads by References (RFC 5322, 3.6.4); RFC 3834 says how a machine's mail is marked.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from hashlib import sha256

import aiosmtplib

from alerting.messages import PICTURE, html_of, subject_of, text_of
from alerting.notifiers.answers import Stopwatch
from alerting.outbox import Answer, Notice, Outcome
from alerting.receivers import EmailTarget, Receiver, SmtpServer
from telemetry.clock import Clock

_STEPS = 6  # connect, TLS, login, envelope, data, quit: each has the timeout of its own


class TlsNotOffered(Exception):
    """The server does not speak TLS, and without it nothing is said."""


class EmailSender:
    """Implements `alerting.outbox.Sender`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def send(self, receiver: Receiver, notice: Notice, recipients: Sequence[str]) -> Sequence[Answer]:
        """See `Sender.send`."""
        assert isinstance(receiver.target, EmailTarget)
        server, watch = receiver.target.server, Stopwatch()
        message = mail_of(notice, server, receiver.target.to, format_datetime(self._clock.now()))
        answers: dict[str, Answer] = {}
        try:
            async with asyncio.timeout(server.timeout * _STEPS):
                await _Transaction(server, watch, answers).hand_over(message, recipients)
        except (TimeoutError, aiosmtplib.SMTPException, OSError, TlsNotOffered, ValueError) as error:
            code, text = _failure(error)
            for one in recipients:
                # What was accepted before is not known to be kept: it is sent again, with the same Message-ID.
                answers.setdefault(one, watch.answer(Outcome.LATER, code, text, one))
        return [answers[one] for one in recipients]


class _Transaction:
    """One connection, one message."""

    def __init__(self, server: SmtpServer, watch: Stopwatch, answers: dict[str, Answer]) -> None:
        self._server = server
        self._watch = watch
        self._answers = answers

    async def hand_over(self, message: bytes, recipients: Sequence[str]) -> None:
        server = self._server
        context = ssl.create_default_context(cafile=None if server.ca_file is None else str(server.ca_file))
        smtp = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls,
            start_tls=False,
            tls_context=context,
            timeout=server.timeout,
        )
        try:
            await smtp.connect()
            if server.starttls and not server.tls:
                await self._start_tls(smtp, context)
            if server.username and server.password is not None:
                await smtp.login(server.username, server.password.get_secret_value())
            await self._envelope(smtp, recipients)
            await self._data(smtp, message, [one for one in recipients if one not in self._answers])
        finally:
            await _leave(smtp)

    async def _start_tls(self, smtp: aiosmtplib.SMTP, context: ssl.SSLContext) -> None:
        await smtp.ehlo()
        if not smtp.supports_extension("starttls"):
            raise TlsNotOffered
        await smtp.starttls(tls_context=context)

    async def _envelope(self, smtp: aiosmtplib.SMTP, recipients: Sequence[str]) -> None:
        await smtp.mail(self._server.sender)
        for one in recipients:
            try:
                await smtp.rcpt(one)
            except aiosmtplib.SMTPRecipientRefused as error:
                self._answer(one, error.code, error.message)

    async def _data(self, smtp: aiosmtplib.SMTP, message: bytes, left: Sequence[str]) -> None:
        if not left:
            return
        try:
            response = await smtp.data(message)
        except aiosmtplib.SMTPDataError as error:
            for one in left:
                self._answer(one, error.code, error.message)
        else:
            for one in left:
                self._answer(one, response.code, response.message)

    def _answer(self, recipient: str, code: int, text: str) -> None:
        outcome = Outcome.DELIVERED if code < 300 else Outcome.REFUSED if code >= 500 else Outcome.LATER
        self._answers[recipient] = self._watch.answer(outcome, str(code), text, recipient)


async def _leave(smtp: aiosmtplib.SMTP) -> None:
    """Say goodbye where somebody listens; what was answered before holds, whatever comes of it."""
    try:
        if smtp.is_connected:
            await smtp.quit()
    except (aiosmtplib.SMTPException, OSError, TimeoutError):
        pass
    finally:
        smtp.close()


def mail_of(notice: Notice, server: SmtpServer, to: Sequence[str], date: str) -> bytes:
    """The message as it is handed over: text, HTML, and the picture, if there is one."""
    mail = EmailMessage(policy=SMTP_POLICY)
    place = _place(server, notice)
    mail["Subject"] = subject_of(notice)
    mail["From"] = server.sender
    mail["To"] = ", ".join(to)
    mail["Date"] = date
    mail["Message-ID"] = f"<{notice.id}@{place}>"
    thread = f"<{sha256(notice.thread.encode()).hexdigest()[:32]}@{place}>"
    mail["References"] = thread
    mail["In-Reply-To"] = thread
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Priority"] = "1" if notice.critical else "3"
    mail.set_content(text_of(notice))
    mail.add_alternative(html_of(notice), subtype="html")
    if notice.picture is not None:
        page = mail.get_payload()[1]  # type: ignore[index]
        page.add_related(notice.picture, "image", "png", cid=f"<{PICTURE}>", filename="trend.png")  # type: ignore[union-attr]
    return mail.as_bytes()


def _place(server: SmtpServer, notice: Notice) -> str:
    """The right side of identifiers: the sender's domain, else the host."""
    found = re.search(r"@([A-Za-z0-9.-]+)", server.sender)
    return found[1] if found else re.sub(r"[^A-Za-z0-9.-]", "-", notice.host)[:100] or "localhost"


def _failure(error: BaseException) -> tuple[str, str]:
    cause = error.__cause__ or error.__context__
    certificate = next((one for one in (error, cause) if isinstance(one, ssl.SSLCertVerificationError)), None)
    code, text = "connection", str(error)
    match error:
        case _ if certificate is not None:
            code, text = "certificate", certificate.verify_message
        case TlsNotOffered():
            code = "tls"
            text = "the server does not offer STARTTLS; without TLS nothing is handed over (smtp.starttls)"
        case aiosmtplib.SMTPAuthenticationError():
            code, text = "authentication", f"{error.code} {error.message}"
        case aiosmtplib.SMTPResponseException():
            code, text = str(error.code), error.message
        case TimeoutError() | aiosmtplib.SMTPTimeoutError():
            code, text = "timeout", "the server did not answer in time"
        case aiosmtplib.SMTPServerDisconnected():
            code, text = "reset", "the server closed the connection"
        case _ if isinstance(error, ssl.SSLError) or isinstance(cause, ssl.SSLError):
            code, text = "tls", "TLS failed"
    return code, text
