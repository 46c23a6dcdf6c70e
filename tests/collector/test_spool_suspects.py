"""A batch is blamed only where others went well in between."""

from collector.spool_suspects import Suspects


def failures_until_blamed(suspects: Suspects, batch: int, *, others_go_well: bool) -> int:
    for count in range(1, 100):
        if suspects.note_failure(batch):
            return count
        if others_go_well:
            suspects.note_success(0)
    return 100


def test_an_outage_blames_nobody() -> None:
    """When nothing goes well, no failure counts against a batch."""
    suspects = Suspects()

    assert failures_until_blamed(suspects, 1, others_go_well=False) == 100
    assert suspects.apart == []


def test_who_fails_alone_is_blamed_after_ten_chances() -> None:
    """Ten failures with successes of others between them are no accident."""
    suspects = Suspects()

    assert failures_until_blamed(suspects, 1, others_go_well=True) == 11
    assert suspects.apart == [1]


def test_the_parts_of_a_suspect_have_less_to_prove() -> None:
    """A half fails a few times more, not ten."""
    suspects = Suspects()
    failures_until_blamed(suspects, 1, others_go_well=True)

    assert suspects.note_split(1, [2, 3])
    suspects.note_success(2)
    assert failures_until_blamed(suspects, 3, others_go_well=True) == 3


def test_a_batch_that_goes_well_in_the_end_is_cleared() -> None:
    """Success forgets every suspicion, and a batch that never failed is split without one."""
    suspects = Suspects()
    suspects.note_failure(1)
    suspects.note_success(1)

    assert suspects.apart == []
    assert not suspects.note_split(1, [2, 3])


def test_suspects_take_turns() -> None:
    """The one that failed longest ago is tried first, so that two bad batches do not hide a good one."""
    suspects = Suspects()
    for batch in (1, 2, 1, 2):
        suspects.note_failure(batch)
        suspects.note_success(0)
    suspects.note_failure(1)

    assert suspects.apart == [2, 1]


def test_only_so_many_are_remembered() -> None:
    """Memory is bounded also when everything fails."""
    suspects = Suspects()
    for batch in range(10_000):
        suspects.note_failure(batch)

    assert len(suspects._failures) <= 1_000
