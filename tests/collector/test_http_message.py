"""The HTTP/1.1 parser: in any pieces the same answer, and every part of it bounded."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.http_message import (
    MAX_BODY_BYTES,
    BrokenAnswer,
    RequestLine,
    Response,
    ResponseParser,
    basic,
    request_bytes,
)
from telemetry.health import Outcome


def parse(*pieces: bytes, method: str = "GET", ended: bool = False) -> ResponseParser:
    parser = ResponseParser(method)
    for piece in pieces:
        parser.feed(piece)
    if ended:
        parser.end()
    return parser


def answer_of(parser: ResponseParser) -> Response:
    assert parser.complete
    assert parser.response is not None
    return parser.response


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n02\r\nlo\r\n0\r\n\r\n"
CLOSED = b"HTTP/1.0 200\r\n\r\nhello"


@given(st.sampled_from([LENGTH, CHUNKED, CLOSED]), st.lists(st.integers(1, 9), min_size=1, max_size=80))
def test_an_answer_is_the_same_in_whatever_pieces_it_comes(whole: bytes, sizes: list[int]) -> None:
    """Networks cut where they like."""
    pieces, rest = [], whole
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    parser = parse(*[piece for piece in pieces if piece], *([rest] if rest else []), ended=True)

    assert bytes(answer_of(parser).body) == b"hello"
    assert answer_of(parser).code == 200


def test_repeated_headers_are_joined_and_found_by_any_case() -> None:
    """RFC 9110, 5.3."""
    assert answer_of(parse(LENGTH)).headers.get("X-a") == "1, 2"


def test_an_interim_answer_is_passed_over() -> None:
    """103 Early Hints is not the answer."""
    assert answer_of(parse(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", LENGTH)).code == 200


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"]
)
def test_an_answer_that_has_no_body_is_complete_with_its_head(head: bytes) -> None:
    """RFC 9112, 6.3."""
    assert parse(head).complete


def test_the_answer_to_head_has_no_body() -> None:
    """Whatever its Content-Length says."""
    assert parse(LENGTH.partition(b"hello")[0], method="HEAD").complete


@pytest.mark.parametrize(
    ("pieces", "outcome"),
    [
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), Outcome.PROTOCOL),
        ((b"HTTP/2 200\r\n\r\n",), Outcome.PROTOCOL),
        ((b"HTTP/1.1 2000 OK\r\n\r\n",), Outcome.PROTOCOL),
        ((b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",), Outcome.PROTOCOL),
        ((b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",), Outcome.PROTOCOL),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",), Outcome.PROTOCOL),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",), Outcome.PROTOCOL),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",), Outcome.PROTOCOL),
        (("HTTP/1.1 200 OK\r\nContent-Length: ٣\r\n\r\n".encode(),), Outcome.PROTOCOL),
        ((b"HTTP/1.1 100 Continue\r\n\r\n" * 100,), Outcome.PROTOCOL),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 30_000), Outcome.PROTOCOL),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",), Outcome.PROTOCOL),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",), Outcome.PROTOCOL),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",), Outcome.PROTOCOL),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",), Outcome.PROTOCOL),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",), Outcome.TOO_LARGE),
        ((b"HTTP/1.1 200 OK\r\n", *[b"X-%05d: %s\r\n" % (n, b"v" * 100) for n in range(700)]), Outcome.TOO_LARGE),
        ((b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 1_048_576] * 11), Outcome.TOO_LARGE),
    ],
)
def test_what_is_no_answer_has_its_own_outcome(pieces: tuple[bytes, ...], outcome: Outcome) -> None:
    """Not HTTP, ambiguous framing, or without an end: each is told apart."""
    with pytest.raises(BrokenAnswer) as caught:
        parse(*pieces)

    assert caught.value.outcome is outcome


@pytest.mark.parametrize(
    ("sent", "outcome"),
    [
        (b"", Outcome.RESET),
        (b"HTTP/1.1 200 OK\r\nContent-", Outcome.CUT_OFF),
        (LENGTH[:-1], Outcome.CUT_OFF),
        (CHUNKED[:-6], Outcome.CUT_OFF),
    ],
)
def test_an_early_end_is_cut_off_or_reset(sent: bytes, outcome: Outcome) -> None:
    """Nothing at all is a reset; anything else was cut off."""
    with pytest.raises(BrokenAnswer) as caught:
        parse(*([sent] if sent else []), ended=True)

    assert caught.value.outcome is outcome


@pytest.mark.parametrize(
    ("encoding", "packed"), [("gzip", gzip.compress(b"hello", mtime=0)), ("deflate", zlib.compress(b"hello"))]
)
def test_a_compressed_body_is_unpacked(encoding: str, packed: bytes) -> None:
    """Also from servers that compress without being asked."""
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(packed)}\r\n\r\n".encode()

    assert answer_of(parse(head, packed)).decompressed() == b"hello"


def test_half_a_compressed_body_is_cut_off() -> None:
    """A text that stops in the middle is not judged as if it were whole."""
    packed = gzip.compress(bytes(range(256)) * 50)[:-20]
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()

    with pytest.raises(BrokenAnswer, match="ends before its end"):
        answer_of(parse(head, packed)).decompressed()


def test_a_bomb_is_too_large_without_being_unpacked() -> None:
    """A gigabyte of zeros in a megabyte stays a megabyte."""
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(engine.compress(bytes(MAX_BODY_BYTES)) for _ in range(100)) + engine.flush()
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()

    with pytest.raises(BrokenAnswer, match="decompressed body is larger than 10 MiB"):
        answer_of(parse(head, bomb)).decompressed()


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_garbage_never_raises_anything_else(pieces: list[bytes]) -> None:
    """What arrives is hostile: it parses, waits for more, or is a BrokenAnswer."""
    parser = ResponseParser("GET")
    outcomes = {Outcome.OK}
    try:
        for piece in pieces:
            parser.feed(piece)
        parser.end()
    except BrokenAnswer as error:
        outcomes.add(error.outcome)

    assert outcomes <= {Outcome.OK, Outcome.PROTOCOL, Outcome.CUT_OFF, Outcome.RESET, Outcome.TOO_LARGE}


def test_a_request_carries_the_users_headers_over_ours() -> None:
    """And always asks to close, which a probe means."""
    sent = request_bytes(RequestLine("POST", "/x", "h:1"), (("User-Agent", "me"), ("Host", "other")), b"{}").decode()

    assert sent.startswith("POST /x HTTP/1.1\r\n")
    assert "User-Agent: me\r\n" in sent
    assert "Host: other\r\n" in sent
    assert "h:1" not in sent
    assert sent.endswith("Content-Length: 2\r\nUser-Agent: me\r\nHost: other\r\nConnection: close\r\n\r\n{}")


def test_credentials_are_basic_as_the_rfc_writes_them() -> None:
    """RFC 7617's own example."""
    assert basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
