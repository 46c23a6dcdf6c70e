"""What a person reads of a task that is not as it should be."""

import pytest

from influx.blueprint import Task
from influx.task_changes import AlterTask, SeenTask

TEXT = "one\n|> two(a: 1)\nthree"


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (TEXT.replace("1", "2"), "was edited, first in line 2: '|> two(a: 2)' instead of '|> two(a: 1)'"),
        (TEXT.replace("|> ", "|>  "), "was edited, first in the spaces of line 2: '|> two(a: 1)'"),
        (TEXT + "\n\n", "was edited, in its line ends"),
        (TEXT + "\nfour", "was edited, first in line 4: 'four' instead of ''"),
    ],
)
def test_where_a_task_was_edited_is_named(there: str, words: str) -> None:
    """Also where the two look the same."""
    change = AlterTask(SeenTask("1", "opswatch_5m", "ours", there), Task("opswatch_5m", "ours", TEXT))
    assert change.words == words
