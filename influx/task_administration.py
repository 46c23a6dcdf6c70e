"""The calls of InfluxDB's API by which its tasks are ours. Shell.

Methods raise as those of `Administration`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

from pydantic import BaseModel

from influx.admin_answers import JSON, Id, lacks, read_answer, refused
from influx.blueprint import Task
from influx.connection import InfluxConnection
from influx.task_changes import SeenTask
from telemetry.errors import ServerError

_MOST = "500"  # tasks in a list
_LINE = 300  # characters of a message


class _Task(BaseModel):
    id: Id
    name: str
    flux: str
    description: str = ""
    status: str = ""
    createdAt: str = ""  # noqa: N815 (InfluxDB's name)
    lastRunStatus: str = ""  # noqa: N815
    lastRunError: str = ""  # noqa: N815


class _Made(BaseModel):
    id: Id


class _Tasks(BaseModel):
    tasks: list[_Task]


class _Line(BaseModel):
    message: str = ""


class _Run(BaseModel):
    log: list[_Line] = []


class _Runs(BaseModel):
    runs: list[_Run] = []


class TaskAdministration:
    """Asks in the name of the connection's token."""

    def __init__(self, connection: InfluxConnection) -> None:
        self._connection = connection

    async def tasks(self, org: str, names: Sequence[str]) -> tuple[SeenTask, ...]:
        """Those of these names in the organisation of this id that the token may see, whoever made them."""
        found = []
        for name in names:
            answer = await self._connection.listing("/api/v2/tasks", {"orgID": org, "name": name, "limit": _MOST})
            for one in read_answer(_Tasks, answer, f"show the task {name}").tasks:
                if one.name == name:
                    failure = await self._failure(one) if one.lastRunStatus == "failed" else ""
                    is_active = one.status == "active"
                    found.append(
                        SeenTask(one.id, one.name, one.description, one.flux, is_active, failure, one.createdAt)
                    )
        return tuple(found)

    async def make(self, org: str, task: Task) -> None:
        """Make it in the organisation of this id; it is the token's owner whose rights it runs with.

        One that the token may not read afterwards would be made again by every run: it is deleted, and ServerError says
        which right is missing.
        """
        body = {"orgID": org, "flux": task.flux, "description": task.description, "status": "active"}
        answer = await self._connection.ask("POST", "/api/v2/tasks", None, json.dumps(body).encode(), JSON)
        if answer.status != HTTPStatus.CREATED:
            raise refused(answer, f"make the task {task.name}")
        made = read_answer(_Made, answer, f"make the task {task.name}")
        answer = await self._connection.listing(f"/api/v2/tasks/{made.id}", {})
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
            await self._delete(made.id, task.name)
            raise ServerError(
                f"the task {task.name} was made, and cannot be seen: {lacks('read', 'tasks of the organisation')}"
            )

    async def alter(self, identifier: str, task: Task) -> None:
        """Give the task of this id its text, and have it run."""
        # Of `every` and `offset` the text says all; given apart, InfluxDB writes the text anew, and wrongly at that.
        body = json.dumps({"flux": task.flux, "status": "active"}).encode()
        answer = await self._connection.ask("PATCH", f"/api/v2/tasks/{identifier}", None, body, JSON)
        if answer.status != HTTPStatus.OK:
            raise refused(answer, f"change the task {task.name}")

    async def delete(self, task: SeenTask) -> None:
        """Delete it; that it is gone already is as good."""
        await self._delete(task.id, task.name)

    async def _delete(self, identifier: str, name: str) -> None:
        answer = await self._connection.ask("DELETE", f"/api/v2/tasks/{identifier}")
        if answer.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND}:
            raise refused(answer, f"delete the task {name} with the id {identifier}")

    async def _failure(self, task: _Task) -> str:
        """Why the last run failed: in the task there is often only that it did, so its log is asked."""
        answer = await self._connection.listing(f"/api/v2/tasks/{task.id}/runs", {"limit": "1"})
        if answer.status != HTTPStatus.OK:
            return task.lastRunError or "InfluxDB does not say why"
        runs = read_answer(_Runs, answer, f"show the runs of the task {task.name}").runs
        # The first line of a log quotes the whole text, in which the word may stand as well.
        said = [line.message for run in runs for line in run.log if not line.message.startswith("Started task")]
        wanted = [one for one in said if "error" in one.lower()] or [task.lastRunError, *said[-1:]]
        return " ".join(next(filter(None, wanted), "InfluxDB does not say why").split())[:_LINE]
