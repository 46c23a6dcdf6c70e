"""C5, G3, G4: killed at any point of telling people, nothing that was to be told is lost, and nothing is made up."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.untold import UNTOLD_ENDS, rows

# Each finds what must not be there: a part of what one transaction holds without the rest of it.
IMPOSSIBLE = {
    "whoever was told that it began and not that it ended": UNTOLD_ENDS,
    "what a receiver is to know without its item": """
        SELECT incident, receiver FROM known k
        WHERE NOT EXISTS (SELECT 1 FROM item WHERE incident = k.incident AND receiver = k.receiver)""",
    "an item that tells without its reason": """
        SELECT id FROM item i WHERE NOT EXISTS (SELECT 1 FROM reason WHERE incident = i.incident AND tell
                                                AND receiver = i.receiver)""",
    "a message that nobody sends any more and that is not delivered": """
        SELECT id FROM delivery WHERE state IN ('sending', 'waiting') AND due < 0""",
    "a delivered message without its answer": """
        SELECT id FROM delivery d WHERE state = 'delivered'
          AND NOT EXISTS (SELECT 1 FROM attempt WHERE delivery = d.id AND outcome = 'delivered')""",
    "a message without anything to tell": """
        SELECT id FROM delivery d WHERE kind = 'alert' AND state != 'combined'
          AND NOT EXISTS (SELECT 1 FROM item WHERE delivery = d.id)""",
    "an item that was told twice by two messages": """
        SELECT incident, receiver, occasion FROM item GROUP BY 1, 2, 3 HAVING count(*) > 1""",
}
TOLD = {("mail", "a"), ("mail", "b"), ("phone", "a"), ("phone", "b")}


def check(place: Path) -> None:
    """What has left the house is what was to be told, each in its order; twice only as the very same message."""
    for words, text in IMPOSSIBLE.items():
        assert rows(place / "state.sqlite", text) == [], f"{place.name}: {words}"
    sent = [line.split() for line in (place / "sent.txt").read_text().splitlines()]
    for receiver, host in TOLD:
        lines = [(state, identifier) for name, about, state, identifier in sent if (name, about) == (receiver, host)]
        kinds = [state for state, _ in dict.fromkeys(lines)]
        assert kinds == ["open", "over"], f"{place.name}: {receiver} heard {lines} of {host}"
    assert rows(place / "state.sqlite", "SELECT DISTINCT state FROM delivery") == [("delivered",)], place.name


def tried(folder: Path, first: int, every: int) -> int:
    """Kill at these points; how many there are."""
    command = [sys.executable, "-m", "tests.alerting.telling_victim", str(folder), str(first), str(every)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3_000).stdout.strip()
    assert printed.isdigit(), printed
    for place in folder.iterdir():
        if place.name not in {"empty", printed}:
            check(place)
    return int(printed)


@pytest.mark.timeout(600)
def test_killed_at_every_ninth_point_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    """At the end of the story everybody has heard all of it; `make soak` takes every point."""
    points = tried(tmp_path, 5, 9)
    check(tmp_path / str(points))
    assert points > 200


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_killed_at_every_point_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    """Before and after every execute, commit and send."""
    assert tried(tmp_path, 1, 1) > 200
