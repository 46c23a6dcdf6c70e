"""What a file of rules may hold, as models: its JSON Schema is made from them. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    WithJsonSchema,
    model_validator,
)

from alerting.template import check
from opswatch.configuration_values import (
    MAX_NAME_LENGTH,
    BadValue,
    Duration,
    Text,
    duration_of,
    labels_of,
    quoted,
    text_of,
)
from telemetry.series import Function, GroupFunction

MAX_RULES = 20_000
MAX_LABELS = 50
_NAME = re.compile(r"[a-z0-9_-]{1,64}", re.ASCII)
_URL = re.compile(r"https?://[^\s<>\"']{1,2000}", re.ASCII)
COMPARISONS = ("above", "at_least", "below", "at_most")
EXPRESSIONS = ("query", "ratio", "change", "forecast")


def _rule_name(value: Any) -> str:
    name = text_of(value, what="a rule's name", length=200)
    if not _NAME.fullmatch(name):
        raise BadValue(f"{quoted(name)} cannot be a rule's name", "write 1 to 64 of a-z, 0-9, _ and -")
    return name


def _named(value: Any) -> str:
    name = text_of(value, what="a name", length=MAX_NAME_LENGTH)
    if not name:
        raise BadValue("the name is empty")
    return name


def _hold(value: Any) -> timedelta:
    duration = duration_of(value)
    if duration > timedelta(days=31):
        raise BadValue(f"{quoted(value)} is too long", "at most 31d")
    return duration


def _template(value: Any) -> str:
    text = text_of(value, what="a template", length=100_000)
    wrong = check(text)
    if wrong is not None:
        raise BadValue(wrong, "write text and {{ tags.host }}, {{ value | unit }}, {% if severity == 'critical' %}")
    return text


def _runbook(value: Any) -> str:
    text = text_of(value, what="a runbook", length=2_048)
    if not _URL.fullmatch(text):
        raise BadValue(f"{quoted(text)} is no address of a runbook", "write https://host/path")
    return text


def _labels(value: Any) -> dict[str, str]:
    labels = labels_of(value)
    if len(labels) > MAX_LABELS:
        raise BadValue(f"there are {len(labels)} labels", f"at most {MAX_LABELS} are taken")
    return labels


RuleName = Annotated[
    str, BeforeValidator(_rule_name), WithJsonSchema({"type": "string", "pattern": "^[a-z0-9_-]{1,64}$"})
]
Named = Annotated[str, BeforeValidator(_named), WithJsonSchema({"type": "string", "minLength": 1})]
Hold = Annotated[timedelta, BeforeValidator(_hold), WithJsonSchema({"type": "string", "examples": ["0s", "5m"]})]
Template = Annotated[str, BeforeValidator(_template), WithJsonSchema({"type": "string", "maxLength": 1_000})]
Runbook = Annotated[str, BeforeValidator(_runbook), WithJsonSchema({"type": "string", "format": "uri"})]
Labels = Annotated[
    dict[str, str],
    BeforeValidator(_labels),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]


Limit = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty_keys(cls, value: Any) -> Any:
        """As in opswatch.yaml, a key with nothing behind it is as good as no key."""
        if not isinstance(value, dict):
            return value
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {key: content for key, content in value.items() if content is not None or key not in known}


class QueryModel(_Model):
    """Which samples, and how those of one tag set become one value."""

    measurement: Named = Field(description="A measurement of `opswatch schema` (GET /api/v1/schema).")
    field: Named = Field(description="A field of it that holds numbers.")
    fn: Function | None = Field(
        default=None, description="How the samples of the window become one value; mean when neither fn nor q is given."
    )
    q: Annotated[float, Field(strict=True, ge=0, le=1)] | None = Field(
        default=None, description="Instead of fn: a quantile, as 0.95."
    )
    window: Duration | None = Field(
        default=None, description="How far back from the evaluation samples are taken; 5m when not given."
    )
    where: tuple[Text, ...] = Field(
        default=(),
        max_length=50,
        description="Conditions tag:value, tag|:one|other, tag~:regex, or with ! not so; all must hold.",
    )
    group_by: tuple[Text, ...] | None = Field(
        default=None, description="One alert for all series that agree in these tags; each series its own without it."
    )
    group_fn: GroupFunction | None = Field(
        default=None, description="How the values of a group become one; what fits fn when not given."
    )
    learned: StrictBool = Field(
        default=False, description="The measurement is one that applications push, and may not be known yet."
    )


class ThresholdModel(_Model):
    """Where trouble begins, by exactly one comparison, and where it is over."""

    above: Limit | None = Field(default=None, description="Trouble is a value greater than this.")
    at_least: Limit | None = Field(default=None, description="Trouble is this value, or a greater one.")
    below: Limit | None = Field(default=None, description="Trouble is a value less than this.")
    at_most: Limit | None = Field(default=None, description="Trouble is this value, or a lesser one.")
    clear: Limit | None = Field(
        default=None, description="Once firing, it is over at this value or a better one; at the limit when not given."
    )

    @model_validator(mode="after")
    def _one_comparison(self) -> ThresholdModel:
        given = [name for name in COMPARISONS if getattr(self, name) is not None]
        if len(given) != 1:
            words = f"{' and '.join(given)} stand together" if given else "a threshold has no limit"
            raise BadValue(words, f"write exactly one of {', '.join(COMPARISONS)}")
        name = given[0]
        limit, clear = getattr(self, name), self.clear
        wrong = clear is not None and (clear > limit if name in {"above", "at_least"} else clear < limit)
        equal = clear is not None and clear == limit and name in {"at_least", "at_most"}
        if wrong or equal:
            side = "less" if name in {"above", "at_least"} else "more"
            words = f"clear {clear:g} is on the wrong side of {name} {limit:g}"
            raise BadValue(words, f"it is {side} than the limit, where the trouble is over", ("clear",))
        return self


class RatioModel(_Model):
    """What share of a whole a part is."""

    part: QueryModel = Field(description="The part, as failed requests.")
    whole: QueryModel = Field(description="The whole, as all requests; grouped as the part is.")
    percent: StrictBool = Field(default=True, description="In per cent; else as a share from 0 to 1.")
    least: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = Field(
        default=0.0, description="Where the whole is less than this there is nothing to judge, and nothing fires."
    )


class ChangeModel(_Model):
    """How a value differs from that of the same time before."""

    query: QueryModel = Field(description="The value, now and then.")
    against: Literal["yesterday", "last_week"] = Field(description="The same window 24 hours or 7 days before.")
    in_: Literal["percent", "difference"] = Field(
        default="percent", alias="as", description="In per cent of the value then, or as the difference."
    )


class ForecastModel(_Model):
    """In how many hours a value reaches a limit, if it goes on as it did."""

    query: QueryModel = Field(description="The value, without window, fn and q: a forecast takes means over its own.")
    reaches: Limit = Field(description="The limit.")
    over: Duration = Field(description="From how much of the past the slope is taken; at least 24 intervals.")


class FlappingModel(_Model):
    """When an alert that opens and closes again and again is one state, told once."""

    transitions: Annotated[StrictInt, Field(ge=2, le=1_000)] = Field(
        description="More openings and closings than this are flapping."
    )
    window: Duration = Field(description="Within this time.")


class RuleModel(_Model):
    """One rule: exactly one of query, ratio, change and forecast, and at least one threshold."""

    name: RuleName = Field(description="Unique; renaming a rule ends its incidents.")
    description: Text = Field(default="", description="What it is about, for people.")
    enabled: StrictBool = Field(default=True, description="false: as if it were not there.")
    query: QueryModel | None = Field(default=None, description="A value of each tag set.")
    ratio: RatioModel | None = Field(default=None, description="A part of a whole.")
    change: ChangeModel | None = Field(default=None, description="Against the same time yesterday or last week.")
    forecast: ForecastModel | None = Field(default=None, description="Hours until a limit is reached.")
    warning: ThresholdModel | None = Field(default=None, description="From where a warning is due.")
    critical: ThresholdModel | None = Field(default=None, description="From where it is critical.")
    for_: Hold = Field(
        default=timedelta(0), alias="for", description="How long it must be beyond the threshold before it fires."
    )
    keep_firing_for: Hold = Field(default=timedelta(0), description="How long it must be clear before it resolves.")
    no_data: Literal["unknown", "alert", "ok"] = Field(
        default="unknown",
        description="What a tag set without a value means: nothing is known, that is the trouble, or that is fine.",
    )
    interval: Duration | None = Field(default=None, description="How often it is looked at; as the file says.")
    flapping: FlappingModel | None = Field(default=None, description="Flap damping; none when not given.")
    labels: Labels = Field(default={}, description="Names and values that its incidents carry.")
    summary: Template = Field(default="", description="One line for people, a template; the description without it.")
    runbook: Runbook | None = Field(default=None, description="Where it says what to do.")
    depends_on: tuple[RuleName, ...] = Field(
        default=(), max_length=50, description="Rules whose alerts on the same tags explain those of this one."
    )


class RulesModel(_Model):
    """A file of rules. What its parts must be to each other is said in `opswatch.rule_checks`."""

    schema_: Text | None = Field(default=None, alias="$schema", description="For editors; opswatch schema rules.")
    version: Literal[1] = Field(default=1, description="Of this format.")
    description: Text = Field(default="", description="For people.")
    interval: Duration = Field(default=timedelta(seconds=15), description="How often rules are looked at.")
    lag: Hold = Field(
        default=timedelta(seconds=5), description="How long samples are given to arrive before they are looked at."
    )
    rules: tuple[RuleModel, ...] = Field(default=(), max_length=MAX_RULES, description="The rules.")


def rules_schema() -> dict[str, Any]:
    """The JSON Schema of a file of rules."""
    schema = RulesModel.model_json_schema(by_alias=True)
    title = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Rules of OpsWatch"}
    return {**title, **schema, **title}
