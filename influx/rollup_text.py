"""What people are told where InfluxDB does not make the windows of a level. Pure."""

from __future__ import annotations

from telemetry.rollup import Level


def idle(level: Level, runs: int) -> str:
    """That its task did not run."""
    return (
        f"InfluxDB's task of the level {level.name} has not done its work {runs} times in a row, and"
        " OpsWatch had it done (`opswatch provision verify` says what is wrong with the task)"
    )


def foreign(level: Level, bucket: str, words: str) -> str:
    """That its task fails, where a text that names every field does not."""
    return (
        f"InfluxDB's task of the level {level.name} fails: {words} (is there something in the bucket {bucket} that"
        " OpsWatch did not write, as text or booleans? delete it; OpsWatch makes the windows of what it knows)"
    )


def not_made(level: Level, words: str) -> str:
    """That nothing makes its windows."""
    return (
        f"InfluxDB cannot make the windows of the level {level.name}: {words} (`opswatch provision verify` says"
        " what is missing; queries read samples meanwhile)"
    )
