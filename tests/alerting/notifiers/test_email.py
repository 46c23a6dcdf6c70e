"""E-mail over real sockets to a real SMTP server: each recipient has an answer, and nothing is said in the clear."""

import asyncio
import email
import email.policy
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from alerting.notifiers.email import EmailSender, mail_of
from alerting.outbox import Outcome
from alerting.receivers import EmailTarget, Receiver, SmtpServer
from telemetry.clock import Clock
from tests.alerting.messages_kit import NOTICE, notice

CLOCK = Clock(lambda: datetime(2026, 11, 27, tzinfo=UTC), lambda: 0.0)
TO = ("anna@example.com", "ben@example.com", "carl@example.com")


@dataclass
class Desk:
    """A handler of aiosmtpd; `refused` recipients get these answers, `data` is the answer to a message."""

    refused: dict[str, str] = field(default_factory=dict)
    data: str = "250 kept"
    taken: list[Envelope] = field(default_factory=list)

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, _: list[str]) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.data.startswith("2"):
            self.taken.append(envelope)
        return self.data

    def mail(self) -> EmailMessage:
        content = self.taken[-1].content
        assert isinstance(content, bytes)
        found = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        return found


@contextmanager
def serving(desk: Desk, **options: Any) -> Iterator[SmtpServer]:
    controller = Controller(desk, hostname="127.0.0.1", port=0, **options)
    controller.port = _free_port()
    controller.start()
    try:
        yield SmtpServer("127.0.0.1", controller.port, starttls=False, sender="ops@example.com", timeout=5)
    finally:
        # What a client has left is closed on this side, too, before the loop ends.
        asyncio.run_coroutine_threadsafe(_left(), controller.loop).result(10)
        controller.stop()


async def _left() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=5)
    for _ in range(3):
        await asyncio.sleep(0)


def _free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def send(server: SmtpServer, to: tuple[str, ...] = TO, message: Any = NOTICE) -> list[tuple[str, Outcome, str]]:
    target = Receiver("ops", EmailTarget(to, server))
    answers = await EmailSender(CLOCK).send(target, message, to)
    return [(answer.recipient, answer.outcome, answer.code) for answer in answers]


async def test_a_mail_is_text_and_html_with_its_identifier_and_its_thread() -> None:
    """The Message-ID is that of the delivery, so that a second copy is known as one."""
    desk = Desk()
    with serving(desk) as server:
        found = await send(server)
        await send(server, message=replace(NOTICE, id="msg_other"))
    assert found == [(one, Outcome.DELIVERED, "250") for one in TO]
    first = email.message_from_bytes(desk.taken[0].content, policy=email.policy.default)  # type: ignore[arg-type]
    assert first["Message-ID"] == f"<{NOTICE.id}@example.com>"
    assert first["References"] == desk.mail()["References"]
    assert first["Subject"] == "[CRITICAL] p95 latency of checkout is 934 ms"
    assert first["Auto-Submitted"] == "auto-generated"
    text, page = first.get_body(("plain",)), first.get_body(("html",))  # type: ignore[union-attr]
    assert text is not None
    assert page is not None
    assert "Acknowledge: https://ops.example/act/x" in text.get_content()
    assert "934 ms" in page.get_content()


async def test_one_of_three_recipients_is_refused_and_the_others_have_it() -> None:
    """For good, or for now (greylisting): each its own answer."""
    desk = Desk({"ben@example.com": "550 no such user", "carl@example.com": "451 try again"})
    with serving(desk) as server:
        found = await send(server)
    assert found == [
        ("anna@example.com", Outcome.DELIVERED, "250"),
        ("ben@example.com", Outcome.REFUSED, "550"),
        ("carl@example.com", Outcome.LATER, "451"),
    ]
    assert desk.taken[0].rcpt_tos == ["anna@example.com"]


@pytest.mark.parametrize(("said", "outcome"), [("451 not now", Outcome.LATER), ("554 it is spam", Outcome.REFUSED)])
async def test_a_message_that_is_not_taken_is_taken_for_nobody(said: str, outcome: Outcome) -> None:
    """The answer to DATA is that of every recipient who was accepted."""
    with serving(Desk(data=said)) as server:
        found = await send(server, TO[:2])
    assert found == [(one, outcome, said[:3]) for one in TO[:2]]


async def test_a_server_that_is_down_is_tried_later() -> None:
    """The connection is refused."""
    server = SmtpServer("127.0.0.1", _free_port(), starttls=False, sender="ops@example.com", timeout=2)
    assert await send(server, TO[:1]) == [(TO[0], Outcome.LATER, "connection")]


@asynccontextmanager
async def speaking(*lines: bytes, then: str = "close") -> AsyncIterator[SmtpServer]:
    """A server that answers each line it gets with the next of these, then closes or says nothing for ever."""
    done, talks = asyncio.Event(), []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        for line in lines:
            writer.write(line)
            await writer.drain()
            if not await reader.readline():
                break
        if then == "hang":
            await done.wait()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield SmtpServer("127.0.0.1", port, starttls=False, sender="ops@example.com", timeout=0.3)
    finally:
        done.set()
        listening.close()
        await listening.wait_closed()
        await asyncio.gather(*filter(None, talks))


FINE = (b"220 hello\r\n", b"250 mail\r\n", b"250 from\r\n", b"250 to\r\n", b"354 go on\r\n")


@pytest.mark.parametrize(("then", "code"), [("close", "reset"), ("hang", "timeout")])
async def test_a_server_that_fails_within_the_message_is_tried_later(then: str, code: str) -> None:
    """It may have it or not: the same message goes again."""
    async with speaking(*FINE, then=then) as server:
        assert await send(server, TO[:1]) == [(TO[0], Outcome.LATER, code)]


async def test_a_server_that_says_421_is_tried_later() -> None:
    """It is going down."""
    async with speaking(b"421 closing\r\n") as server:
        found = await send(server, TO[:1])
    assert found[0][1] is Outcome.LATER


async def test_where_starttls_is_taken_out_nothing_is_said() -> None:
    """No sender, no password: a man in the middle learns nothing."""
    desk = Desk()
    with serving(desk) as server:
        secret = replace(server, starttls=True, username="ops", password=SecretStr("hunter2"))
        found = await send(secret, TO[:1])
    assert found == [(TO[0], Outcome.LATER, "tls")]
    assert desk.taken == []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _tls(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


async def test_the_password_goes_by_tls_alone(authority: trustme.CA, tmp_path: Path) -> None:
    """STARTTLS first, then the login; a wrong password is tried later, for a person can mend it."""
    known: list[tuple[bytes, bytes]] = []

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        known.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)

    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    desk = Desk()
    options = {"tls_context": _tls(authority, "127.0.0.1"), "authenticator": authenticate, "auth_required": True}
    with serving(desk, **options) as plain:
        server = replace(plain, starttls=True, ca_file=tmp_path / "ca.pem", username="ops", password=SecretStr("right"))
        assert await send(server, TO[:1]) == [(TO[0], Outcome.DELIVERED, "250")]
        wrong = replace(server, password=SecretStr("wrong"))
        assert await send(wrong, TO[:1]) == [(TO[0], Outcome.LATER, "authentication")]
    assert known[0] == (b"ops", b"right")


async def test_a_certificate_of_another_is_no_certificate(authority: trustme.CA, tmp_path: Path) -> None:
    """Of another name, or of an authority that nobody knows."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving(Desk(), tls_context=_tls(authority, "other.example")) as plain:
        server = replace(plain, starttls=True, ca_file=tmp_path / "ca.pem")
        assert await send(server, TO[:1]) == [(TO[0], Outcome.LATER, "certificate")]
        assert await send(replace(server, ca_file=None), TO[:1]) == [(TO[0], Outcome.LATER, "certificate")]


@given(
    st.text(max_size=300),
    st.text(max_size=100),
    st.dictionaries(st.text(max_size=30), st.text(max_size=60), max_size=4),
)
def test_whatever_stands_in_names_stays_out_of_the_headers(summary: str, service: str, labels: dict[str, str]) -> None:
    """C8: no header that is not ours, no line over 998 bytes, and it parses back."""
    hostile = notice(summary=summary, service=service, labels=tuple(labels.items()))
    raw = mail_of(hostile, SmtpServer("mail", sender="ops@example.com"), TO, "Fri, 27 Nov 2026 03:00:00 +0000")
    found = email.message_from_bytes(raw, policy=email.policy.default)
    assert [name for name in found if name in {"Bcc", "Cc"}] == []
    assert len(found.keys()) == 11
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")


async def test_a_name_with_a_line_break_makes_no_header() -> None:
    """As an attacker would try."""
    desk = Desk()
    with serving(desk) as server:
        await send(server, TO[:1], notice(summary="x\r\nBcc: eve@example.com\r\n\r\nhello", service=""))
    assert desk.mail()["Bcc"] is None
    assert desk.taken[0].rcpt_tos == [TO[0]]


async def test_a_picture_is_part_of_the_page() -> None:
    """Inline, by its Content-ID."""
    desk = Desk()
    with serving(desk) as server:
        await send(server, TO[:1], replace(NOTICE, picture=b"\x89PNG picture"))
    parts = {part.get_content_type(): part for part in desk.mail().walk()}
    assert parts["image/png"]["Content-ID"] == "<trend>"
    assert parts["image/png"].get_content() == b"\x89PNG picture"
    assert 'src="cid:trend"' in parts["text/html"].get_content()
