"""The one query that holds at the end of every test: whoever heard that something began hears that it is over."""

import sqlite3
from contextlib import closing
from pathlib import Path

# Whoever was told that an incident is open and is not told that it ended, though no letter is dead or on its way.
UNTOLD_ENDS = """
    SELECT i.id, k.receiver FROM incident i JOIN known k ON k.incident = i.id
    WHERE i.resolved IS NOT NULL AND i.due IS NULL
      AND EXISTS (SELECT 1 FROM item t JOIN delivery d ON d.id = t.delivery WHERE t.incident = i.id
                  AND t.receiver = k.receiver AND t.occasion != 'resolved' AND d.state = 'delivered')
      AND NOT EXISTS (SELECT 1 FROM item t LEFT JOIN delivery d ON d.id = t.delivery WHERE t.incident = i.id
                      AND t.receiver = k.receiver AND t.occasion = 'resolved'
                      AND (d.id IS NULL OR d.state IN ('delivered', 'dead', 'waiting', 'sending')))
      AND NOT EXISTS (SELECT 1 FROM reason r WHERE r.incident = i.id AND r.receiver = k.receiver
                      AND r.why = 'over' AND NOT r.tell)"""


def rows(path: Path, text: str) -> list[tuple[object, ...]]:
    """What a query finds in a file."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(text).fetchall()


def untold(folder: Path) -> list[str]:
    """Files in which somebody waits for an end; those that are no ledger, or an older or damaged one, say nothing."""
    found = []
    for file in folder.rglob("state.sqlite"):
        try:
            if rows(file, UNTOLD_ENDS):
                found.append(str(file))
        except sqlite3.Error:
            continue
    return found
