"""Read one YAML document as plain values, each with the place where it stands; nothing in it is executed. Pure.

YAML 1.2's core schema: `no`, `12:30` and dates are text. Everything that is wrong is a Fault, never an exception
of the parser. Anchors, aliases and merge keys work, within a limit that no configuration of people meets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from telemetry.errors import Fault

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 200_000  # after aliases are expanded: an alias bomb ends here

Path = tuple[str | int, ...]

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}|0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_SPECIAL_FLOAT = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(?:nan|NaN|NAN)", re.ASCII)
_HALF = re.compile("[\ud800-\udfff]")
_STANDARD_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}


@dataclass(frozen=True, slots=True)
class Span:
    """From the first character of a value to behind its last; lines and columns count from 0."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Document:
    """`spans` and `texts` are of the values, `keys` of the keys of mappings; by path, as `("services", 0, "name")`."""

    value: Any
    spans: dict[Path, Span]
    keys: dict[Path, Span]
    texts: dict[Path, str]  # of scalars without quotes, as they are written: 1.10, not 1.1
    flow: frozenset[Path]  # collections written in brackets
    faults: tuple[Fault, ...] = ()


class _Stop(Exception):
    def __init__(self, message: str, mark: Any, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.mark, self.hint = message, mark, hint


def decode(content: bytes, source: str, most: int = MAX_BYTES) -> str | Fault:
    """The text of a file, or what is wrong with it: longer than `most` bytes, not UTF-8."""
    if len(content) > most:
        return Fault(f"the file is longer than {most:,} bytes, which is the most that is read", source)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        return Fault(f"byte {content[error.start]:#04x} is not UTF-8", source, "", line, column, "save it as UTF-8")


def parse_document(text: str, source: str, most_nodes: int = MAX_NODES) -> Document:
    """Read the document; an empty one is None. Raises nothing: what is wrong stands in `faults`."""
    reader = _Reader(source, most_nodes)
    try:
        value = reader.read(_events(text))
    except _Stop as stop:
        reader.faults.append(_fault(source, stop.message, stop.mark, stop.hint))
        value = None
    except MarkedYAMLError as error:
        reader.faults.append(_syntax_fault(text, source, error))
        value = None
    except ReaderError as error:
        line, column = text.count("\n", 0, error.position) + 1, error.position - text.rfind("\n", 0, error.position)
        message = f"character U+{ord(text[error.position]):04X} is not allowed in YAML"
        reader.faults.append(Fault(message, source, "", line, column))
        value = None
    except (YAMLError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, AssertionError) as error:
        # The parser is not ours and the text is anybody's: whatever it trips over, the file is wrong, not the program.
        reader.faults.append(Fault(f"this cannot be read as YAML ({type(error).__name__})", source))
        value = None
    return Document(value, reader.spans, reader.keys, reader.texts, frozenset(reader.flow), tuple(reader.faults))


def _events(text: str) -> Iterator[Event]:
    yield from YAML(typ="safe", pure=True).parse(text)


@dataclass(slots=True)
class _Anchored:
    """An anchored value: its events are kept, so that an alias can be read as if they stood there again."""

    events: list[Event]


@dataclass(slots=True)
class _Reader:
    source: str
    most_nodes: int
    faults: list[Fault] = field(default_factory=list)
    spans: dict[Path, Span] = field(default_factory=dict)
    keys: dict[Path, Span] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    flow: set[Path] = field(default_factory=set)
    anchors: dict[str, _Anchored] = field(default_factory=dict)
    nodes: int = 0

    def read(self, events: Iterator[Event]) -> Any:
        value: Any = None
        documents = 0
        for event in events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Stop("a second document begins here", event.start_mark, "one file holds one document")
                if event.version is not None and tuple(event.version) != (1, 2):
                    raise _Stop("this is read as YAML 1.2 only", event.start_mark, "remove the %YAML line")
                value = self._node(next(events), events, ())
        return value

    def _node(self, event: Any, events: Iterator[Any], path: Path) -> Any:
        self.nodes += 1
        if self.nodes > self.most_nodes:
            raise _Stop("the document is too large once its aliases are expanded", event.start_mark)
        if len(path) > MAX_DEPTH:
            raise _Stop(f"this is nested more than {MAX_DEPTH} levels deep", event.start_mark)
        if isinstance(event, AliasEvent):
            return self._alias(event, path)
        self._check_tag(event)
        if getattr(event, "anchor", None):
            return self._anchored(event, events, path)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(event, events, path)
        return self._mapping(event, events, path)

    def _anchored(self, event: Any, events: Iterator[Any], path: Path) -> Any:
        recorded = list(_whole_node(event, events))
        name = event.anchor
        first = recorded[0]
        first.anchor = None
        # Known only once it is complete, so that it cannot contain itself.
        value = self._node(first, iter(recorded[1:]), path)
        self.anchors[name] = _Anchored(recorded)
        return value

    def _alias(self, event: AliasEvent, path: Path) -> Any:
        anchored = self.anchors.get(event.anchor)
        if anchored is None:
            raise _Stop(f"the alias *{event.anchor} names no complete anchor above it", event.start_mark)
        try:
            value = self._node(anchored.events[0], iter(anchored.events[1:]), path)
        except _Stop as stop:
            stop.mark = event.start_mark  # what is wrong is that it stands here, too
            raise
        self.spans[path] = _span(event, event)
        return value

    def _check_tag(self, event: Any) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None and str(tag) not in _STANDARD_TAGS and str(tag) != "!":
            raise _Stop(f"the tag {str(tag)[:60]!r} means nothing here", event.start_mark, "remove it")

    def _scalar(self, event: ScalarEvent, path: Path) -> Any:
        self.spans[path] = _span(event, event)
        tag = str(event.tag).rpartition(":")[2] if event.tag is not None else None
        if tag in {"str", "!"} or (tag is None and not event.implicit[0]):
            return self._whole_characters(event)
        self.texts[path] = event.value
        return _plain(event.value)

    def _whole_characters(self, event: ScalarEvent) -> str:
        """The text; JSON escapes a character beyond 16 bits as two halves, which are one here."""
        text = str(event.value)
        if text.isascii() or not _HALF.search(text):
            return text
        halves = text.encode("utf-16-le", "surrogatepass")
        whole = halves.decode("utf-16-le", "replace")
        if whole.encode("utf-16-le") != halves:
            self.faults.append(
                _fault(self.source, "the text holds half a character", event.start_mark, "write it whole")
            )
        return whole

    def _sequence(self, event: SequenceStartEvent, events: Iterator[Event], path: Path) -> list[Any]:
        if event.flow_style:
            self.flow.add(path)
        values: list[Any] = []
        for item in events:
            if isinstance(item, SequenceEndEvent):
                self.spans[path] = self._collection_span(event, item, path, len(values))
                return values
            values.append(self._node(item, events, (*path, len(values))))
        return values

    def _mapping(self, event: Any, events: Iterator[Any], path: Path) -> dict[str, Any]:
        if event.flow_style:
            self.flow.add(path)
        values: dict[str, Any] = {}
        merged: list[Any] = []
        last: str | None = None
        for key_event in events:
            if isinstance(key_event, MappingEndEvent):
                self.spans[path] = self._collection_span(event, key_event, path, last)
                break
            key = self._key(key_event, path, values)
            value = self._node(next(events), events, (*path, key))
            if key == "<<" and getattr(key_event, "style", None) is None:
                merged += value if isinstance(value, list) else [value]
            elif key not in values:
                values[key], last = value, key
        for mapping in merged:
            if not isinstance(mapping, dict):
                raise _Stop("<< merges mappings only", event.start_mark)
            values |= {key: value for key, value in mapping.items() if key not in values}
        return values

    def _key(self, event: Any, path: Path, values: dict[str, Any]) -> str:
        if not isinstance(event, ScalarEvent):
            raise _Stop("a key must be text", event.start_mark)
        self._check_tag(event)
        key = self._whole_characters(event)
        place = (*path, key)
        if key in values:
            first = self.keys[place]
            message = f"the key {key[:60]!r} stands twice; first in line {first.line + 1}"
            self.faults.append(_fault(self.source, message, event.start_mark, "remove one of them"))
            return key
        self.keys[place] = _span(event, event)
        return key

    def _collection_span(self, start: Any, end: Any, path: Path, last: str | int | None) -> Span:
        """A collection in brackets ends with its bracket; one in lines ends where its last value ends."""
        if path in self.flow or not last:
            return _span(start, end)
        child = self.spans.get((*path, last - 1 if isinstance(last, int) else last))
        if child is None:
            return _span(start, end)
        return Span(start.start_mark.line, start.start_mark.column, child.end_line, child.end_column)


def _whole_node(first: Any, events: Iterator[Any]) -> Iterator[Any]:
    """The events of one node, from `first` to the end that belongs to it."""
    yield first
    depth = int(isinstance(first, SequenceStartEvent | MappingStartEvent))
    while depth:
        event = next(events)
        depth += isinstance(event, SequenceStartEvent | MappingStartEvent)
        depth -= isinstance(event, SequenceEndEvent | MappingEndEvent)
        yield event


def _plain(text: str) -> Any:
    """The value of a scalar without quotes, by YAML 1.2's core schema."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text[2:] if base != 10 else text, base)
    if _FLOAT.fullmatch(text):
        return float(text)
    special = _SPECIAL_FLOAT.fullmatch(text)
    if special is not None:
        return float(f"{special[1] or ''}inf") if special[2] else float("nan")
    return text


def _span(start: Any, end: Any) -> Span:
    first, last = start.start_mark, end.end_mark
    return Span(first.line, first.column, last.line, last.column)


def _fault(source: str, message: str, mark: Any, hint: str = "") -> Fault:
    return Fault(message, source, "", mark.line + 1, mark.column + 1, hint)


# What the parser says, in words that help: the first pattern that fits.
_TAB = ("a tab stands where YAML takes spaces only", "indent with spaces")
_PROBLEMS = (
    (r"character '\\t'", *_TAB),
    (r"character '(.)' that cannot start", "a value cannot begin with {0}", "put it in quotes"),
    (
        r"mapping values are not allowed",
        "this `:` cannot stand here",
        "indent it right, or quote a value with `: ` in it",
    ),
    (r"unexpected end of stream", "a quote is opened and never closed", ""),
    (r"unknown escape character '(.)'", "\\{0} is no escape in double quotes", "use single quotes, or write \\\\"),
    (r"could not find expected ':'", "a key without its `:`", ""),
    (r"expected <block end>", "the indentation fits nothing above it", ""),
    (r"expected ',' or", "a `,` or the closing bracket is missing", ""),
    (r"but found '<stream end>'", "the file ends where a value or a closing bracket is expected", ""),
)


def _syntax_fault(text: str, source: str, error: MarkedYAMLError) -> Fault:
    unclosed = "unexpected end of stream" in str(error.problem)
    mark = (error.context_mark if unclosed else error.problem_mark) or error.context_mark
    message, hint = _TAB if mark is not None and _is_tab(text, mark) else _explained(str(error.problem or ""))
    return _fault(source, message, mark, hint) if mark is not None else Fault(message, source, hint=hint)


def _is_tab(text: str, mark: Any) -> bool:
    lines = text.split("\n")
    return bool(mark.line < len(lines) and lines[mark.line][: mark.column + 1].endswith("\t"))


def _explained(problem: str) -> tuple[str, str]:
    for pattern, message, hint in _PROBLEMS:
        match = re.search(pattern, problem)
        if match is not None:
            return message.replace("{0}", match[1]) if match.groups() else message, hint
    # The parser's own words may quote the file, where a secret may stand: then only that it is wrong is told.
    return ("this is not YAML" if not problem or "'" in problem else problem), ""
