"""Variables and labels that somebody else made with a name that our dashboards want. Shell.

InfluxDB has one of each name, capitals or not: a template that names it takes it over without a word, and with the
stack it would be deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from influx.admin_answers import Id, read_answer
from influx.connection import InfluxConnection
from telemetry.errors import ServerError


class _Properties(BaseModel):
    description: str = ""


class _Named(BaseModel):
    id: Id
    name: str
    description: str = ""
    properties: _Properties | None = None  # of a label


class _Variables(BaseModel):
    variables: list[_Named]


class _Labels(BaseModel):
    labels: list[_Named]


class Strangers:
    """Asks in the name of the connection's token."""

    def __init__(self, connection: InfluxConnection) -> None:
        self._connection = connection

    async def refuse(self, org: str, objects: Sequence[Mapping[str, Any]], ours: Collection[str]) -> None:
        """Raise ServerError if what `objects` name is there and is nobody's of `ours` (ids), with all that are so.

        What bears our description is the half of an apply in which the server died.
        """
        variables = await self._connection.listing("/api/v2/variables", {"orgID": org})
        labels = await self._connection.listing("/api/v2/labels", {"orgID": org})
        there = {
            "Variable": read_answer(_Variables, variables, "show the variables").variables,
            "Label": read_answer(_Labels, labels, "show the labels").labels,
        }
        if found := list(_strangers(objects, there, ours)):
            raise ServerError(
                f"somebody else has made {' and '.join(found)}, of names that the dashboards of opswatch need:"
                " rename or delete them, choose another storage.influxdb.bucket_prefix,"
                " or do without (storage.influxdb.dashboards: false)"
            )


def _strangers(
    objects: Sequence[Mapping[str, Any]], there: Mapping[str, Sequence[_Named]], ours: Collection[str]
) -> Iterator[str]:
    for wanted in objects:
        spec = wanted["spec"]
        for one in there.get(wanted["kind"], ()):
            told = one.properties.description if one.properties is not None else one.description
            is_half = (one.name, told) == (spec["name"], spec.get("description", ""))
            if one.name.casefold() == spec["name"].casefold() and one.id not in ours and not is_half:
                yield f"the {wanted['kind'].lower()} {one.name} ({one.id})"
