"""The calls of InfluxDB's API by which a stack of dashboards, variables and labels is ours. Shell.

Methods raise as those of `Administration`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from influx.admin_answers import JSON, Id, M, lacks_a_right, read_answer, refused
from influx.blueprint import Stack
from influx.connection import InfluxConnection
from influx.stack_changes import Cell, Part, SeenStack, parts_of, renamed
from influx.strangers import Strangers
from telemetry.errors import OpsWatchError, ServerError

_KINDS = {"Dashboard", "Variable", "Label"}
DESCRIPTION = "Made by `opswatch provision`, which puts back whatever is changed here: copy a dashboard to change it."


class _Resource(BaseModel):
    resourceID: Id  # noqa: N815 (InfluxDB's name)
    kind: str
    templateMetaName: str  # noqa: N815


class _Stack(BaseModel):
    id: Id
    name: str = ""
    description: str = ""
    createdAt: str = ""  # noqa: N815
    resources: list[_Resource] = []


class _Stacks(BaseModel):
    stacks: list[_Stack]


class _Query(BaseModel):
    text: str = ""


class _Properties(BaseModel):
    queries: list[_Query] | None = None


class _Cell(BaseModel):
    name: str = ""
    x: int = 0
    y: int = 0
    w: int = 0
    h: int = 0
    properties: _Properties = _Properties()


class _Dashboard(BaseModel):
    name: str
    cells: list[_Cell] = []


class _Values(BaseModel):
    query: str = ""


class _Arguments(BaseModel):
    values: _Values | dict[str, str] | list[str] = _Values()


class _Variable(BaseModel):
    name: str
    arguments: _Arguments = _Arguments()


class _Label(BaseModel):
    name: str


class _OneLabel(BaseModel):
    label: _Label


class StackAdministration:
    """Asks in the name of the connection's token."""

    def __init__(self, connection: InfluxConnection) -> None:
        self._connection = connection

    async def stacks(self, org: str, name: str) -> tuple[SeenStack, ...]:
        """Those of this name that were made here, in the organisation of this id, with what is in their cells.

        Raises ServerError if one holds what no stack of ours does, for removing it would remove that too.
        """
        answer = await self._connection.listing("/api/v2/stacks", {"orgID": org, "name": name})
        listed = read_answer(_Stacks, answer, f"show the stack {name}").stacks
        return tuple([await self._seen(one) for one in listed if (one.name, one.description) == (name, DESCRIPTION)])

    async def apply(self, org: str, stack: Stack, before: SeenStack | None) -> OpsWatchError | None:
        """Make everything in the stack what it should be, of which `before` is there; None makes the stack.

        What is returned is why it failed in the middle: two that apply at once see each other's halves, for which
        InfluxDB has no lock and answers 500.
        """
        # Not of `before`: another apply may have made them since.
        ours = [part.id for one in await self.stacks(org, stack.name) for part in one.parts.values()]
        await Strangers(self._connection).refuse(org, stack.objects, ours)
        for part, name in renamed(parts_of(stack.objects), {} if before is None else before.parts):
            await self._rename(part, name)
        identifier = None if before is None else before.id
        if identifier is None:
            body: dict[str, Any] = {"orgID": org, "name": stack.name, "description": DESCRIPTION}
            answer = await self._connection.ask("POST", "/api/v2/stacks", None, json.dumps(body).encode(), JSON)
            identifier = read_answer(_Stack, answer, f"make the stack {stack.name}").id
        template = {"contentType": "json", "contents": list(stack.objects)}
        body = {"orgID": org, "stackID": identifier, "template": template}
        content = json.dumps(body).encode()
        answer = await self._connection.ask("POST", "/api/v2/templates/apply", None, content, JSON)
        if answer.status in {HTTPStatus.OK, HTTPStatus.CREATED}:
            return None
        error = refused(answer, f"apply the dashboards of the stack {stack.name}")
        if answer.status != HTTPStatus.INTERNAL_SERVER_ERROR or lacks_a_right(answer):
            raise error
        return error

    async def _rename(self, part: Part, name: str) -> None:
        place, what = f"/api/v2/{part.kind.lower()}s/{part.id}", f"rename the {part.kind.lower()} {part.name}"
        answer = await self._connection.ask("PATCH", place, None, json.dumps({"name": name}).encode(), JSON)
        if answer.status != HTTPStatus.OK:
            raise refused(answer, what)

    async def remove(self, org: str, stack: SeenStack) -> None:
        """Remove the stack with all that is in it; that it is gone already is as good."""
        answer = await self._connection.ask("DELETE", f"/api/v2/stacks/{stack.id}", {"orgID": org})
        if answer.status not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND}:
            raise refused(answer, f"remove the stack {stack.id}")

    async def _seen(self, stack: _Stack) -> SeenStack:
        parts: dict[str, Part] = {}
        for one in stack.resources:
            if one.kind not in _KINDS:
                raise ServerError(
                    f"the stack {stack.name} ({stack.id}) holds the {one.kind} {one.templateMetaName}"
                    f" ({one.resourceID}), which opswatch did not put there and which goes with the stack:"
                    f" give the stack another name (`influx stacks update --stack-id {stack.id} --stack-name NAME`)"
                )
            if (part := await self._part(one)) is not None:
                parts[one.templateMetaName] = part
        return SeenStack(stack.id, stack.createdAt, parts)

    async def _part(self, resource: _Resource) -> Part | None:
        """What is there now; None where somebody has deleted it."""
        kind, identifier = resource.kind, resource.resourceID
        if kind == "Dashboard":
            dashboard = await self._get(_Dashboard, f"dashboards/{identifier}", {"include": "properties"})
            if dashboard is None:
                return None
            return Part(kind, dashboard.name, frozenset(map(_cell, dashboard.cells)), id=identifier)
        if kind == "Variable":
            variable = await self._get(_Variable, f"variables/{identifier}")
            return None if variable is None else Part(kind, variable.name, query=_asked(variable), id=identifier)
        label = await self._get(_OneLabel, f"labels/{identifier}")
        return None if label is None else Part(kind, label.label.name, id=identifier)

    async def _get(self, model: type[M], path: str, parameters: Mapping[str, str] | None = None) -> M | None:
        answer = await self._connection.listing(f"/api/v2/{path}", parameters or {})
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        return read_answer(model, answer, f"show {path}")


def _asked(variable: _Variable) -> str:
    values = variable.arguments.values
    return values.query.strip() if isinstance(values, _Values) else ""


def _cell(cell: _Cell) -> Cell:
    queries = tuple(one.text.strip() for one in cell.properties.queries or ())
    return Cell(cell.name, (cell.x, cell.y, cell.w, cell.h), queries)
