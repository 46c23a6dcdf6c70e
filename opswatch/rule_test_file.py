"""Read a file of tests of rules: every fault at once, with its place. Shell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from alerting.machine import Status
from alerting.notation import NotationError, parse_samples, parse_series
from alerting.rule_set import RuleSet
from alerting.rule_test import Expectation, ExpectedAlert, RuleTest
from alerting.rules import Rule, Severity
from opswatch.configuration_faults import fault_at, validated_as
from opswatch.configuration_files import UnusableFile, read_document_bytes
from opswatch.configuration_values import BadValue, Duration, Text, near_miss, quoted, text_of
from opswatch.rule_models import Hold
from opswatch.yaml_document import Document, decode, parse_document
from opswatch.yaml_document import Path as Place
from telemetry.errors import ConfigurationError, Fault
from telemetry.points import canonical_tags
from telemetry.times import duration_nanoseconds, format_duration, parse_instant

MAX_TESTS = 1_000
MAX_INSTANTS = 50_000
MAX_SAMPLES_LENGTH = 1 << 20  # characters, as of the file
START = "2026-01-01T00:00:00Z"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _instant(value: Any) -> int:
    text = text_of(value, what="a time")
    try:
        return parse_instant(text, _EPOCH)
    except ValueError as error:
        raise BadValue(f"{quoted(text)} is not a time", "write RFC 3339, as 2026-01-01T00:00:00Z") from error


Samples = Annotated[
    str,
    BeforeValidator(lambda value: text_of(value, what="it", length=MAX_SAMPLES_LENGTH)),
    WithJsonSchema({"type": "string"}),
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AlertModel(_Model):
    """An alert that is expected not to be inactive."""

    tags: dict[str, Text] = Field(default={}, description="Its tags.")
    status: Literal["pending", "firing", "recovering", "unknown"] = Field(description="Its status.")
    severity: Literal["warning", "critical"] | None = Field(default=None, description="Its severity, if it matters.")


class MomentModel(_Model):
    """What is expected at one instant."""

    at: Hold = Field(description="After the start.")
    alerts: tuple[AlertModel, ...] = Field(description="All alerts of the rule that are not inactive.")


class CaseModel(_Model):
    """One test of one rule."""

    name: Text = Field(description="What it shows.")
    rule: Text = Field(description="The rule's name.")
    series: dict[str, Samples] = Field(description='Samples by series: `measurement{tag="value"} field`: `1x5 9x20`.')
    timeline: tuple[MomentModel, ...] = Field(description="What is expected, and when.")
    interval: Duration = Field(default=timedelta(minutes=1), description="Between two samples.")
    start: Annotated[int, BeforeValidator(_instant)] = Field(
        default=_instant(START), description="When the first sample stands."
    )


class CasesModel(_Model):
    """A file of tests."""

    version: Literal[1] = Field(default=1, description="Of this format.")
    tests: tuple[CaseModel, ...] = Field(max_length=MAX_TESTS, description="The tests.")


def load_tests(file: Path, rules: RuleSet) -> tuple[RuleTest, ...]:
    """The tests of a file, for these rules. Raises ConfigurationError with every fault."""
    source = str(file)
    try:
        text = decode(read_document_bytes(file), source)
    except UnusableFile as error:
        raise ConfigurationError([Fault(str(error), source)]) from error
    if isinstance(text, Fault):
        raise ConfigurationError([text])
    document = parse_document(text, source)
    if document.value is None and document.faults:
        raise ConfigurationError(document.faults)
    model, faults = validated_as(CasesModel, document, source, "begin with `tests:`")
    faults = [*document.faults, *faults]
    tests: list[RuleTest] = []
    if model is not None:
        reader = _Reader(document, source, {rule.name: rule for rule in rules.rules})
        tests = [found for number, one in enumerate(model.tests) if (found := reader.test(number, one)) is not None]
        faults += reader.faults
    if faults:
        raise ConfigurationError(sorted(faults, key=lambda fault: (fault.line or 0, fault.column or 0)))
    return tuple(tests)


class _Reader:
    def __init__(self, document: Document, source: str, rules: dict[str, Rule]) -> None:
        self._document = document
        self._source = source
        self._rules = rules
        self.faults: list[Fault] = []

    def test(self, number: int, model: CaseModel) -> RuleTest | None:
        """The test, or None and its faults."""
        before = len(self.faults)
        path: Place = ("tests", number)
        rule = self._rules.get(model.rule)
        if rule is None:
            hint = near_miss(model.rule, list(self._rules))
            self._fault((*path, "rule"), f"there is no rule {quoted(model.rule)}", hint)
        else:
            self._check_times(path, model, rule)
        series = []
        for name, text in model.series.items():
            try:
                series.append((parse_series(name), parse_samples(text)))
            except NotationError as error:
                self._fault((*path, "series", name), str(error))
        if len(self.faults) > before:
            return None
        interval = duration_nanoseconds(model.interval)
        expectations = tuple(self._expectations(model.timeline))
        return RuleTest(model.name, model.rule, tuple(series), interval, model.start, expectations)

    def _check_times(self, path: Place, model: CaseModel, rule: Rule) -> None:
        if model.start % rule.interval:
            words = f"the start is no multiple of the rule's interval, {_written(rule.interval)}"
            self._fault((*path, "start"), words)
        if not model.timeline:
            self._fault((*path, "timeline"), "the timeline is empty: nothing would be tested")
        seen: set[int] = set()
        for place, moment in enumerate(model.timeline):
            at = duration_nanoseconds(moment.at)
            if at in seen:
                words = f"{format_duration(moment.at)} stands twice"
                self._fault((*path, "timeline", place, "at"), words, "list all alerts of an instant in one place")
            seen.add(at)
            if at % rule.interval:
                words = f"{format_duration(moment.at)} is no multiple of the rule's interval, {_written(rule.interval)}"
                self._fault((*path, "timeline", place, "at"), words, "the rule is looked at then only")
            if at // rule.interval > MAX_INSTANTS:
                words = f"{format_duration(moment.at)} is too long a test: {at // rule.interval:,} evaluations"
                self._fault((*path, "timeline", place, "at"), words, f"at most {MAX_INSTANTS:,} are made")

    def _expectations(self, timeline: Sequence[MomentModel]) -> Iterator[Expectation]:
        for moment in timeline:
            alerts = tuple(
                ExpectedAlert(
                    canonical_tags(one.tags),
                    Status(one.status),
                    Severity[one.severity.upper()] if one.severity else None,
                )
                for one in moment.alerts
            )
            yield Expectation(duration_nanoseconds(moment.at), alerts)

    def _fault(self, path: Place, message: str, hint: str = "") -> None:
        self.faults.append(fault_at(self._document, self._source, path, message, hint))


def _written(nanoseconds: int) -> str:
    return format_duration(timedelta(microseconds=nanoseconds // 1_000))
