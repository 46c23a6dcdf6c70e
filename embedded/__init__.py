"""The embedded store: points in one DuckDB file, the only home of DuckDB for metrics."""
