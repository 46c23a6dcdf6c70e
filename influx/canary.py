"""A point that is written and read back: whether a server that says yes keeps what it is given. Shell."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Mapping
from http import HTTPStatus
from io import StringIO

from influx import advice
from influx.connection import InfluxConnection, short_answer, told
from influx.encoder import Encoder
from influx.http_answers import Answer
from influx.parameters import Parameter, extern
from influx.text import encode_tag
from influx.write_answers import Asked, BadField, BadLines, Closed, Indivisible, Later, Meaning, Taken, TooOld, meaning
from telemetry.clock import Clock
from telemetry.errors import StoreUnavailable
from telemetry.measurements import BUILT_IN, OPSWATCH_CANARY
from telemetry.points import Point
from telemetry.ports import WRITTEN, WriteOutcome, WriteStatus
from telemetry.schema import MeasurementClass
from telemetry.times import from_datetime

_QUERY_SECONDS = 10.0
_READ_BACK = """from(bucket: p_bucket)
    |> range(start: time(v: p_time), stop: time(v: p_stop))
    |> filter(fn: (r) => r._measurement == p_measurement and r.host == p_host and r._field == p_field)
    |> keep(columns: ["_value"])"""


class Canary:
    """Writes as the host of this name."""

    def __init__(self, connection: InfluxConnection, clock: Clock, host: str) -> None:
        self._connection = connection
        self._clock = clock
        self._host = host
        self._encoder = Encoder(BUILT_IN)

    async def check(self) -> WriteOutcome:
        """OK when a point came back; RETRY when that cannot be known now; PAUSE, with the way out, when it did not.

        It goes into the bucket of OpsWatch itself. Where that one is missing or closed to us, that is its own trouble
        and says nothing of the server: then it goes into another of ours, so that one bucket holds up no other.
        """
        first: WriteOutcome | None = None
        for kind in (MeasurementClass.SELF, MeasurementClass.METRICS, MeasurementClass.EVENTS):
            outcome, is_closed = await self._check(self._connection.settings.bucket(kind))
            if not is_closed:
                return outcome
            first = first or outcome
        assert first is not None
        return first

    async def _check(self, bucket: str) -> tuple[WriteOutcome, bool]:
        """Also whether it is this bucket that is closed to us."""
        now = self._clock.now()
        time, number = from_datetime(now), int(now.timestamp() * 1_000)
        try:
            match await self._written(bucket, time, number):
                case Taken():
                    outcome = await self._read_back(bucket, time, number)
                    return outcome, outcome.message == advice.no_read_right(bucket, self._connection.settings.org)
                case Later(reason, wait):
                    return WriteOutcome(WriteStatus.RETRY, reason, wait), False
                case Closed(reason):
                    return WriteOutcome(WriteStatus.PAUSE, reason), True
                case BadField(reason=reason) | TooOld(reason=reason) | Indivisible(reason=reason):
                    said = reason
                case BadLines(reasons):
                    said = "; ".join(reasons.values())
        except StoreUnavailable as error:
            return WriteOutcome(WriteStatus.RETRY, error.message), False
        return WriteOutcome(WriteStatus.PAUSE, f"InfluxDB refuses a point that is a test of it: {said}"), False

    async def is_taken(self, bucket: str, time: int) -> bool:
        """Whether a single point of this time can be written there at the moment."""
        try:
            return not isinstance(await self._written(bucket, time, 1), Later | Closed)
        except StoreUnavailable:
            return False

    async def _written(self, bucket: str, time: int, number: int) -> Meaning:
        point = Point.of(OPSWATCH_CANARY.name, {"host": self._host}, {"number": number}, time)
        lines = self._encoder.encode([point]).lines
        answer = await self._connection.write(bucket, "\n".join(lines).encode("utf-8"), is_gzip=False)
        asked = Asked(bucket, self._connection.settings.org, lines)
        return meaning(answer.status, answer.headers, answer.body, asked, self._clock.now())

    async def _read_back(self, bucket: str, time: int, number: int) -> WriteOutcome:
        values: dict[str, Parameter] = {
            "p_bucket": bucket,
            "p_time": time,
            "p_stop": time + 1,
            "p_measurement": OPSWATCH_CANARY.name,
            "p_host": encode_tag(self._host),
            "p_field": "number",
        }
        answer = await ask_small(self._connection, _READ_BACK, values)
        if trouble := query_trouble(answer, bucket, self._connection.settings.org):
            return trouble
        if any(row[-1:] == [str(number)] for row in csv.reader(StringIO(answer.body.decode("utf-8", "replace")))):
            return WRITTEN
        return WriteOutcome(
            WriteStatus.PAUSE,
            f"InfluxDB at {self._connection.settings.url} says yes to points and does not keep them: one that was just"
            f" written into {bucket} is not there (is it InfluxDB 2, is its disk full, is its clock right?)",
        )


async def ask_small(connection: InfluxConnection, flux: str, values: Mapping[str, Parameter]) -> Answer:
    """A query with few rows, its values bound by name. Raises StoreUnavailable."""
    body = {"query": flux, "type": "flux", "dialect": {"annotations": []}, "extern": extern(values)}
    with told(connection.settings.url):
        async with asyncio.timeout(_QUERY_SECONDS), connection.query(json.dumps(body).encode()) as response:
            return await short_answer(response)


def query_trouble(answer: Answer, bucket: str, org: str) -> WriteOutcome | None:
    """What keeps a query from being answered; None when it was."""
    if answer.status == HTTPStatus.OK and answer.headers.get("content-type", "").startswith("text/csv"):
        # An error in the middle of an answer is a table with this header.
        failed = answer.body.startswith((b",error,reference", b"error,reference")) or b"\n,error,ref" in answer.body
        return WriteOutcome(WriteStatus.RETRY, f"InfluxDB cannot answer: {answer.text}") if failed else None
    if answer.is_json and answer.status == HTTPStatus.UNAUTHORIZED:
        return WriteOutcome(WriteStatus.PAUSE, advice.unknown_token())
    if answer.is_json and answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
        return WriteOutcome(WriteStatus.PAUSE, advice.no_read_right(bucket, org))
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return WriteOutcome(WriteStatus.RETRY, f"InfluxDB answers {answer.status} to a query: {answer.text}")
    if answer.is_json:  # also its full queue is a 400
        return WriteOutcome(WriteStatus.RETRY, f"InfluxDB cannot answer: {answer.text}")
    return WriteOutcome(WriteStatus.PAUSE, advice.no_influxdb(f"{answer.status} {answer.text}"))
