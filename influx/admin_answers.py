"""InfluxDB's answers to who administrates it: read with a model, or turned into the right that is missing. Pure."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, ValidationError

from influx import advice
from influx.http_answers import Answer
from telemetry.errors import ServerError

M = TypeVar("M", bound=BaseModel)
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]  # it becomes a part of a path
JSON = {"Content-Type": "application/json"}
_DENIED = re.compile(r"(read|write):(?:orgs/[0-9a-f]{16})?/?(\w+)(?:/([0-9a-f]{16}))? is unauthorized")
# Of tasks, stacks and templates it says this much; the words before the colon say what was tried.
_RIGHTS = (
    (re.compile(r"failed to (create|update|delete) task: unauthorized$"), ("write", "tasks of the organisation")),
    (re.compile(r"failed to find (runs|tasks?): unauthorized$"), ("read", "tasks of the organisation")),
    (re.compile(r"not authorized to \w+ stack"), ("write", "stacks, which is that to write the organisation")),
)


def was_made(answer: Answer, what: str) -> bool:
    """False when one of its name is there already. Raises ServerError."""
    if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY and _code(answer) == "conflict":
        return False
    if answer.status != HTTPStatus.CREATED:
        raise refused(answer, what)
    return True


def read_answer(model: type[M], answer: Answer, what: str) -> M:
    """What it says, or ServerError; an answer may hold a token, so nothing of it is quoted."""
    if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
        raise refused(answer, what)
    try:
        return model.model_validate_json(answer.body)
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False, include_input=False)
        place = ".".join(map(str, first["loc"])) or "the whole of it"
        raise ServerError(
            f"InfluxDB was asked to {what}, and its answer cannot be read: {place}: {first['msg']}"
        ) from None


def refused(answer: Answer, what: str) -> ServerError:
    """What a refusal means, with the right that is missing where one is."""
    message = message_of(answer)
    if denied := _DENIED.search(message):
        action, resource, identifier = denied.groups()
        which = f"{resource} {identifier}" if identifier else f"{resource} of the organisation"
        return ServerError(f"InfluxDB does not {what}: {lacks(action, which)}")
    for pattern, right in _RIGHTS:
        if pattern.match(message):
            return ServerError(f"InfluxDB does not {what}: {lacks(*right)}")
    if answer.status == HTTPStatus.UNAUTHORIZED and answer.is_json:
        words = "the token to provision with is wrong, was deleted, or is missing: name another by --admin-token-file"
        return ServerError(f"InfluxDB does not {what}, as it does not know the token ({words})")
    if not answer.is_json:
        return ServerError(f"{what}: {advice.no_influxdb(f'{answer.status} {answer.text}')}")
    return ServerError(f"InfluxDB does not {what}: {answer.status} {message or answer.text}")


def lacks_a_right(answer: Answer) -> bool:
    """Whether it says that the token lacks a right, with whatever status: trying again would not help."""
    message = message_of(answer)
    return bool(_DENIED.search(message)) or any(pattern.match(message) for pattern, _ in _RIGHTS)


def lacks(action: str, resource: str) -> str:
    """That the token may not do something, and what to do about it."""
    return (
        f"the token to provision with lacks the right to {action} {resource}"
        " (one that has all: `influx auth create --all-access`, or the owner's)"
    )


def _field(answer: Answer, name: str) -> str:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return ""
    value = body.get(name) if isinstance(body, dict) else None
    return value[:300] if isinstance(value, str) else ""


def message_of(answer: Answer) -> str:
    """Its `message`, on one line; empty where it has none."""
    return " ".join(_field(answer, "message").split())


def _code(answer: Answer) -> str:
    return _field(answer, "code")
