"""Exports: the engine writes files, piece by piece, and they are handed on and removed. Shell."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import duckdb

from embedded.export_sql import (
    CSV_OPTIONS,
    Member,
    Part,
    count_samples,
    cut_times,
    long_columns,
    long_lines,
    tag_expression,
    wide_columns,
    wide_lines,
)
from embedded.reader_pool import ReaderPool
from embedded.selection import Selected, select
from embedded.sql import TABLES, text_literal
from telemetry.cells import guarded, quoted
from telemetry.csv_export import long_header, wide_header
from telemetry.errors import InvalidQuery, StoreUnavailable
from telemetry.points import Tags
from telemetry.ports import DEFAULT_DEADLINE, TableForm
from telemetry.schema import FieldType, Measurement, Registry
from telemetry.series import Raw, SeriesQuery

PREFIX = "export-"  # of the files in between
PIECE_BYTES = 256 * 1024
PART_SAMPLES = 500_000  # of one file of CSV: some 50 MB
_WIDE = {TableForm.CSV_WIDE, TableForm.PARQUET_WIDE}
CSV_FORMS = {TableForm.CSV_LONG, TableForm.CSV_WIDE}


@dataclass(frozen=True, slots=True)
class Plan:
    """An export, ready to be run: its columns and its parts."""

    table: str
    measurement: Measurement
    form: TableForm
    tag_sets: tuple[Tags, ...]
    columns: tuple[tuple[str, bool, bool], ...]  # (field, is_integer, is_text)
    parts: tuple[Part, ...]
    samples: int


def plan_export(cursor: duckdb.DuckDBPyConnection, registry: Registry, question: ExportQuestion) -> Plan:
    """What is to be written. Raises InvalidQuery for windows, which are small and need no engine; as `select`."""
    query, form = question.query, question.form
    if not isinstance(query.shape, Raw):
        raise InvalidQuery("only samples are exported by the engine", field="every")
    measurement = registry.get(query.measurement)
    if measurement is None:
        raise InvalidQuery(f"there is no measurement {query.measurement!r}", field="measurement")
    table = TABLES[measurement.measurement_class]
    plan = plan_in_one(table, measurement, question, select(cursor, query, measurement))
    (whole,) = plan.parts
    counts = _counts(cursor, table, whole.members, query)
    parts = tuple(_parts(cursor, table, whole, counts)) if form in CSV_FORMS else plan.parts
    total = sum(min(count, whole.limit or count) for count in counts.values())
    return replace(plan, parts=parts, samples=total)


def plan_in_one(table: str, measurement: Measurement, question: ExportQuestion, selected: Sequence[Selected]) -> Plan:
    """An export of these series that is made in one part; nothing is counted yet."""
    query, form = question.query, question.form
    assert isinstance(query.shape, Raw)
    fields = fields_of(query, measurement)
    members, tag_sets = _members(selected, measurement, fields, is_wide=form in _WIDE)
    if not members and form not in CSV_FORMS:  # a file without rows has its columns all the same
        members, tag_sets = [Member(-1, 0, 0, "", is_integer=False, is_text=False)], ((),)
    whole = Part(tuple(members), query.start, query.stop, None if question.unlimited else query.shape.limit)
    columns = tuple(_column(measurement, field) for field in fields)
    return Plan(table, measurement, form, tag_sets, columns, (whole,), 0)


def fields_of(query: SeriesQuery, measurement: Measurement) -> tuple[str, ...]:
    """The fields that are exported, in the order of their columns."""
    return query.fields or tuple(field.name for field in measurement.plain_fields)


@dataclass(frozen=True, slots=True)
class ExportQuestion:
    """`unlimited`: the query's limit is nobody's wish, only a default."""

    query: SeriesQuery
    form: TableForm
    unlimited: bool = True


@dataclass(frozen=True, slots=True)
class PreparedExport:
    """Implements `telemetry.ports.TableExport`."""

    readers: ReaderPool
    plan: Plan
    folder: Path

    @property
    def samples(self) -> int:
        """How many values it will hold, as of its beginning."""
        return self.plan.samples

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The file, piece by piece; the next part is made when the one before has been taken."""
        if self.plan.form in CSV_FORMS:
            yield header_of(self.plan)
        async with self.readers.for_stream() as cursor:
            for part in self.plan.parts:
                written: list[Path] = []

                def write(part: Part = part, written: list[Path] = written) -> None:
                    written.append(write_part(cursor, self.plan, part, self.folder))

                try:
                    await self.readers.run(cursor, write)
                    async with aclosing(pieces_of(written[0])) as pieces:
                        async for piece in pieces:
                            yield piece
                except OSError as error:
                    raise StoreUnavailable(f"the export cannot be written: {error.strerror or error}") from error
                finally:
                    for file in written:  # also where nobody waited for it any more
                        file.unlink(missing_ok=True)


async def prepare_export(
    readers: ReaderPool, registry: Registry, folder: Path, question: ExportQuestion
) -> PreparedExport:
    """Plan an export, with the deadline of a query. Raises as `plan_export`."""

    def plan(cursor: duckdb.DuckDBPyConnection) -> Plan:
        return plan_export(cursor, registry, question)

    return PreparedExport(readers, await readers.within(DEFAULT_DEADLINE, plan), folder)


def header_of(plan: Plan) -> bytes:
    """The first line of a CSV file."""
    tags = plan.measurement.tags
    is_wide = plan.form is TableForm.CSV_WIDE
    return (wide_header(tags, [name for name, _, _ in plan.columns]) if is_wide else long_header(tags)).encode()


def write_part(cursor: duckdb.DuckDBPyConnection, plan: Plan, part: Part, folder: Path) -> Path:
    """Write one part to a file of its own, which is the caller's to remove. Raises duckdb.Error, OSError."""
    file = folder / f"{PREFIX}{uuid4().hex}.tmp"
    options = CSV_OPTIONS if plan.form in CSV_FORMS else "(FORMAT parquet, COMPRESSION zstd)"
    try:
        cursor.execute(f"COPY ({_statement(plan, part)}) TO {text_literal(str(file.absolute()))} {options}")
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return file


async def pieces_of(file: Path) -> AsyncGenerator[bytes]:
    """The bytes of a file, in pieces; it is the caller's to remove. Raises OSError."""
    with await asyncio.to_thread(file.open, "rb") as stream:
        while piece := await asyncio.to_thread(stream.read, PIECE_BYTES):
            yield piece


def remove_leftovers(folder: Path) -> None:
    """What a killed process has left."""
    for file in folder.glob(f"{PREFIX}*.tmp"):
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file, ignore_errors=True)
        else:
            file.unlink(missing_ok=True)


def _statement(plan: Plan, part: Part) -> str:
    match plan.form:
        case TableForm.CSV_LONG:
            return long_lines(plan.table, part)
        case TableForm.CSV_WIDE:
            return wide_lines(plan.table, part, [(is_integer, is_text) for _, is_integer, is_text in plan.columns])
    tags = [(name, tag_expression([dict(tags).get(name) for tags in plan.tag_sets])) for name in plan.measurement.tags]
    if plan.form is TableForm.PARQUET_WIDE:
        return wide_columns(plan.table, part, tags, plan.columns)
    return long_columns(plan.table, part, plan.measurement.name, tags, [name for name, _, _ in plan.columns])


def _members(
    selected: Sequence[Selected], measurement: Measurement, fields: Sequence[str], *, is_wide: bool
) -> tuple[list[Member], tuple[Tags, ...]]:
    pools: dict[Tags, int] = {}
    members = []
    for one in selected:
        if one.series.field not in fields:
            continue  # of a field that another version knew
        tags = dict(one.series.tags)
        cells = [guarded(tags.get(name, "")) for name in measurement.tags]
        front = cells if is_wide else [guarded(measurement.name), *cells, guarded(one.series.field)]
        members.append(
            Member(
                identifier=one.identifier,
                pool=pools.setdefault(one.series.tags, len(pools)),
                column=fields.index(one.series.field),
                front=_line(["", *front, ""]),
                is_integer=one.type is FieldType.INTEGER,
                is_text=one.type is FieldType.TEXT,
            )
        )
    return members, tuple(pools)


def _column(measurement: Measurement, name: str) -> tuple[str, bool, bool]:
    field = measurement.field(name)
    kind = FieldType.FLOAT if field is None else field.type
    return name, kind is FieldType.INTEGER, kind is FieldType.TEXT


def _counts(
    cursor: duckdb.DuckDBPyConnection, table: str, members: Sequence[Member], query: SeriesQuery
) -> Counter[int]:
    if not members:
        return Counter()
    identifiers = [member.identifier for member in members]
    rows = cursor.execute(count_samples(table, identifiers, query.start, query.stop)).fetchall()
    return Counter(dict(rows))


def _parts(cursor: duckdb.DuckDBPyConnection, table: str, whole: Part, counts: Mapping[int, int]) -> Iterator[Part]:
    """Tag sets in order, as many together as make a file of good size; a large one is cut by time."""
    together: list[Member] = []
    size = 0
    for members in _by_pool(whole.members):
        count = sum(min(counts[member.identifier], whole.limit or 2**62) for member in members)
        if not count:
            continue
        if together and size + count > PART_SAMPLES:
            yield Part(tuple(together), whole.start, whole.stop, whole.limit)
            together, size = [], 0
        if count > PART_SAMPLES and whole.limit is None:
            yield from _cut(cursor, table, whole, members, counts)
            continue
        together += members
        size += count
    if together:
        yield Part(tuple(together), whole.start, whole.stop, whole.limit)


def _cut(
    cursor: duckdb.DuckDBPyConnection, table: str, whole: Part, members: list[Member], counts: Mapping[int, int]
) -> Iterator[Part]:
    count = sum(counts[member.identifier] for member in members)
    identifiers = [member.identifier for member in members]
    number = -(-count // PART_SAMPLES)
    row = cursor.execute(cut_times(table, identifiers, whole.start, whole.stop, number)).fetchone()
    times = [whole.start, *(time for time in (row[0] if row else ()) if time > whole.start), whole.stop]
    for start, stop in pairwise(times):
        if start < stop:
            yield Part(tuple(members), start, stop)


def _by_pool(members: Sequence[Member]) -> Iterator[list[Member]]:
    pool: list[Member] = []
    for member in members:
        if pool and pool[-1].pool != member.pool:
            yield pool
            pool = []
        pool.append(member)
    if pool:
        yield pool


def _line(cells: Iterable[str]) -> str:
    return ",".join(map(quoted, cells))
