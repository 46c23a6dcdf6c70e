"""Add a probe to the text of `opswatch.yaml` and leave every other character of it as it is. Pure."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from opswatch.yaml_document import Document, Path, Span, parse_document
from telemetry.errors import Conflict

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*|[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d|w)", re.ASCII)
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}  # YAML 1.1 readers would change them
_OUTSIDE_NAMES = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class NewProbe:
    """What is added: `keys` are those of the probe, in order, as they are to be written."""

    service: str
    probe: str
    url: str
    keys: tuple[tuple[str, Any], ...] = ()

    def as_probe(self) -> dict[str, Any]:
        return {"name": self.probe, "url": self.url, **dict(self.keys)}

    def as_service(self) -> dict[str, Any]:
        return {"name": self.service, "probes": [self.as_probe()]}


def names_for(url: str) -> tuple[str, str]:
    """Names for a service and a probe that a URL suggests: its host, and the last part of its path."""
    parts = urlsplit(url)
    host = parts.hostname or "service"
    port = f"-{parts.port}" if host in _LOOPBACK and parts.port else ""
    last = unquote(parts.path.rstrip("/").rpartition("/")[2])
    return _as_name(host + port, "service"), _as_name(last, "http")


def with_probe(text: str, added: NewProbe) -> str:
    """The text with one probe more, in its service or in a new one.

    Raises Conflict when the probe is there already, or when the text is written so that people must add it.
    """
    document = parse_document(text, "")
    services = document.value.get("services") if isinstance(document.value, dict) else None
    index = _index_of(services, added)
    new_text, expected = _Text(text, document), copy.deepcopy(document.value or {})
    if index is None:
        expected["services"] = [*(expected.get("services") or []), added.as_service()]
        new_text.append(("services",), added.as_service())
    else:
        service = expected["services"][index]
        service["probes"] = [*(service.get("probes") or []), added.as_probe()]
        new_text.append(("services", index, "probes"), added.as_probe())
    result = new_text.joined()
    read_back = parse_document(result, "")
    # Whatever was cut or misunderstood above: a file that does not say exactly this is never written.
    if read_back.faults or read_back.value != expected:
        lines = "\n".join(_block(added.as_service(), 2))
        raise Conflict(f"the file is written so that it cannot be edited safely; add this below `services:`\n{lines}")
    return result


def _index_of(services: Any, added: NewProbe) -> int | None:
    """Which service it goes to; None for a new one. Raises Conflict when it is there already."""
    found = None
    for index, service in enumerate(services or []):
        for probe in service.get("probes") or []:
            if probe.get("url") == added.url:
                message = f"{service['name']}/{probe.get('name', 'http')} asks {added.url} already"
                raise Conflict(message, field="url", value=added.url)
            if service["name"] == added.service and probe.get("name", "http") == added.probe:
                message = f"{added.service}/{added.probe} is there already and asks {probe.get('url')}"
                raise Conflict(f"{message}; give this one another name with --probe", field="name", value=added.probe)
        if service["name"] == added.service:
            found = index
    return found


class _Text:
    """The lines of the text, and how an item is added to one of its lists."""

    def __init__(self, text: str, document: Document) -> None:
        self._newline = "\r" if text.count("\r\n") * 2 > text.count("\n") else ""
        self._lines = text.split("\n")
        self._document = document

    def joined(self) -> str:
        return "\n".join(self._lines)

    def append(self, path: Path, item: dict[str, Any]) -> None:
        """Add an item to the list at the path; the list may be empty, or not there at all."""
        value: Any = self._document.value
        for part in path:
            value = value.get(part) if isinstance(value, dict) else value[part] if value else None
        if not value:
            self._begin_list(path, item)
        elif path in self._document.flow:
            span = self._document.spans[path]
            line = self._lines[span.end_line]
            place = span.end_column - 1
            self._lines[span.end_line] = f"{line[:place]}, {_flow(item)}{line[place:]}"
        else:
            span = self._document.spans[path]
            self._insert(self._last_line(span) + 1, _block(item, span.column))

    def _begin_list(self, path: Path, item: dict[str, Any]) -> None:
        key = self._document.keys.get(path)
        if key is None:
            self._begin_key(path, item)
            return
        span = self._document.spans[path]
        line = self._lines[span.end_line]
        if span.end_column > span.column and span.line == span.end_line == key.line:  # `[]`, `null`, `~`
            self._lines[span.line] = line[: span.column].rstrip() + line[span.end_column :]
        self._insert(key.line + 1, _block(item, key.column + 2))

    def _begin_key(self, path: Path, item: dict[str, Any]) -> None:
        name = str(path[-1])
        if len(path) == 1:
            while self._lines and not self._lines[-1].strip():
                self._lines.pop()
            self._insert(len(self._lines), [f"{name}:", *_block(item, 2)])
            return
        span = self._document.spans[path[:-1]]
        column = span.column
        self._insert(self._last_line(span) + 1, [f"{' ' * column}{name}:", *_block(item, column + 2)])

    def _last_line(self, span: Span) -> int:
        last = span.end_line if span.end_column > 0 else span.end_line - 1
        while not self._lines[last].strip():
            last -= 1
        return last

    def _insert(self, index: int, lines: list[str]) -> None:
        if index == len(self._lines):  # the last line has no line break yet
            self._lines.append("")
            if index and self._newline and not self._lines[index - 1].endswith(self._newline):
                self._lines[index - 1] += self._newline
        self._lines[index:index] = [line + self._newline for line in lines]


def _block(item: dict[str, Any], column: int) -> list[str]:
    """An item of a list in lines, its dash at the column."""
    lines: list[str] = []
    for key, value in item.items():
        start = " " * column + ("- " if not lines else "  ")
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"{start}{key}:")
            for inner in value:
                lines += _block(inner, column + 4)
        else:
            lines.append(f"{start}{key}: {_flow(value)}")
    return lines


def _flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(content)}" for key, content in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(content) for content in value) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _as_name(text: str, otherwise: str) -> str:
    name = _OUTSIDE_NAMES.sub("-", text).strip("-._")[:100].rstrip("-._")
    return name or otherwise
