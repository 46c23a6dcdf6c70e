"""What a client sends in a body, read with a cap and without trust. Shell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, get_args
from urllib.parse import parse_qsl

from aiohttp import ClientPayloadError, web
from pydantic import BaseModel, ValidationError

from telemetry.errors import InvalidRequest

M = TypeVar("M", bound=BaseModel)

_FORM = "application/x-www-form-urlencoded"
_MAX_FORM_FIELDS = 20


async def read_form(request: web.Request) -> Mapping[str, str]:
    """The fields of a posted form. Raises InvalidRequest, HTTPRequestEntityTooLarge.

    Not `request.post()`: that takes the client's word for the charset, and writes parts to temporary files.
    """
    if request.can_read_body and request.content_type not in {_FORM, "application/octet-stream"}:
        raise InvalidRequest(f"a form is sent as {_FORM}, not as {request.content_type[:60]}", field="Content-Type")
    try:
        text = (await _read(request)).decode("utf-8")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FORM_FIELDS))
    except ValueError as error:
        raise InvalidRequest(f"the form has more than {_MAX_FORM_FIELDS} fields, or is not UTF-8") from error


async def read_json(request: web.Request, model: type[M]) -> M:
    """The body as `model`. Raises InvalidRequest naming the field, HTTPRequestEntityTooLarge."""
    try:
        return model.model_validate_json(await _read(request))
    except ValidationError as error:
        raise refusal_of(error, model) from error


def refusal_of(error: ValidationError, model: type[BaseModel]) -> InvalidRequest:
    """The first fault in words, with what the field is by its description where its form is wrong."""
    first = error.errors(include_url=False, include_input=False)[0]
    field, words = ".".join(str(part) for part in first["loc"]), first["msg"]
    if not field:
        return InvalidRequest(f"the body is not as it should be: {words}")
    if first["type"] == "missing":
        return InvalidRequest(f"{field} is missing", field=field)
    if first["type"] == "string_pattern_mismatch" and (description := _description(model, first["loc"])):
        return InvalidRequest(f"{field} is not as it should be: {description.rstrip('.')}", field=field)
    return InvalidRequest(f"{field}: {words}", field=field)


def _description(model: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """What a field is, where the way to it leads through models alone."""
    found: type[BaseModel] | None = model
    description = ""
    for part in place:
        field = None if found is None else found.model_fields.get(str(part))
        if field is None:
            return ""
        description = field.description or ""
        inner = [one for one in (field.annotation, *get_args(field.annotation)) if isinstance(one, type)]
        found = next((one for one in inner if issubclass(one, BaseModel)), None)
    return description


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()  # at most the application's client_max_size, also after decompression
    except (ClientPayloadError, web.RequestPayloadError) as error:
        raise InvalidRequest("the body ends too early, or its encoding is broken") from error
