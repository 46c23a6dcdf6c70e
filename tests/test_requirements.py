"""docs/requirements.md tells the truth: every row is there, and every test that it names exists."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROWS = re.findall(
    r"^\| R(\d+) \| .+ \| (proved|partly|open) \| (?:`([^`]+)`)? \| .*\|$",
    (ROOT / "docs" / "requirements.md").read_text(),
    re.MULTILINE,
)


def test_every_row_is_there_once_and_in_order() -> None:
    """R1 to R159, none forgotten."""
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 160))


def test_what_is_proved_names_its_test_and_what_is_open_names_none() -> None:
    """A claim without a test is no claim."""
    assert [number for number, state, test in ROWS if (state == "open") is bool(test)] == []


def test_every_test_that_is_named_exists() -> None:
    """A renamed test must not leave a claim behind."""
    missing = []
    for number, _, test in ROWS:
        file, _, name = test.partition("::")
        if file and (not (ROOT / file).is_file() or (name and f"def {name}(" not in (ROOT / file).read_text())):
            missing.append((number, test))

    assert missing == []
