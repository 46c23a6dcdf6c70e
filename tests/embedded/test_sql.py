"""What the engine is asked means what was meant."""

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from embedded.sql import one_of

RUNS = st.builds(lambda start, length: list(range(start, start + length)), st.integers(1, 500), st.integers(1, 300))
EVERY_OTHER = st.builds(
    lambda start, length, step: list(range(start, start + length * step, step)),
    st.integers(1, 500),
    st.integers(1, 200),
    st.integers(2, 200),
)
ANY = st.lists(st.integers(1, 30_000), min_size=1, max_size=200)
ROWS = duckdb.connect()
ROWS.execute("CREATE TABLE sample AS SELECT CAST(range AS INTEGER) AS series_id FROM range(50_000)")


@given(ids=RUNS | EVERY_OTHER | ANY)
def test_rows_are_of_the_series_that_were_named(ids: list[int]) -> None:
    """In whichever words: a run, a few, a map of bits, a long list, and with one named twice."""
    found = ROWS.execute(f"SELECT series_id FROM sample WHERE {one_of(ids)}").fetchall()

    assert {identifier for (identifier,) in found} == set(ids)
