"""B4: killed at any point of its transactions, the ledger holds all that follows from a transition, or nothing."""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.alerting.ledger_victim import live

_MOST_POINTS = 5_000


def rows(path: Path, text: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as connection:
        return connection.execute(text).fetchall()


# Each finds what must not be there: a part of what one transaction holds without the rest of it.
IMPOSSIBLE = {
    "a transition whose alert does not know of it": """
        SELECT t.id FROM transition t JOIN alert a ON a.key = t.alert
        WHERE t.id = (SELECT max(id) FROM transition WHERE alert = t.alert)
          AND t.after != json_extract(a.state, '$.status')""",
    "an open alert without its incident": """
        SELECT key FROM alert LEFT JOIN incident i ON i.id = alert.incident
        WHERE json_extract(state, '$.severity') IS NOT NULL AND (i.id IS NULL OR i.resolved IS NOT NULL)""",
    "an open incident without its alert": """
        SELECT id FROM incident i WHERE resolved IS NULL
          AND NOT EXISTS (SELECT 1 FROM alert WHERE incident = i.id)""",
    "two open incidents of one alert": """
        SELECT alert FROM incident WHERE resolved IS NULL GROUP BY alert HAVING count(*) > 1""",
    "an incident without its opening": """
        SELECT id FROM incident i
        WHERE 1 != (SELECT count(*) FROM transition WHERE incident = i.id AND kind = 'opened')""",
    "a resolved incident without its end": """
        SELECT id FROM incident i WHERE (resolved IS NOT NULL)
          != (SELECT count(*) FROM transition WHERE incident = i.id AND kind = 'resolved')""",
    "an opening, a rise or an end without a decision": """
        SELECT id FROM transition t WHERE kind IN ('opened', 'raised', 'resolved')
          AND 1 != (SELECT count(*) FROM decision WHERE transition = t.id)""",
    "a decision to tell without its notification, or the other way round": """
        SELECT id FROM decision d WHERE tell != (SELECT count(*) FROM notification WHERE transition = d.transition)""",
}
STORY = "SELECT rule, alert, time, kind, severity_after, value FROM transition ORDER BY alert, time, id"


def test_b4_killed_at_every_point_all_or_nothing_is_there_and_the_next_start_goes_on(tmp_path: Path) -> None:
    """At the end of the story the ledger says what it says where nobody was killed."""
    command = [sys.executable, "-m", "tests.alerting.ledger_victim", str(tmp_path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout.split()
    points, status = int(printed[0]), int(printed[1])
    whole = tmp_path / str(points) / "state.sqlite"

    assert status == 0
    assert 100 < points < _MOST_POINTS
    expected = rows(whole, STORY)
    assert {"opened", "raised", "resolved", "flapping", "unknown"} <= {str(row[3]) for row in expected}
    for point in range(1, points):
        place = tmp_path / str(point)
        for what, query in IMPOSSIBLE.items():
            assert rows(place / "state.sqlite", query) == [], f"{what}, killed at point {point}"
        minute = place / "minute"
        asyncio.run(live(place / "state.sqlite", int(minute.read_text()) if minute.exists() else 0))
        assert rows(place / "state.sqlite", STORY) == expected, f"killed at point {point}"
        for what, query in IMPOSSIBLE.items():
            assert rows(place / "state.sqlite", query) == [], f"{what}, after point {point}"
