"""HTTP/1.1 messages as bytes: the request that a probe sends, and a parser for what comes back. Pure.

The parser takes bytes in any pieces and keeps every part bounded. Format: RFC 9112.
"""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from telemetry.health import Outcome

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 10 * 1024 * 1024  # the payload, and once more after decompression
MAX_WIRE_BYTES = 12 * 1024 * 1024  # the payload with its framing
MAX_PIECES = 20_000
_BODYLESS = frozenset({204, 304})
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class BrokenAnswer(Exception):
    """What came is not an answer that can be used: PROTOCOL, TOO_LARGE, CUT_OFF or RESET, and why."""

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message


class Headers(dict[str, str]):
    """Header fields by lower-case name; a repeated one is joined by a comma (RFC 9110, 5.3)."""

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return super().get(name.lower(), default)


@dataclass(slots=True)
class Response:
    """An answer as far as it was read. `body` is as on the wire; `decompressed` undoes Content-Encoding."""

    code: int
    headers: Headers
    body: bytearray = field(default_factory=bytearray)

    def decompressed(self) -> bytes:
        """The body without gzip or deflate, bounded. Raises BrokenAnswer."""
        encoding = (self.headers.get("content-encoding") or "identity").strip().lower()
        if encoding in {"", "identity"} or not self.body:
            return bytes(self.body)
        if encoding not in {"gzip", "x-gzip", "deflate"}:
            raise BrokenAnswer(
                Outcome.PROTOCOL, f"the body comes in Content-Encoding {encoding[:40]}, which was not asked for"
            )
        # 47: zlib finds out by itself whether the header is gzip's or zlib's.
        engine = zlib.decompressobj(47)
        try:
            plain = engine.decompress(bytes(self.body), MAX_BODY_BYTES + 1)
        except zlib.error as error:
            raise BrokenAnswer(Outcome.PROTOCOL, f"the body is not valid {encoding}: {error}") from error
        if len(plain) > MAX_BODY_BYTES:
            raise too_large("the decompressed body")
        if not engine.eof:
            raise BrokenAnswer(Outcome.CUT_OFF, f"the {encoding} body ends before its end")
        return plain


class ResponseParser:
    """Feed it bytes; `response` stands once the head is complete, `complete` once the body is."""

    def __init__(self, method: str) -> None:
        self._head_only = method == "HEAD"
        self._buffer = bytearray()
        self._left: int | None = None  # bytes of body or chunk still to come; None: until the connection ends
        self._chunked = False
        self._wire_bytes = 0
        self._pieces = 0  # chunks and interim answers: each costs time, however small it is
        self.started = False
        self.complete = False
        self.response: Response | None = None

    def feed(self, data: bytes) -> None:
        """Take more bytes. Raises BrokenAnswer."""
        self.started = True
        self._wire_bytes += len(data)
        if self._wire_bytes > MAX_HEAD_BYTES + MAX_WIRE_BYTES:
            raise too_large("the answer")
        self._buffer += data
        while self.response is None:
            if not self._parse_head():
                return
        if not self.complete:
            self._parse_chunks() if self._chunked else self._parse_plain()

    def end(self) -> None:
        """The connection ended. Raises BrokenAnswer where that came too early."""
        if self.complete:
            return
        if not self.started:
            raise BrokenAnswer(Outcome.RESET, "the connection was closed before any answer")
        if self.response is None:
            raise BrokenAnswer(Outcome.CUT_OFF, "the connection ended within the headers")
        if self._chunked or self._left is not None:
            raise BrokenAnswer(
                Outcome.CUT_OFF, f"the connection ended within the body, after {len(self.response.body):,} bytes"
            )
        self.complete = True

    def _parse_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 and len(self._buffer) <= MAX_HEAD_BYTES:
            if len(self._buffer) >= 5 and not self._buffer.startswith(b"HTTP/"):
                raise _not_http(self._buffer)
            return False
        if end < 0 or end > MAX_HEAD_BYTES:
            if not self._buffer.startswith(b"HTTP/"):
                raise _not_http(self._buffer)
            raise BrokenAnswer(Outcome.TOO_LARGE, f"the headers are larger than {MAX_HEAD_BYTES // 1024} KiB")
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        code = _status(lines[0])
        headers = _headers(lines[1:])
        if 100 <= code < 200 and code != 101:
            self._count_piece(500)  # forty of them are enough
            return True  # interim: the real one follows
        self.response = Response(code, headers)
        self._choose_framing(code, headers)
        return True

    def _choose_framing(self, code: int, headers: Headers) -> None:
        # RFC 9112, 6.3, in its order.
        if self._head_only or code in _BODYLESS or code == 101:
            self.complete = True
            return
        encoding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if encoding is not None:
            if encoding.strip().lower() != "chunked" or length is not None:
                raise BrokenAnswer(Outcome.PROTOCOL, "the framing of the body is ambiguous")
            self._chunked = True
        elif length is not None:
            values = {value.strip() for value in length.split(",")}
            digits = length.split(",")[0].strip()
            if len(values) != 1 or not digits.isascii() or not digits.isdigit() or len(digits) > 18:
                raise BrokenAnswer(Outcome.PROTOCOL, f"Content-Length is {length[:40]!r}")
            self._left = int(values.pop())
            if self._left > MAX_BODY_BYTES:
                raise too_large("the body")
            self.complete = self._left == 0

    def _parse_plain(self) -> None:
        assert self.response is not None
        take = len(self._buffer) if self._left is None else min(self._left, len(self._buffer))
        self._take(take)
        if self._left is not None:
            self._left -= take
            self.complete = self._left == 0

    def _parse_chunks(self) -> None:
        while not self.complete:
            if self._left:
                take = min(self._left, len(self._buffer))
                self._take(take)
                self._left -= take
                if self._left:
                    return
            if not self._next_chunk():
                return

    def _next_chunk(self) -> bool:
        """Read the line before the next chunk, or the trailer; whether it was there whole."""
        if self._left == 0:
            if len(self._buffer) < 2:
                return False
            if self._buffer[:2] != b"\r\n":
                raise BrokenAnswer(Outcome.PROTOCOL, "a chunk of the body does not end where it says")
        start = 2 if self._left == 0 else 0
        end = self._buffer.find(b"\r\n", start)
        if end < 0:
            if len(self._buffer) > 4_096:
                raise BrokenAnswer(Outcome.PROTOCOL, "a chunk of the body begins without its size")
            return False
        self._count_piece(1)
        text = bytes(self._buffer[start:end]).split(b";")[0].strip()
        if not text or len(text) > 8 or any(digit not in b"0123456789abcdefABCDEF" for digit in text):
            raise BrokenAnswer(Outcome.PROTOCOL, "a chunk of the body begins without its size")
        del self._buffer[: end + 2]
        self._left = int(text, 16)
        if self._left == 0:
            self.complete = True  # trailers say nothing about health
        return True

    def _count_piece(self, weight: int) -> None:
        self._pieces += weight
        if self._pieces > MAX_PIECES:
            raise BrokenAnswer(Outcome.PROTOCOL, "the answer comes in far too many small pieces")

    def _take(self, count: int) -> None:
        assert self.response is not None
        if len(self.response.body) + count > MAX_BODY_BYTES:
            raise too_large("the body")
        self.response.body += self._buffer[:count]
        del self._buffer[:count]


@dataclass(frozen=True, slots=True)
class RequestLine:
    """What is asked of whom. `target` is a path, or the whole URL towards a proxy."""

    method: str
    target: str
    host: str


def request_bytes(line: RequestLine, headers: Sequence[tuple[str, str]], body: bytes | None) -> bytes:
    """The request as it goes out; a header given by the user replaces ours of the same name."""
    given = {name.lower() for name, _ in headers}
    ours = [("Host", line.host), ("User-Agent", "OpsWatch"), ("Accept", "*/*"), ("Accept-Encoding", "identity")]
    if body is not None or line.method in {"POST", "PUT", "PATCH"}:  # RFC 9110, 8.6: an empty one says so
        ours.append(("Content-Length", str(len(body or b""))))
    fields = [(name, value) for name, value in ours if name.lower() not in given]
    fields += [(name, value) for name, value in headers if name.lower() not in {"connection", "content-length"}]
    fields.append(("Connection", "close"))
    if body is not None and "content-length" in given:
        fields.append(("Content-Length", str(len(body))))
    head = f"{line.method} {line.target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
    return head.encode("utf-8") + b"\r\n" + (body or b"")


def basic(username: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode("ascii")


def charset(headers: Mapping[str, str]) -> str:
    """The character set that Content-Type names, else UTF-8."""
    for part in (headers.get("content-type") or "").split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            return value.strip("\"' ") or "utf-8"
    return "utf-8"


def too_large(subject: str) -> BrokenAnswer:
    return BrokenAnswer(Outcome.TOO_LARGE, f"{subject} is larger than {MAX_BODY_BYTES // (1024 * 1024)} MiB")


def _status(line: bytes) -> int:
    parts = line.split(b" ", 2)
    if len(parts) < 2 or parts[0] not in {b"HTTP/1.1", b"HTTP/1.0"} or len(parts[1]) != 3 or not parts[1].isdigit():
        raise _not_http(line)
    return int(parts[1])


def _headers(lines: Sequence[bytes]) -> Headers:
    headers = Headers()
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or any(byte not in _TOKEN for byte in name):
            raise BrokenAnswer(Outcome.PROTOCOL, f"a header line makes no sense: {line[:60]!r}")
        key, text = name.decode("ascii").lower(), value.strip(b" \t").decode("utf-8", "replace")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _not_http(data: bytes | bytearray) -> BrokenAnswer:
    return BrokenAnswer(Outcome.PROTOCOL, f"the answer is not HTTP/1.1: it begins with {bytes(data[:40])!r}")
