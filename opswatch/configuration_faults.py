"""What pydantic refuses, said for people: with the place in the file, the value and the near miss. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from opswatch.configuration import Configuration
from opswatch.configuration_urls import is_of_telling, without_urls
from opswatch.configuration_values import BadValue, near_miss, quoted
from opswatch.yaml_document import Document, Path
from telemetry.errors import Fault

M = TypeVar("M", bound=BaseModel)

# Keys of interface.md that a later version brings: not a near miss of anything.
LATER_KEYS = {
    "Configuration": {
        "logs", "connectivity",
    },
    "HttpProbe": {"address", "server_name", "query", "record", "resolver", "send", "period", "grace"},
    "Expectations": {"answers_contain", "message_contains"},
}  # fmt: skip
LATER_VALUES = {"tcp", "tls", "dns", "websocket", "heartbeat"}
LATER = "not available in this version yet"

# No message and no excerpt shows what stands below these.
SECRET_KEYS = frozenset({"headers", "body", "basic_auth", "password"})

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_<][A-Za-z0-9_<-]{0,60}", re.ASCII)


def validated(document: Document, source: str) -> tuple[Configuration | None, list[Fault]]:
    """The file as a model, or None and everything that is wrong with it."""
    return validated_as(Configuration, document, source, "begin with `services:`")


def validated_as(root: type[M], document: Document, source: str, beginning: str) -> tuple[M | None, list[Fault]]:
    """As `validated`, for a file of another kind; `beginning` says how one begins."""
    value = {} if document.value is None else document.value
    if not isinstance(value, dict):
        place = fault_at(document, source, (), "the file must hold a mapping of keys", beginning)
        return None, [place]
    try:
        return root.model_validate(value), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, list(_faults(root, document, source, details))


def fault_at(
    document: Document, source: str, path: Path, message: str, hint: str = "", *, at_key: bool = False
) -> Fault:
    """A fault at a value (or its key), or at the nearest thing above it that has a place in the file."""
    places = (document.keys, document.spans) if at_key else (document.spans, document.keys)
    if is_of_telling(written(path[:1])):
        message, hint = without_urls(message), without_urls(hint)
    for length in range(len(path), -1, -1):
        for place in places:
            if path[:length] in place:
                span = place[path[:length]]
                return Fault(message, source, written(path), span.line + 1, span.column + 1, hint)
    return Fault(message, source, written(path), hint=hint)


def written(path: Path) -> str:
    """`services[0].probes[1].interval`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _PLAIN_KEY.fullmatch(part) else repr(part[:60]))
    return text


def model_at(path: Path, root: type[BaseModel] = Configuration) -> type[BaseModel] | None:
    """The model whose keys stand at this place, if a model does."""
    model: type[BaseModel] | None = root
    for part in path:
        if isinstance(part, int) or model is None:
            continue
        fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        model = _model_in(fields.get(part))
    return model


def known_keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def is_secret(path: Path) -> bool:
    """Whether what stands there may be a secret: by its key, or because nobody knows the key."""
    return _is_secret(tuple(part for part in path if isinstance(part, str)))


@lru_cache(maxsize=10_000)
def _is_secret(keys: tuple[str, ...]) -> bool:
    if keys[:1] in {("receivers",), ("dead_mans_switch",)} and "url" in keys[1:]:
        return True
    for length, key in enumerate(keys):
        model = model_at(keys[:length])
        if key in SECRET_KEYS or (model is not None and key not in known_keys(model)):
            return True
    return False


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {tuple, UnionType}:
        for inner in get_args(annotation):
            if inner not in {NoneType, Ellipsis} and (found := _model_in(inner)) is not None:
                return found
    return None


def _faults(root: type[BaseModel], document: Document, source: str, details: Iterable[ErrorDetails]) -> Iterable[Fault]:
    details = list(details)
    later = {tuple(one["loc"]) for one in details if _is_later_value(document, one)}
    for one in details:
        path = tuple(one["loc"])
        # Of a probe whose kind is not known yet, nothing else can be judged.
        if any("probes" in kind and path[: len(kind) - 1] == kind[:-1] and path != kind for kind in later):
            continue
        if path in later:
            value = quoted(_value_at(document.value, path))
            yield fault_at(document, source, path, f"{value} is {LATER}")
        else:
            yield _fault(root, document, source, one)


def _is_later_value(document: Document, one: ErrorDetails) -> bool:
    value = _value_at(document.value, tuple(one["loc"]))
    return one["type"] == "literal_error" and isinstance(value, str) and value in LATER_VALUES


def _fault(root: type[BaseModel], document: Document, source: str, one: ErrorDetails) -> Fault:
    kind, context, path = one["type"], one.get("ctx", {}), tuple(one["loc"])
    if kind == "extra_forbidden":
        return _unknown_key(root, document, source, path)
    if kind == "missing":
        message = f"`{path[-1]}` is missing"
        return fault_at(document, source, path, message)
    error = context.get("error")
    if isinstance(error, BadValue):
        return fault_at(document, source, (*path, *error.at), str(error), error.hint)
    message, hint = _words(kind, context, _shown(root, document, path))
    return fault_at(document, source, path, message or one["msg"], hint)


def _unknown_key(root: type[BaseModel], document: Document, source: str, path: Path) -> Fault:
    *above, key = path
    model = model_at(tuple(above), root) or root
    if key in LATER_KEYS.get(model.__name__, ()):
        return fault_at(document, source, path, f"`{key}` is {LATER}", "remove it", at_key=True)
    message = f"unknown key {quoted(key)}"
    known = known_keys(model)
    hint = near_miss(str(key), known)
    if not hint and len(known) <= 12:
        hint = f"known here: {', '.join(known)}"
    return fault_at(document, source, path, message, hint, at_key=True)


def _words(kind: str, context: dict[str, Any], value: str) -> tuple[str, str]:
    """Message and hint for what pydantic itself refuses."""
    bounds = {
        "greater_than_equal": ("ge", "at least"),
        "less_than_equal": ("le", "at most"),
        "greater_than": ("gt", "more than"),
        "less_than": ("lt", "less than"),
    }
    if kind in bounds:
        name, words = bounds[kind]
        return f"{value} must be {words} {context.get(name)}", ""
    if kind == "too_long":
        return f"at most {context.get('max_length')} items can stand here", ""
    if kind in {"literal_error", "enum"}:
        return f"{value} cannot stand here", f"write {context.get('expected')}"
    types = {
        "model_type": ("a mapping", "write key: value"),
        "dict_type": ("a mapping", "write key: value"),
        "tuple_type": ("a list", "write [..., ...], or lines that begin with `- `"),
        "bool_type": ("true or false", "write true or false, without quotes"),
        "int_type": ("a whole number", ""),
        "float_type": ("a number", ""),
        "float_parsing": ("a number", ""),
        "finite_number": ("a finite number", ""),
        "string_type": ("text", "put it in quotes"),
        "string_too_short": ("text that is not empty", ""),
        "string_pattern_mismatch": ("text without `:` and control characters", ""),
    }
    if kind in types:
        expected, hint = types[kind]
        return f"{value} stands where {expected} is expected", hint
    return "", ""


def _shown(root: type[BaseModel], document: Document, path: Path) -> str:
    if root is Configuration and is_secret(path):
        return "the value"
    value = _value_at(document.value, path)
    text = document.texts.get(path)
    is_scalar = isinstance(value, int | float) and not isinstance(value, bool)
    return quoted(value) if text is None or not is_scalar else text[:60]


def _value_at(value: Any, path: Path) -> Any:
    for part in path:
        try:
            value = value[part]
        except (LookupError, TypeError):
            return None
    return value
