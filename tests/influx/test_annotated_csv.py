"""Annotated CSV is read as influxdb-client reads it, however it is cut; what is none is named."""

import csv
import io
from datetime import UTC, datetime
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from influxdb_client.client.flux_csv_parser import FluxCsvParser, FluxSerializationMode

from influx.annotated_csv import MAX_RECORD_BYTES, AnnotatedCsvParser, ErrorTable, GarbledAnswer, Instants, Rows
from influx.text import decode_cell
from telemetry.times import format_instant

HEAD = b"#datatype,string,long,dateTime:RFC3339,long,string\r\n,result,table,_time,_value,host\r\n"
ROW = b",_result,0,2026-01-01T00:00:00Z,7,a\r\n"
DATATYPES = ("string", "long", "double", "dateTime:RFC3339", "boolean")
# Go's writer drops carriage returns, so none ever comes.
TEXTS = ['say "x"', "new\nline", "comma,", "#datatype", ",error,reference", "\n,error,reference\n", " ", "ü", "a", '"']
Table = tuple[list[str], list[str], list[list[str]]]


def cell(chance: Random, datatype: str) -> str:
    match datatype:
        case "long":
            return str(chance.choice([0, -1, 2**63 - 1, -(2**63), chance.randint(-999, 999)]))
        case "double":
            return chance.choice(["+Inf", "-Inf", "1e+300", "-0.5", repr(chance.uniform(-9, 9))])
        case "boolean":
            return chance.choice(["true", "false"])
        case "dateTime:RFC3339":
            return format_instant(chance.randint(-(2**61), 2**61) // 1_000 * 1_000)
    return "".join(chance.choices(TEXTS, k=chance.randint(0, 2)))


def table(chance: Random) -> Table:
    """Names, datatypes, and rows of one or more tables of one schema: some columns are a table's, some a row's."""
    datatypes = chance.choices(DATATYPES, k=chance.randint(1, 5))
    names = [f"c{number}" for number in range(len(datatypes))]
    if chance.random() < 0.6:  # as nearly all of ours are
        names, datatypes = ["_time", "_value", *names], ["dateTime:RFC3339", "double", *datatypes]
    constant = {place for place in range(len(names)) if not names[place].startswith("_") and chance.random() < 0.8}
    rows = []
    for number in range(chance.randint(0, 3)):
        first = [cell(chance, datatype) for datatype in datatypes]
        for _ in range(chance.randint(1, 4)):
            cells = [
                first[place] if place in constant else chance.choice([cell(chance, kind)] * 5 + [""])
                for place, kind in enumerate(datatypes)
            ]
            rows.append(["", "", str(number), *cells])
    return names, datatypes, rows


def written(answers: list[Table]) -> bytes:
    """As InfluxDB writes it: Go's quoting, CRLF also inside of values, an empty line between tables."""
    text = io.StringIO()
    for names, datatypes, rows in answers:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(["#datatype", "string", "long", *datatypes])
        writer.writerow(["#group", *["false"] * (len(names) + 2)])
        writer.writerow(["#default", "mine", *[""] * (len(names) + 1)])
        writer.writerow(["", "result", "table", *names])
        for row in rows:
            # Python leaves the one empty text unquoted that Go leaves unquoted too.
            writer.writerow([one.replace("\n", "\r\n") for one in row])
        writer.writerow([])
    return text.getvalue().encode()


def parsed(pieces: list[bytes]) -> list[Rows]:
    parser = AnnotatedCsvParser()
    found = [rows for piece in pieces for rows in parser.feed(piece)]
    parser.close()
    return found


def value(text: str, datatype: str) -> object:
    """A cell as influxdb-client would have it."""
    if text == "":
        return None
    match datatype:
        case "long":
            return int(text)
        case "double":
            return float(text)
        case "boolean":
            return text == "true"
        case "dateTime:RFC3339":
            (time,) = Instants().of([text])
            return datetime.fromtimestamp(time // 10**9, UTC).replace(microsecond=time % 10**9 // 1_000)
    return text


@settings(max_examples=500, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 2_000), max_size=6))
def test_it_reads_what_influxdb_client_reads(seed: int, cuts: list[int]) -> None:
    """Random tables, cut anywhere: every record has the same values in the same columns, in the same order."""
    chance = Random(seed)
    answers = [table(chance) for _ in range(chance.randint(0, 3))]
    content = written(answers)
    places = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    pieces = [content[start:stop] for start, stop in pairwise(places)]
    ours = []
    for rows in parsed(pieces):
        columns = [
            [value(decode_cell(one), datatype) for one in rows.column(place)]
            for place, datatype in enumerate(rows.header.datatypes)
            if place
        ]
        names = rows.header.names[1:]
        ours += [dict(zip(names, record, strict=True)) for record in zip(*columns, strict=True)]

    # The client reads a newline inside of a value as the CRLF that came; ours is what was written.
    lines = io.BytesIO(content)
    theirs = list(FluxCsvParser(lines, FluxSerializationMode.stream).generator())  # type: ignore[arg-type]

    assert ours == [
        {name: one.replace("\r\n", "\n") if isinstance(one, str) else one for name, one in record.values.items()}
        for record in theirs
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1_000])
def test_it_does_not_matter_where_pieces_are_cut(size: int) -> None:
    """Not inside of a character, of CRLF, or of a quoted value that holds lines."""
    content = HEAD + ROW * 3 + ',_result,0,2026-01-01T00:00:00Z,7,"ü, ""x""\r\n\r\n#datatype"\r\n'.encode() + ROW
    rows = parsed([content[place : place + size] for place in range(0, len(content), size)])

    values = [text for one in rows for text in one.column(5)]
    assert values == ["a", "a", "a", 'ü, "x"\n\n#datatype', "a"]


def test_rows_of_one_table_come_together() -> None:
    """Not cell by cell: a thousand rows are one piece of work."""
    (one,) = parsed([HEAD + ROW * 1_000])

    assert (len(one), one.first(5), set(one.column(4))) == (1_000, "a", {"7"})


def test_an_error_in_the_middle_is_an_error() -> None:
    """As InfluxDB 2.9.1 sends it: the table breaks off, and the reason follows in one of its own."""
    said = b'\r\n,error,reference\r\n,"memory allocation limit reached: limit 1 bytes, ""x""",897\r\n'
    for content in (HEAD + ROW + said, HEAD + ROW * 3 + said[2:], HEAD + b"\r\n#datatype,string,string\r\n" + said[2:]):
        parser = AnnotatedCsvParser()
        with pytest.raises(ErrorTable, match="memory allocation limit reached: limit 1 bytes"):
            list(parser.feed(content))


def test_an_error_without_words_is_an_error() -> None:
    """Also when the answer ends before its reason."""
    parser = AnnotatedCsvParser()
    list(parser.feed(HEAD + ROW + b"\r\n,error,reference\r\n"))
    with pytest.raises(ErrorTable):
        parser.close()


def test_a_value_that_looks_like_an_error_is_a_value() -> None:
    """Somebody's text may hold the lines of an error table."""
    (rows,) = parsed([HEAD + b',_result,0,2026-01-01T00:00:00Z,7,"\r\n,error,reference\r\n,gotcha,1\r\n"\r\n'])

    assert rows.first(5) == "\n,error,reference\n,gotcha,1\n"


@pytest.mark.parametrize("content", [b"", b"\r\n", HEAD, HEAD + b"\r\n" + HEAD, b"\r\n\r\n" + HEAD + b"\r\n"])
def test_nothing_is_an_answer(content: bytes) -> None:
    """No table, and tables without rows."""
    assert parsed([content]) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>\r\n", "begins with '<html>'"),
        (b'{"code":"x"}\r\n', "begins with"),
        (HEAD + b",_result,0,2026-01-01T00:00:00Z,7\r\n", "no row of a table with 6 columns"),
        (HEAD + ROW + b",_result,0,2026-01-01T00:00:00Z,7,a,b\r\n", "no row of a table with 6 columns"),
        (HEAD + ROW + b"x,_result,0,2026-01-01T00:00:00Z,7,a\r\n", "no row of a table"),
        (HEAD + b',_result,0,2026-01-01T00:00:00Z,7,"a"b\r\n', "expected after"),
        (HEAD + b',_result,0,"2026-01-01T00:00:00Z",7\r\n', "no row of a table with 6 columns"),
        (HEAD + ROW[:-2], "ends in the middle of a record"),
        (HEAD + b',_result,0,2026-01-01T00:00:00Z,7,"a', "ends in the middle of a record"),
        (b"#datatype,string,long\r\n,result,table,_time\r\n", "a table has 4 columns, and annotations for 3"),
        (b"#datatype,string,long\r\n", "between the annotations"),
    ],
)
def test_garbage_is_named(content: bytes, words: str) -> None:
    """The message shows what was seen."""
    with pytest.raises(GarbledAnswer, match=words):
        parsed([content])


def test_a_record_is_not_kept_for_ever() -> None:
    """A quotation mark that nobody closes cannot fill the memory."""
    parser = AnnotatedCsvParser()
    list(parser.feed(HEAD + b',_result,0,2026-01-01T00:00:00Z,7,"'))
    for _ in range(MAX_RECORD_BYTES // 65_536 - 1):
        list(parser.feed(b"x\n" * 32_768))
    with pytest.raises(GarbledAnswer, match="longer than"):
        list(parser.feed(b"x\n" * 32_768))


@given(times=st.lists(st.integers(-(2**63) + 2**47, 2**63 - 2**47), max_size=20))
def test_times_are_exact_to_the_nanosecond(times: list[int]) -> None:
    """Whatever decimals are written."""
    assert Instants().of([format_instant(time) for time in times]) == times


@pytest.mark.parametrize(("text", "time"), [("1970-01-01T00:00:00.1Z", 10**8), ("1969-12-31T23:59:59.999999999Z", -1)])
def test_times_may_have_any_number_of_decimals(text: str, time: int) -> None:
    """InfluxDB leaves out zeros at the end."""
    assert Instants().of([text]) == [time]


@pytest.mark.parametrize(
    "text",
    ["", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00.Z", "x" * 99],
)
def test_what_is_no_time_is_named(text: str) -> None:
    """Not read as another time."""
    with pytest.raises(GarbledAnswer, match="time"):
        Instants().of([text])
