"""Webhooks: a POST, signed as Standard Webhooks says, to the address that was checked. Shell.

Signature: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md. A redirect is
followed within the same origin only, and only where it keeps method and body (307, 308).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import logging
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

import aiohttp
import jsonpath
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import SecretStr
from yarl import URL

from alerting.messages import json_of, templated
from alerting.notifiers.answers import Stopwatch
from alerting.outbox import Answer, Notice, Outcome
from alerting.receivers import Receiver, WebhookTarget
from telemetry.address_guard import is_forbidden, is_named_literally, is_nobody, is_private
from telemetry.clock import Clock
from telemetry.times import NANOSECONDS_PER_SECOND

logger = logging.getLogger(__name__)

MAX_REDIRECTS = 3
MAX_ANSWER = 65_536
_LONGEST_WAIT = 3_600  # seconds that a receiver may ask for
_KEEP_METHOD = frozenset({307, 308})
_LATER = frozenset({408, 425, 429})


class AddressRefused(OSError):
    """A webhook must not go there."""


class WebhookSender:
    """Implements `alerting.outbox.Sender`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def send(
        self,
        receiver: Receiver,
        notice: Notice,
        recipients: Sequence[str],  # noqa: ARG002  # one URL is one recipient
    ) -> Sequence[Answer]:
        """See `Sender.send`."""
        assert isinstance(receiver.target, WebhookTarget)
        watch = Stopwatch()
        try:
            async with asyncio.timeout(receiver.target.timeout):
                return [await self._post(receiver.target, notice, watch)]
        except TimeoutError:
            return [watch.answer(Outcome.LATER, "timeout", f"no answer within {receiver.target.timeout:g} s")]
        except AddressRefused as error:
            return [watch.answer(Outcome.REFUSED, "address", str(error))]
        except (aiohttp.ClientError, OSError, ValueError) as error:
            refused = getattr(error, "os_error", None)
            if isinstance(refused, AddressRefused):
                return [watch.answer(Outcome.REFUSED, "address", str(refused))]
            return [watch.answer(Outcome.LATER, *_failure(error))]

    async def _post(self, target: WebhookTarget, notice: Notice, watch: Stopwatch) -> Answer:
        url, body = URL(target.url.get_secret_value()), _body(target, notice)
        headers = self._headers(target, notice, body)
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(target), ssl=_tls(target), use_dns_cache=False, force_close=True
        )
        async with aiohttp.ClientSession(
            connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        ) as session:
            for _ in range(MAX_REDIRECTS + 1):
                _check_literal(target, url)
                async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                    place = response.headers.get("Location", "")
                    if response.status not in _KEEP_METHOD or not place:
                        return await _judged(target, response, watch)
                    further = url.join(URL(place))
                    if further.origin() != url.origin():
                        words = f"it redirects to another origin, {further.origin()}: name that one, if it is meant"
                        return watch.answer(Outcome.REFUSED, str(response.status), words)
                    url = further
        return watch.answer(Outcome.REFUSED, "redirect", f"it redirects more than {MAX_REDIRECTS} times")

    def _headers(self, target: WebhookTarget, notice: Notice, body: bytes) -> dict[str, str]:
        headers = {name: value.get_secret_value() for name, value in target.headers}
        stamp = str(int(self._clock.now().timestamp()))
        headers |= {"Content-Type": target.content_type, "User-Agent": "OpsWatch", "webhook-id": notice.id}
        headers["webhook-timestamp"] = stamp
        if target.secrets:
            headers["webhook-signature"] = signature(target.secrets, notice.id, stamp, body)
        return headers


def signature(secrets: Sequence[SecretStr], identifier: str, stamp: str, body: bytes) -> str:
    """The header of a message: one signature for each active secret. A secret is text, or `whsec_` and base64."""
    signed = f"{identifier}.{stamp}.".encode() + body
    digests = (hmac.new(_key(one), signed, hashlib.sha256).digest() for one in secrets)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def _key(secret: SecretStr) -> bytes:
    text = secret.get_secret_value()
    if text.startswith("whsec_"):
        try:
            return base64.b64decode(text.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            logger.warning("a secret begins with whsec_ and is no base64: it is taken as text")
    return text.encode()


class CheckedResolver(AbstractResolver):
    """Resolves once, and gives only addresses that a webhook may go to: the connection is made to these."""

    def __init__(self, target: WebhookTarget) -> None:
        self._target = target

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises AddressRefused when any of its addresses is one that a webhook must not go to."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        results = []
        for kind, _, protocol, _, place in found:
            _check_address(self._target, host, str(place[0]))
            results.append(
                ResolveResult(
                    hostname=host,
                    host=str(place[0]),
                    port=int(place[1]),
                    family=kind,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is kept."""


def _check_literal(target: WebhookTarget, url: URL) -> None:
    """An address that is written as one is not resolved."""
    host = url.host or ""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host.partition("%")[0])
    except OSError:
        return
    _check_address(target, host, host)


def _check_address(target: WebhookTarget, host: str, address: str) -> None:
    named = target.allow_private and is_named_literally(host, address)
    if is_nobody(address) or (is_forbidden(address) and not named):
        raise AddressRefused(f"{host} is {address}, where no webhook goes")
    if not target.allow_private and is_private(address, target.allowed_networks):
        raise AddressRefused(f"{host} is {address}, a private network that allow_private does not list")


def _tls(target: WebhookTarget) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None if target.ca_file is None else str(target.ca_file))
    if not target.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _body(target: WebhookTarget, notice: Notice) -> bytes:
    if target.template is not None:
        try:
            return templated(target.template, notice).encode()
        except ValueError as error:
            # Whoever reads it hears of the incident, and that the template is to be mended.
            return _encoded(json_of(notice) | {"template_error": str(error)})
    return _encoded(json_of(notice))


def _encoded(content: dict[str, object]) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()


async def _judged(target: WebhookTarget, response: aiohttp.ClientResponse, watch: Stopwatch) -> Answer:
    raw = b""
    while len(raw) < MAX_ANSWER and (piece := await response.content.read(MAX_ANSWER - len(raw))):
        raw += piece
    text, status = _without_secrets(target, raw.decode("utf-8", "replace")), response.status
    if 200 <= status < 300:
        wrong = _disappointment(target, raw)
        outcome = Outcome.LATER if wrong else Outcome.DELIVERED
        return watch.answer(outcome, str(status), f"{wrong}: {text}" if wrong else text)
    if status >= 500 or status in _LATER:
        return watch.answer(Outcome.LATER, str(status), text, retry_after=_retry_after(response))
    return watch.answer(Outcome.REFUSED, str(status), text)


def _without_secrets(target: WebhookTarget, text: str) -> str:
    """An answer may quote what was sent: the path of the URL, a header, a secret."""
    url = URL(target.url.get_secret_value())
    hidden = [str(url), url.raw_path_qs, url.raw_path, url.path, url.raw_query_string]
    hidden += [value.get_secret_value() for _, value in target.headers]
    hidden += [secret.get_secret_value() for secret in target.secrets]
    for one in sorted(hidden, key=len, reverse=True):
        if len(one) > 3:
            text = text.replace(one, "***")
    return text


def _disappointment(target: WebhookTarget, raw: bytes) -> str:
    """What is wrong with an answer that says 200; empty when nothing is."""
    if target.success is None:
        return ""
    path, wanted = target.success
    try:
        found = jsonpath.findall(path, raw.decode("utf-8", "replace"))
    except (jsonpath.JSONPathError, ValueError, RecursionError):
        return "the answer is no JSON"
    if any(one == wanted or (not isinstance(one, str) and json.dumps(one) == wanted) for one in found):
        return ""
    return f"{path} is not {wanted} in the answer"


def _retry_after(response: aiohttp.ClientResponse) -> int | None:
    """In ns; what is malformed or in the past asks for nothing."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:9])
    else:
        try:
            moment = parsedate_to_datetime(text)
            date = parsedate_to_datetime(response.headers.get("Date", ""))
            seconds = (moment.replace(tzinfo=UTC) - date.replace(tzinfo=UTC)).total_seconds()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return int(min(max(seconds, 0.0), _LONGEST_WAIT) * NANOSECONDS_PER_SECOND)


def _failure(error: BaseException) -> tuple[str, str]:
    """A word, and what happened; URLs hold secrets, so they are not told."""
    code, text = "protocol", type(error).__name__
    match error:
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            code, text = "certificate", "its certificate is not good"
        case aiohttp.ClientConnectorDNSError():
            code, text = "dns", "its name is not known"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            code, text = "tls", "TLS failed"
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            code, text = "refused", "the connection was refused"
        case aiohttp.ClientConnectorError():
            code, text = "connection", error.os_error.strerror or "no connection"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | ConnectionError():
            code, text = "reset", "the connection was closed before an answer"
        case aiohttp.ClientPayloadError():
            code, text = "cut_off", "the answer was cut off"
    return code, text
