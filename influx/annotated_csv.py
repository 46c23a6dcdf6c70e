"""InfluxDB's annotated CSV, as its pieces come: whole rows of one table at a time, with what its columns are. Pure.

Where no value is quoted, which is nearly always, rows are taken apart by C alone: a million values are to become
objects of Python, and a loop over them would take longer than the server did. Seen on InfluxDB 2.9.1: records end with
CRLF, a newline inside a value comes as CRLF too and a carriage return not at all, null and the empty text look the
same, and what goes wrong after the first rows is a table `error,reference` in the middle of an answer with status 200.
"""

from __future__ import annotations

import csv
import io
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, groupby, repeat
from operator import add

MAX_RECORD_BYTES = 4 * 1024 * 1024  # a text of InfluxDB has 1 MiB at most, its quotes doubled
_MAX_REMEMBERED = 100_000  # parts of times
_DATATYPE, _GROUP, _DEFAULT = "#datatype", "#group", "#default"
_ERROR = ["", "error", "reference"]
_ERROR_LINE = ",error,reference"
_KEY = ("", "result", "table")
_MINUTE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:", re.ASCII)
_SECOND = re.compile(r"([0-5]\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The limit of the csv module is one for the whole process; it is only ever raised here.
csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD_BYTES))


class GarbledAnswer(Exception):
    """What came is no annotated CSV; says what was seen."""


class ErrorTable(Exception):
    """The server gave up in the middle of an answer, for this reason."""


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a table, the first of which holds annotations. `datatypes` are empty where none were asked for.

    `varying` are the columns that differ from row to row, where they are a time and a value side by side.
    """

    names: tuple[str, ...]
    datatypes: tuple[str, ...]
    defaults: tuple[str, ...]
    varying: range

    @classmethod
    def of(cls, names: Sequence[str], datatypes: Sequence[str], defaults: Sequence[str]) -> Header:
        """Of one table."""
        found = [number for number, name in enumerate(names) if name in {"_time", "_value"}]
        is_usual = tuple(names[:3]) == _KEY and found and found[-1] - found[0] < 2 and found[0] > 2
        return cls(
            tuple(names), tuple(datatypes), tuple(defaults), range(found[0], found[-1] + 1) if is_usual else range(0)
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows, one after the other, of one table.

    `cells` hold some of their columns, `held`, row by row; in the others every row is as `row`, the first.
    """

    header: Header
    row: Sequence[str]
    held: range
    cells: Sequence[str]

    def __len__(self) -> int:
        return len(self.cells) // len(self.held)

    def column(self, index: int) -> Sequence[str]:
        """The cells of one column."""
        if index not in self.held:
            return [self.first(index)] * len(self)
        cells = self.cells[index - self.held.start :: len(self.held)]
        default = self.header.defaults[index]
        return [cell or default for cell in cells] if default else cells

    def first(self, index: int) -> str:
        """The cell of the first row: for a column of the table's group key, that of every row."""
        return self.row[index] or self.header.defaults[index]


class AnnotatedCsvParser:
    """Fed with bytes cut anywhere; holds no more than one record that is not whole yet.

    Every method raises GarbledAnswer for what is no such CSV, and ErrorTable for the error it holds.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._is_inside = False  # of quotation marks, at its end
        self._header: Header | None = None  # of the rows that come now
        self._annotations: dict[str, list[str]] = {}
        self._is_error = False

    def feed(self, piece: bytes) -> Iterator[Rows]:
        """The rows that are whole now; they are to be taken before the next piece comes."""
        self._is_inside ^= piece.count(b'"') % 2 == 1
        end = _end_of_records(piece, is_inside=self._is_inside)
        whole, self._rest = (self._rest + piece[:end], piece[end:]) if end else (b"", self._rest + piece)
        if len(self._rest) > MAX_RECORD_BYTES:
            raise GarbledAnswer(f"a record is longer than {MAX_RECORD_BYTES:,} bytes")
        # What somebody wrote as broken UTF-8 is no reason to show nothing.
        return self._rows_of(whole.decode("utf-8", "replace")) if whole else iter(())

    def close(self) -> None:
        """There is no more."""
        if self._rest:
            raise GarbledAnswer(f"it ends in the middle of a record, {_shown(self._rest.decode('utf-8', 'replace'))}")
        if self._is_error:
            raise ErrorTable("an error without words")
        if self._annotations:
            raise GarbledAnswer("it ends between the annotations of a table and its header")

    def _rows_of(self, text: str) -> Iterator[Rows]:
        lines = text.split("\r\n")
        if '"' in text or text.count("\n") != len(lines) - 1:
            yield from self._rows_of_quoted(text)
            return
        lines.pop()  # behind the last line end is nothing
        position = 0
        while position < len(lines):
            line, header = lines[position], self._header
            if header is None or not line or line == _ERROR_LINE or line.startswith("#"):
                self._take_line(line.split(",") if line else [])
                position += 1
                continue
            stop = _end_of_table(lines, position)
            rows = _narrow(header, lines[position:stop]) if header.varying else None
            if rows is not None:
                yield rows
            else:
                stop = _end_of_rows(lines, position)
                yield from _wide(header, _cells(header, lines[position:stop]))
            position = stop

    def _rows_of_quoted(self, text: str) -> Iterator[Rows]:
        """Of whole records, some values in quotation marks."""
        reader = csv.reader(io.StringIO(text.replace("\r\n", "\n"), newline=""), strict=True)
        try:
            records = list(reader)
        except csv.Error as error:
            raise GarbledAnswer(f"{error}, near {_shown(text)}") from error
        position = 0
        while position < len(records):
            if self._is_head(records[position]):
                self._take_line(records[position])
                position += 1
                continue
            first, header = position, self._header
            assert header is not None
            while position < len(records) and not self._is_head(records[position]):
                if len(records[position]) != len(header.names) or records[position][0]:
                    raise _not_a_row(header, ",".join(records[position]))
                position += 1
            yield from _wide(header, list(chain.from_iterable(records[first:position])))

    def _is_head(self, record: list[str]) -> bool:
        return self._header is None or not record or record[0].startswith("#") or record == _ERROR

    def _take_line(self, record: list[str]) -> None:
        """A line that is no row: it ends the table before it."""
        if self._is_error:
            raise ErrorTable(record[1] if len(record) > 1 else "an error without words")
        self._header = None
        if not record:
            return
        if record[0] in (_DATATYPE, _GROUP, _DEFAULT):
            self._annotations[record[0]] = record
            return
        if record[:3] == _ERROR:
            self._is_error = True
            return
        if record[0] or len(record) < 2:
            raise GarbledAnswer(f"a table begins with {_shown(','.join(record))}")
        nothing = [""] * len(record)
        datatypes, defaults = (self._annotations.get(name, nothing) for name in (_DATATYPE, _DEFAULT))
        if not len(record) == len(datatypes) == len(defaults):
            raise GarbledAnswer(f"a table has {len(record)} columns, and annotations for {len(datatypes)}")
        self._header = Header.of(record, datatypes, ["", *defaults[1:]])
        self._annotations = {}


class Instants:
    """Times of RFC 3339 in UTC as nanoseconds, exact; remembers the minutes and the seconds that come again."""

    def __init__(self) -> None:
        self._minutes, self._seconds = _Minutes(), _Seconds()

    def of(self, texts: Sequence[str]) -> list[int]:
        """In the order given. Raises GarbledAnswer."""
        if len(self._minutes) + len(self._seconds) > _MAX_REMEMBERED:
            self._minutes.clear()
            self._seconds.clear()
        minutes = map(self._minutes.__getitem__, [text[:17] for text in texts])
        return list(map(add, minutes, map(self._seconds.__getitem__, [text[17:] for text in texts])))


class _Minutes(dict[str, int]):
    def __missing__(self, text: str) -> int:
        try:
            moment = datetime.fromisoformat(text + "00+00:00") if _MINUTE.fullmatch(text) else None
        except ValueError:  # February 30
            moment = None
        if moment is None:
            raise GarbledAnswer(f"{_shown(text)} begins no time")
        since = moment - _EPOCH
        self[text] = nanoseconds = (since.days * 86_400 + since.seconds) * 1_000_000_000
        return nanoseconds


class _Seconds(dict[str, int]):
    def __missing__(self, text: str) -> int:
        match = _SECOND.fullmatch(text)
        if match is None:
            raise GarbledAnswer(f"{_shown(text)} ends no time")
        self[text] = nanoseconds = int(match[1]) * 1_000_000_000 + int((match[2] or "").ljust(9, "0"))
        return nanoseconds


def _end_of_records(piece: bytes, *, is_inside: bool) -> int:
    """Where the last whole record ends: behind a newline that stands in no quotation marks; 0 where there is none.

    `is_inside` is whether the piece ends in quotation marks.
    """
    stop = len(piece)
    while True:
        quote = piece.rfind(b'"', 0, stop)
        if not is_inside and (newline := piece.rfind(b"\n", quote + 1, stop)) >= 0:
            return newline + 1
        if quote < 0:
            return 0
        stop, is_inside = quote, not is_inside


def _end_of_table(lines: Sequence[str], position: int) -> int:
    """Behind the last of the lines that begin as this one does, which are one table's and stand together."""
    line = lines[position]
    key = line[: line.find(",", line.find(",", 1) + 1) + 1]  # `,result,table,`
    if position + 1 == len(lines) or not lines[position + 1].startswith(key):
        return position + 1
    if lines[-1].startswith(key):
        return len(lines)
    return bisect_left(lines, True, position + 1, key=lambda other: not other.startswith(key))  # noqa: FBT003


def _end_of_rows(lines: Sequence[str], position: int) -> int:
    """Where the table's rows end: before an empty line, or an error that comes without one."""
    while position < len(lines) and lines[position] and lines[position] != _ERROR_LINE:
        position += 1
    return position


def _narrow(header: Header, lines: Sequence[str]) -> Rows | None:
    """Rows that differ in their times and values alone: all the rest is cut away before the cells are. None if not."""
    line, varying = lines[0], header.varying
    row = line.split(",")
    if len(row) != len(header.names) or row[0]:
        raise _not_a_row(header, line)
    before, behind = ",".join(row[: varying.start]) + ",", "".join("," + cell for cell in row[varying.stop :])
    text = "\r\n".join(lines).replace(f"{behind}\r\n{before}", ",")
    cells = text[len(before) : len(text) - len(behind)].split(",")
    is_so = len(cells) == len(varying) * len(lines) and "\n" not in text and text.endswith(behind)
    return Rows(header, row, varying, cells) if is_so else None


def _cells(header: Header, lines: list[str]) -> list[str]:
    """The cells of lines that have as many as the header."""
    width = len(header.names)
    if set(map(str.count, lines, repeat(","))) != {width - 1}:
        raise _not_a_row(header, next(line for line in lines if line.count(",") != width - 1))
    cells = ",".join(lines).split(",")
    if any(cells[::width]):
        raise _not_a_row(header, next(line for line in lines if not line.startswith(",")))
    return cells


def _wide(header: Header, cells: list[str]) -> Iterator[Rows]:
    """Rows of any kind, table by table."""
    width = len(header.names)
    everything, start = range(width), 0
    tables = cells[2::width] if header.names[:3] == _KEY else [""] * (len(cells) // width)
    for _, same in groupby(tables):
        stop = start + len(list(same)) * width
        part = cells[start:stop]
        yield Rows(header, part[:width], everything, part)
        start = stop


def _not_a_row(header: Header, line: str) -> GarbledAnswer:
    return GarbledAnswer(f"{_shown(line)} is no row of a table with {len(header.names)} columns")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:97] + "...")
