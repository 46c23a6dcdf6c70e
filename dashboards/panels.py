"""Pages as configuration: what `dashboard_config.json` may say. Pure.

A page is made of sections, a section of panels, and each panel shows one query. In conditions `$service` and
`$host` stand for what the page is about.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from telemetry.errors import ConfigurationError, Fault
from telemetry.schema import Registry
from telemetry.series import Function

Unit = Literal["percent", "bytes", "bytes_per_second", "ms", "s", "days", "per_second", "count", "share"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Query(_Part):
    """Which series, and how a window becomes one value."""

    measurement: str = Field(description="A measurement of the schema.")
    fields: tuple[str, ...] = Field(min_length=1, description="Fields of it, in the order in which they are drawn.")
    where: tuple[str, ...] = Field(
        default=(), description="Conditions tag:value, tag!:value, tag~:regex or tag|:one|other; all must hold."
    )
    fn: Function = Field(default=Function.MEAN, description="How the samples of one window become one value.")


class Thresholds(_Part):
    """From where a value is worth a colour."""

    warning: float
    critical: float


class ServicesPanel(_Part):
    """The grid of all services, worst first."""

    kind: Literal["services"]
    title: str = "Services"


class StatPanel(_Part):
    """One number, now, over a small line of where it was."""

    kind: Literal["stat"]
    title: str
    unit: Unit = "count"
    query: Query
    combine: Literal["max", "sum", "mean"] = Field(default="max", description="Several series become one number so.")
    thresholds: Thresholds | None = None
    link: str | None = Field(default=None, description="The page that says more, as host.")


class ChartPanel(_Part):
    """Series over time."""

    kind: Literal["chart"]
    title: str
    unit: Unit = "count"
    query: Query
    stacked: bool = False
    maximum: float | None = Field(default=None, description="The top of the axis, where it has one.")
    label: tuple[str, ...] = Field(default=("field",), description="What names a series: tags, or the word field.")
    repeat: str | None = Field(default=None, description="A tag: one chart for each of its values.")
    optional: bool = Field(default=False, description="Not shown where all is zero, or there is nothing.")


class BarsPanel(_Part):
    """The newest value of each series as a bar up to 100 percent, with details beside it."""

    kind: Literal["bars"]
    title: str
    query: Query
    label: str = Field(description="The tag that names a bar.")
    used: str = Field(description="The field with the amount used, in bytes.")
    total: str = Field(description="The field with the whole, in bytes.")
    thresholds: Thresholds | None = None


class ProbesPanel(_Part):
    """Per probe: its state now, how it was over the range, and its last attempts."""

    kind: Literal["probes"]
    title: str = "Probes"
    attempts: int = Field(default=20, ge=1, le=200, description="How many attempts are listed.")


class FactsPanel(_Part):
    """How OpsWatch itself stands."""

    kind: Literal["facts"]
    title: str = "OpsWatch itself"


class QuarantinePanel(_Part):
    """What stores refused: how much, and the newest of it with reasons."""

    kind: Literal["quarantine"]
    title: str = "Quarantine"
    items: int = Field(default=10, ge=1, le=100, description="How many items are listed.")


Panel = Annotated[
    ServicesPanel | StatPanel | ChartPanel | BarsPanel | ProbesPanel | FactsPanel | QuarantinePanel,
    Field(discriminator="kind"),
]


class Section(_Part):
    title: str = ""
    panels: tuple[Panel, ...] = Field(min_length=1)


class Dashboard(_Part):
    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,60}$")
    title: str
    range: str = Field(default="1h", pattern=r"^[0-9]+(m|h|d)$", description="How far back it looks at first.")
    sections: tuple[Section, ...] = Field(min_length=1)


class DashboardConfig(_Part):
    """The whole file."""

    version: Literal[1]
    dashboards: tuple[Dashboard, ...]

    def dashboard(self, name: str) -> Dashboard | None:
        """The page of this name, or None."""
        return next((one for one in self.dashboards if one.name == name), None)


REQUIRED = ("overview", "host", "service", "status")


def parse_config(text: str, source: str, registry: Registry) -> DashboardConfig:
    """Read and check the file. Raises ConfigurationError with every fault."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        line, column = getattr(error, "lineno", None), getattr(error, "colno", None)
        message = getattr(error, "msg", "too deeply nested")
        raise ConfigurationError([Fault(f"this is not JSON: {message}", source, line=line, column=column)]) from error
    try:
        config = DashboardConfig.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError([_fault(one, source) for one in error.errors()]) from error
    faults = [*_missing(config, source), *_unknown_names(config, source, registry)]
    if faults:
        raise ConfigurationError(faults)
    return config


def _missing(config: DashboardConfig, source: str) -> Iterator[Fault]:
    names = [one.name for one in config.dashboards]
    for name in REQUIRED:
        if name not in names:
            yield Fault(f"the page {name!r} is missing: OpsWatch shows it", source, "dashboards")
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Fault(f"there are several pages named {name!r}", source, "dashboards")


def _unknown_names(config: DashboardConfig, source: str, registry: Registry) -> Iterator[Fault]:
    for place, query in _queries(config):
        measurement = registry.get(query.measurement)
        if measurement is None:
            hint = _near(query.measurement, registry.names())
            yield Fault(f"there is no measurement {query.measurement!r}", source, f"{place}.measurement", hint=hint)
            continue
        known = [field.name for field in measurement.fields]
        for field in query.fields:
            if field not in known:
                message = f"{query.measurement} has no field {field!r}"
                yield Fault(message, source, f"{place}.fields", hint=_near(field, known))
        for condition in query.where:
            tag = condition.partition(":")[0].rstrip("!~")
            if ":" not in condition or tag not in measurement.tags:
                message = f"{query.measurement} has no tag {tag!r}, in {condition!r}"
                yield Fault(message, source, f"{place}.where", hint=_near(tag, measurement.tags))


def _queries(config: DashboardConfig) -> Iterator[tuple[str, Query]]:
    for page, dashboard in enumerate(config.dashboards):
        for part, section in enumerate(dashboard.sections):
            for number, panel in enumerate(section.panels):
                if isinstance(panel, StatPanel | ChartPanel | BarsPanel):
                    yield f"dashboards[{page}].sections[{part}].panels[{number}].query", panel.query


def _near(word: str, known: Any) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def _fault(error: Any, source: str) -> Fault:
    path = ""
    for part in error["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return Fault(str(error["msg"]), source, path)
