"""Links in messages: what was signed is read again, and nothing else is."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.links import Claim, LinkAct, SigningKey, read, sign
from telemetry.errors import Forbidden, Gone

NOW = datetime(2026, 11, 27, 3, tzinfo=UTC)
KEY = SigningKey("k1", b"0" * 32)
CLAIM = Claim("msg_1", LinkAct.ACKNOWLEDGE, "ops mail: é", NOW + timedelta(hours=24))
TOKEN = sign(KEY, CLAIM)


def test_what_was_signed_is_read_again() -> None:
    """Whoever's name it is in."""
    assert read({"k1": KEY}, TOKEN, NOW) == CLAIM
    assert len(TOKEN) < 200


def test_it_is_good_for_its_time_and_not_a_moment_longer() -> None:
    """A day."""
    assert read({"k1": KEY}, TOKEN, CLAIM.expires - timedelta(microseconds=1)) == CLAIM
    with pytest.raises(Gone, match="good until 2026-11-28 03:00 UTC"):
        read({"k1": KEY}, TOKEN, CLAIM.expires)


@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_any_letter_that_is_another_makes_it_nobodys(place: int, letter: str) -> None:
    """Wherever it stands."""
    changed = TOKEN[:place] + letter + TOKEN[place + 1 :]
    if changed != TOKEN:
        with pytest.raises(Forbidden):
            read({"k1": KEY}, changed, NOW)


@given(st.text(max_size=300))
def test_what_is_no_token_is_refused(text: str) -> None:
    """Without another word than that."""
    with pytest.raises(Forbidden, match="not one of ours"):
        read({"k1": KEY}, text, NOW)


def test_a_key_that_is_not_known_signs_nothing() -> None:
    """Nor one that has the id of ours."""
    with pytest.raises(Forbidden):
        read({}, TOKEN, NOW)
    with pytest.raises(Forbidden):
        read({"k1": SigningKey("k1", b"1" * 32)}, TOKEN, NOW)
