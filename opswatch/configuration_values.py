"""The kinds of values in `opswatch.yaml`, each with what it takes and how it is refused. Pure.

A parser takes whatever the YAML gave and returns the value, or raises BadValue with a message for people.
Only values that are no secrets are quoted in messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, available_timezones

import jsonpath
import re2
from pydantic import BeforeValidator, Field, StrictInt, WithJsonSchema

from collector.targets import StatusRange
from telemetry.times import parse_duration

MAX_NAME_LENGTH = 200
MAX_TEXT_LENGTH = 4_096
MIN_SIZE, MAX_SIZE = 1_000_000, 100_000_000_000_000  # bytes

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]*[A-Za-z0-9._-])?", re.ASCII)
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)  # RFC 9110: methods and header names
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_STATUS = re.compile(r"([1-5][0-9]{2})(?:\s*-\s*([1-5][0-9]{2}))?", re.ASCII)
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]/]+):([0-9]{1,5})", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([KMGT])(i?)B", re.ASCII | re.IGNORECASE)
_CREDENTIALS = re.compile(r"://[^\s]*@")

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# They frame the message: one that is wrong desynchronises a connection instead of testing a service.
_FRAMING_HEADERS = {"content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"}


class BadValue(ValueError):
    """A value that cannot be taken: why, the way out, and where below the value it is (a key, an index)."""

    def __init__(self, message: str, hint: str = "", at: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.hint = hint
        self.at = at


def quoted(value: object) -> str:
    """A value as messages show it: short, on one line, without a URL's credentials."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= 10**18:
        return "a huge number"
    text = repr(_CREDENTIALS.sub("://***@", value) if isinstance(value, str) else value)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(str(value)):,} characters)"


def near_miss(word: str, known: list[str]) -> str:
    """`did you mean `interval`?`, or nothing when nothing is near."""
    folded = {name.lower(): name for name in reversed(known)}
    found = get_close_matches(word[:100].lower().replace("-", "_"), list(folded), n=1, cutoff=0.6)
    return f"did you mean `{folded[found[0]]}`?" if found else ""


def text_of(value: Any, *, what: str, length: int = MAX_TEXT_LENGTH) -> str:
    """Text as it is; a number or a boolean is refused, because YAML has changed it already (1.10 is 1.1)."""
    if isinstance(value, bool | int | float):
        raise BadValue(f"{what} must be text, and without quotes this is read as {_kind(value)}", "put it in quotes")
    if not isinstance(value, str):
        raise BadValue(f"{what} must be text, not {_kind(value)}")
    if len(value) > length:
        raise BadValue(f"{what} has {len(value):,} characters; at most {length:,} are taken")
    return value


def duration_of(value: Any) -> timedelta:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise BadValue(f"{quoted(value)} is not a duration: it has no unit", f"{quoted(value)}s is so many seconds")
    text = text_of(value, what="a duration")
    try:
        return parse_duration(text)
    except (ValueError, OverflowError) as error:
        hint = "write a number and a unit, like 500ms, 30s, 5m, 2h or 7d"
        raise BadValue(f"{quoted(text)} is not a duration", hint) from error


def _at_least(least: timedelta, words: str) -> Callable[[Any], timedelta]:
    def parse(value: Any) -> timedelta:
        duration = duration_of(value)
        if not least <= duration <= timedelta(days=36_500):
            raise BadValue(f"{quoted(value)} is too {'short' if duration < least else 'long'}", f"at least {words}")
        return duration

    return parse


def name_of(value: Any) -> str:
    """The name of a service or a probe."""
    name = text_of(value, what="a name", length=MAX_NAME_LENGTH)
    if not _NAME.fullmatch(name):
        hint = "letters, digits, space, `.`, `_` and `-`, beginning with a letter or digit"
        raise BadValue(f"{quoted(name)} cannot be a name", hint)
    return name


def url_of(value: Any) -> str:
    """An http or https URL with a host and without credentials or a fragment."""
    text = text_of(value, what="a URL", length=2_048)
    parts = _split(text)
    if not parts.scheme or "://" not in text:
        hint = (
            f"did you mean https://{text}?" if re.match(r"[\w.-]+\.[a-z]+|localhost", text) and "@" not in text else ""
        )
        raise BadValue(f"{quoted(text)} is not a URL: it has no scheme", hint or "write https://host/path")
    if parts.scheme in {"ws", "wss"}:
        raise BadValue(f"{quoted(text)}: websocket probes are not available in this version yet")
    if parts.scheme not in {"http", "https"}:
        hint = near_miss(parts.scheme, ["http", "https"]) or "http and https are asked"
        raise BadValue(f"{quoted(text)}: a URL with the scheme {quoted(parts.scheme)} cannot be asked", hint)
    if "@" in parts.netloc:
        raise BadValue(
            "the URL holds credentials, which would show on pages and in logs", "use basic_auth with password_file"
        )
    _check_host(text, parts)
    return text


def server_url_of(value: Any) -> str:
    text = text_of(value, what="a URL")
    if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s?#@]*)?", text):
        raise BadValue(f"{quoted(text)} is not a URL of a server", "write http://host:port, without credentials")
    _check_host(text, _split(text))
    return text.rstrip("/")


def bucket_prefix_of(value: Any) -> str:
    """What the names of our buckets begin with."""
    text = text_of(value, what="a prefix")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", text, re.ASCII):
        raise BadValue(f"{quoted(text)} cannot begin the name of a bucket", "write letters and digits, as opswatch")
    return text


def proxy_of(value: Any) -> str:
    text = text_of(value, what="a proxy", length=2_048)
    parts = _split(text)
    if parts.scheme != "http":
        raise BadValue(f"{quoted(text)} is not a proxy that can be used", "write http://host:port")
    _check_host(text, parts)
    return text


def _split(text: str) -> SplitResult:
    if re.search(r"[\s\x00-\x20\x7f]", text):
        raise BadValue(f"{quoted(text)} is not a URL: it holds a space or a control character", "write a space as %20")
    try:
        parts = urlsplit(text)
        _ = parts.port  # reading it is what checks it
    except ValueError as error:
        raise BadValue(f"{quoted(text)} is not a URL: its host or port is malformed") from error
    return parts


def _check_host(text: str, parts: SplitResult) -> None:
    if not parts.hostname:
        raise BadValue(f"{quoted(text)} has no host", "write https://host/path")
    if parts.port == 0:
        raise BadValue(f"{quoted(text)}: port 0 cannot be asked")
    try:
        host = parts.hostname if ":" in parts.hostname else parts.hostname.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise BadValue(f"{quoted(text)}: the host {quoted(parts.hostname)} is malformed") from error
    if ":" not in host and not _HOST.fullmatch(host):
        raise BadValue(f"{quoted(text)}: the host {quoted(parts.hostname)} is malformed")


def host_of(value: Any) -> str:
    text = text_of(value, what="a host").lower()
    if not _HOST.fullmatch(text):
        raise BadValue(f"{quoted(value)} is not a host", "write the name alone, without scheme, port or path")
    return text


def method_of(value: Any) -> str:
    text = text_of(value, what="a method").upper()
    if text not in METHODS:
        raise BadValue(
            f"{quoted(value)} is not a method that can be asked", near_miss(text, list(METHODS)) or ", ".join(METHODS)
        )
    return text


def request_headers_of(value: Any) -> dict[str, str]:
    """Headers of a request. Their values are secrets: no message quotes one."""
    headers = headers_of(value)
    for name in headers:
        if name.lower() in _FRAMING_HEADERS:
            raise BadValue(f"the header {name} is set by OpsWatch itself", "remove it", (name,))
    return headers


def headers_of(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise BadValue(f"headers must be a mapping, not {_kind(value)}", "write {Accept: text/html}")
    seen: set[str] = set()
    for name, content in value.items():
        _check_header(name, content)
        if name.lower() in seen:
            raise BadValue(f"the header {name} stands twice", "names of headers ignore case", (name,))
        seen.add(name.lower())
    return value


def _check_header(name: Any, content: Any) -> None:
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise BadValue(f"{quoted(name)} is not a header's name", at=(name,))
    try:
        text = text_of(content, what="a header")
    except BadValue as error:
        raise BadValue(str(error), error.hint, (name,)) from error
    if _CONTROL.search(text):
        message = f"the header {name} holds a line break or another control character"
        raise BadValue(message, "write it on one line", (name,))


def labels_of(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise BadValue(f"labels must be a mapping, not {_kind(value)}", "write {team: shop}")
    for name, content in value.items():
        if not isinstance(name, str) or not _LABEL.fullmatch(name):
            raise BadValue(
                f"{quoted(name)} is not a label's name", "letters, digits, `_`, `.` and `-`, up to 63", (name,)
            )
        try:
            text = text_of(content, what=f"the label {name}", length=MAX_NAME_LENGTH)
        except BadValue as error:
            raise BadValue(str(error), error.hint, (name,)) from error
        if _CONTROL.search(text):
            raise BadValue(f"the label {name} holds a line break or another control character", at=(name,))
    return value


def statuses_of(value: Any) -> tuple[StatusRange, ...]:
    """`200`, `"300-399"`, or a list of them."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise BadValue("an empty list expects no status at all", "remove it to expect 200-299")
    return tuple(_status(one, (index,) if isinstance(value, list) else ()) for index, one in enumerate(values))


def _status(value: Any, at: tuple[int, ...]) -> StatusRange:
    match = _STATUS.fullmatch(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if match is None or int(match[1]) > int(match[2] or match[1]):
        raise BadValue(f"{quoted(value)} is not a status", 'write 200, or a range in quotes: "300-399"', at)
    return StatusRange(int(match[1]), int(match[2] or match[1]))


def pattern_of(value: Any) -> str:
    """A regular expression that RE2 takes: linear time, so no lookaround and no backreferences."""
    text = text_of(value, what="a regular expression", length=1_000)
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error.args[0])
        message = f"{quoted(text)} is not a regular expression of RE2: {reason[:100]}"
        raise BadValue(message, "RE2 knows no lookaround and no backreference") from error
    return text


def json_path_of(value: Any) -> str:
    text = text_of(value, what="a JSON path", length=500)
    try:
        jsonpath.compile(text, strict=True)
    except (jsonpath.JSONPathError, RecursionError, ValueError) as error:
        raise BadValue(f"{quoted(text)} is not a JSON path (RFC 9535)", "write $.status, $.items[0].name") from error
    return text


def scalar_of(value: Any) -> str | int | float | bool | None:
    if isinstance(value, dict | list):
        raise BadValue(f"only text, a number, true, false or null can be compared, not {_kind(value)}")
    return value  # type: ignore[no-any-return]


def network_of(value: Any) -> IPv4Network | IPv6Network:
    text = text_of(value, what="a network")
    try:
        return ip_network(text)
    except ValueError as error:
        hint = "write 10.0.0.0/8 or fd00::/8"
        with suppress(ValueError):
            hint = f"did you mean `{ip_network(text, strict=False)}`?"
        raise BadValue(f"{quoted(text)} is not a network", hint) from error


def size_of(value: Any) -> int:
    """Bytes: `500MB` and `1GB` are powers of ten, `4MiB` and `1GiB` of two. At least one megabyte."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise BadValue(f"{quoted(value)} is not a size: it has no unit", f"{quoted(value)}MB is so many megabytes")
    text = text_of(value, what="a size", length=100)
    match = _SIZE.fullmatch(text)
    if match is None:
        raise BadValue(f"{quoted(text)} is not a size", "write a number and a unit, like 500MB, 4MiB or 2GB")
    size = int(float(match[1]) * (1024 if match[3] else 1000) ** ("KMGT".index(match[2].upper()) + 1))
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise BadValue(f"{quoted(text)} is too {'small' if size < MIN_SIZE else 'large'}", "from 1MB to 100TB")
    return size


def listen_of(value: Any) -> tuple[str, int]:
    """`host:port`; port 0 picks a free one."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else text_of(value, what="an address")
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[2]) > 65_535:
        hint = f"write 127.0.0.1:{text.lstrip(':')}, or 0.0.0.0:{text.lstrip(':')} for every interface"
        is_port = re.fullmatch(r":?[0-9]{1,5}", text)
        raise BadValue(f"{quoted(value)} is not an address with a port", hint if is_port else "write 127.0.0.1:8321")
    return match[1].strip("[]"), int(match[2])


def zone_of(value: Any) -> ZoneInfo:
    text = text_of(value, what="a time zone", length=100)
    known = available_timezones()
    if text not in known:
        hint = near_miss(text, sorted(known)) or "write a name like UTC or Europe/Berlin"
        raise BadValue(f"{quoted(text)} is not a time zone", hint)
    return ZoneInfo(text)


def path_text_of(value: Any) -> str:
    text = text_of(value, what="a file's name")
    if not text or _CONTROL.search(text):
        raise BadValue(f"{quoted(text)} is not a file's name")
    return text


def _kind(value: object) -> str:
    kinds = {dict: "a mapping", list: "a list", bool: "true or false", int: "a number", float: "a number", str: "text"}
    return kinds.get(type(value), "nothing")


_DURATION_SCHEMA = WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d|w)$"})
_NETWORK_SCHEMA = WithJsonSchema({"type": "string", "examples": ["10.0.0.0/8"]})

Duration = Annotated[timedelta, BeforeValidator(_at_least(timedelta(milliseconds=1), "1ms")), _DURATION_SCHEMA]
Interval = Annotated[timedelta, BeforeValidator(_at_least(timedelta(milliseconds=100), "100ms")), _DURATION_SCHEMA]
Retention = Annotated[timedelta, BeforeValidator(_at_least(timedelta(hours=1), "1h")), _DURATION_SCHEMA]
Size = Annotated[
    int,
    BeforeValidator(size_of),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?[kKMGT]i?B$", "examples": ["2GB"]}),
]
Name = Annotated[str, BeforeValidator(name_of), WithJsonSchema({"type": "string", "maxLength": MAX_NAME_LENGTH})]
Url = Annotated[str, BeforeValidator(url_of), WithJsonSchema({"type": "string", "format": "uri"})]
ServerUrl = Annotated[str, BeforeValidator(server_url_of), WithJsonSchema({"type": "string", "format": "uri"})]
BucketPrefix = Annotated[str, BeforeValidator(bucket_prefix_of), WithJsonSchema({"type": "string"})]
ProxyUrl = Annotated[str, BeforeValidator(proxy_of), WithJsonSchema({"type": "string", "format": "uri"})]
HostName = Annotated[str, BeforeValidator(host_of), WithJsonSchema({"type": "string"})]
Method = Annotated[str, BeforeValidator(method_of), WithJsonSchema({"type": "string", "enum": list(METHODS)})]
Statuses = Annotated[
    tuple[StatusRange, ...],
    BeforeValidator(statuses_of),
    WithJsonSchema({"type": "array", "items": {"type": ["integer", "string"]}, "examples": [[200, "300-399"]]}),
]
Pattern = Annotated[str, BeforeValidator(pattern_of), WithJsonSchema({"type": "string", "format": "regex"})]
JsonPath = Annotated[str, BeforeValidator(json_path_of), WithJsonSchema({"type": "string", "examples": ["$.status"]})]
Scalar = Annotated[Any, BeforeValidator(scalar_of), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(network_of), _NETWORK_SCHEMA]
Listen = Annotated[tuple[str, int], BeforeValidator(listen_of), WithJsonSchema({"type": "string"})]
Zone = Annotated[ZoneInfo, BeforeValidator(zone_of), WithJsonSchema({"type": "string", "examples": ["Europe/Berlin"]})]
FileName = Annotated[str, BeforeValidator(path_text_of), WithJsonSchema({"type": "string"})]
Text = Annotated[str, BeforeValidator(lambda value: text_of(value, what="it")), WithJsonSchema({"type": "string"})]
Number = Annotated[float, Field(allow_inf_nan=False)]
Threshold = Annotated[StrictInt, Field(ge=1, le=100)]
HttpKind = Literal["http"]
