"""Answer series queries from InfluxDB: the same questions, and the same answers, as from the embedded store. Shell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import timedelta

from influx.annotated_csv import GarbledAnswer, Rows
from influx.answers import Asked, Question, answer_of
from influx.asking import FluxAsker, Take
from influx.connection import InfluxConnection
from influx.slices import slices
from influx.values import ValuesAnswer
from telemetry.errors import QueryTimedOut
from telemetry.ports import DEFAULT_DEADLINE
from telemetry.rollup import RAW
from telemetry.schema import MeasurementClass, Registry
from telemetry.series import SeriesQuery, SeriesResult, SeriesSamples, ValuesQuery
from telemetry.times import format_duration

KeptSince = Callable[[MeasurementClass], int | None]
