"""An answer is encoded once for all who ask the same, and its bytes are let go with it."""

import asyncio

from api.answer_bodies import AnswerBodies
from telemetry.series import Latest, Series, SeriesQuery, SeriesResult, SeriesSamples


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Encoder:
    def __init__(self, length: int = 1) -> None:
        self.called = 0
        self.length = length

    def __call__(self, result: SeriesResult) -> bytes:
        self.called += 1
        return result.level.encode() * self.length


def answer(level: str = "raw", size: int = 1) -> SeriesResult:
    samples = SeriesSamples(Series("cpu", (), "usage_active"), range(size), range(size))
    return SeriesResult(SeriesQuery("cpu", (), 0, 10, Latest()), level, (samples,))


async def test_one_answer_is_encoded_once_for_all_who_wait() -> None:
    """Also a large one, which takes a thread."""
    encoder = Encoder()
    bodies = AnswerBodies(encoder, Seconds())
    small, large = answer(), answer("1h", 150_000)

    assert await asyncio.gather(*(bodies.of(one) for one in (small, large, large, small))) == [
        b"raw",
        b"1h",
        b"1h",
        b"raw",
    ]
    assert encoder.called == 2


async def test_two_answers_of_the_same_question_have_bodies_of_their_own() -> None:
    """It goes by the very object, not by what was asked."""
    bodies = AnswerBodies(Encoder(), Seconds())

    assert (await bodies.of(answer("raw")), await bodies.of(answer("5m"))) == (b"raw", b"5m")


async def test_bytes_are_let_go_after_a_second() -> None:
    """Nothing is held for an answer that nobody gives any more."""
    encoder, clock = Encoder(), Seconds()
    bodies, one = AnswerBodies(encoder, clock), answer()
    await bodies.of(one)
    clock.now = 1.1
    await bodies.of(one)

    assert encoder.called == 2


async def test_a_client_that_leaves_takes_nobodys_answer_along() -> None:
    """Its neighbour gets the body that both waited for."""
    encoder = Encoder()
    bodies, one = AnswerBodies(encoder, Seconds()), answer(size=150_000)
    leaving, staying = asyncio.create_task(bodies.of(one)), asyncio.create_task(bodies.of(one))
    await asyncio.sleep(0)
    leaving.cancel()

    assert await staying == b"raw"
    assert encoder.called == 1


async def test_memory_is_bounded() -> None:
    """Past a hundred million bytes the oldest go."""
    encoder = Encoder(length=20_000_000)
    bodies, answers = AnswerBodies(encoder, Seconds()), [answer() for _ in range(4)]
    for one in answers:
        await bodies.of(one)
    await bodies.of(answers[-1])
    await bodies.of(answers[0])

    assert encoder.called == 5
