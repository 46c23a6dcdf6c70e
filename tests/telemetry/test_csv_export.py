"""CSV: RFC 4180, exact numbers, no formula."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.cells import guarded
from telemetry.csv_export import long_header, long_rows, wide_header, wide_rows
from telemetry.series import Series, SeriesSamples

TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=30)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_what_a_spreadsheet_would_run_is_disarmed(start: str) -> None:
    """CWE-1236, for text; a negative number stays a number."""
    assert guarded(start + "1") == "'" + start + "1"
    samples = SeriesSamples(Series("net", (("host", start + "cmd"),), "x"), (0,), (-1,))

    assert f"'{start}cmd" in long_rows([samples], ["host"])
    assert long_rows([samples], ["host"]).rstrip().endswith(",-1")


@given(TEXTS, TEXTS, st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 2**62))
def test_every_cell_reads_back(tag: str, text: str, number: float, time: int) -> None:
    """Quotes, commas, line breaks: a reader of RFC 4180 gets what was written, to the bit."""
    series = [
        SeriesSamples(Series("probe", (("service", tag),), "latency_ms"), (time,), (number,)),
        SeriesSamples(Series("probe", (("service", tag),), "message"), (time,), (text,)),
    ]
    lines = long_header(["service"]) + long_rows(series, ["service"])
    header, first, second = csv.reader(io.StringIO(lines, newline=""))

    assert header == ["time", "measurement", "service", "field", "value"]
    assert (first[2], float(first[4])) == (guarded(tag), number)
    assert second[4] == guarded(text)


def test_the_wide_shape_joins_the_fields_of_one_time() -> None:
    """A row per tag set and time, empty where there is no value."""
    tags = (("host", "a"),)
    series = [
        SeriesSamples(Series("net", tags, "sent"), (1, 2), (10, 20)),
        SeriesSamples(Series("net", tags, "received"), (2,), (5,)),
    ]

    assert wide_header(["host"], ["sent", "received"]) + wide_rows(series, ["host"], ["sent", "received"]) == (
        "time,host,sent,received\r\n1970-01-01T00:00:00.000000001Z,a,10,\r\n1970-01-01T00:00:00.000000002Z,a,20,5\r\n"
    )
