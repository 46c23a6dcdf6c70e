"""What can still be judged of a file of rules whose form has faults, so that all faults are told at once. Pure."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from opswatch.rule_models import FlappingModel, ForecastModel, QueryModel, RuleModel, RulesModel
from telemetry.series import Function

UNKNOWN = timedelta(0)  # a duration that is not written as one
UNKNOWN_TAGS = ("",)  # by identity: a group_by that is not written as one
# What stands in for a value that cannot be read: whatever brings no fault that is none.
_STAND_INS: dict[tuple[type[BaseModel], str], Any] = {
    (RulesModel, "interval"): UNKNOWN,
    (RuleModel, "name"): "",
    (RuleModel, "interval"): UNKNOWN,
    (QueryModel, "measurement"): "",
    (QueryModel, "field"): "",
    (QueryModel, "fn"): Function.LAST,
    (QueryModel, "group_by"): UNKNOWN_TAGS,
    (QueryModel, "learned"): True,
    (FlappingModel, "transitions"): 0,
    (FlappingModel, "window"): UNKNOWN,
    (ForecastModel, "over"): UNKNOWN,
    (ForecastModel, "reaches"): 0.0,
}


def salvaged(value: Any) -> RulesModel:
    """The file with each value that can be read, and stand-ins for those that cannot; every rule keeps its place."""
    fields = dict(value) if isinstance(value, dict) else {}
    rules = fields.pop("rules", None)
    base: RulesModel = _salvaged(RulesModel, fields)
    some = tuple(_read(RuleModel, one) for one in (rules if isinstance(rules, list) else ()))
    return base.model_copy(update={"rules": some})


def is_unknown_group(query: QueryModel) -> bool:
    """Whether nobody knows how its series are grouped."""
    return query.group_by is UNKNOWN_TAGS


def _read(model: type[BaseModel], raw: Any) -> Any:
    try:
        return model.model_validate(raw)
    except ValidationError:
        return _salvaged(model, raw)


def _salvaged(model: type[BaseModel], raw: Any) -> Any:
    given = raw if isinstance(raw, dict) else {}
    values = {}
    for name, field in model.model_fields.items():
        written = given.get(field.alias or name)
        inner = _model_in(field.annotation)
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        stand_in = _STAND_INS.get((model, name), default)
        if written is None and not field.is_required():  # a key with nothing behind it is no key
            values[name] = default
        elif inner is not None:
            values[name] = _read(inner, written)
        else:
            try:
                values[name] = _adapter(model, name).validate_python(written)
            except ValidationError:
                values[name] = stand_in
    return model.model_construct(**values)


@lru_cache(maxsize=200)
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    annotation: Any = field.annotation
    for one in field.metadata:
        annotation = Annotated[annotation, one]
    return TypeAdapter(annotation)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None
