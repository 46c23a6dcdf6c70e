"""Views to HTML: the templates, their filters and what every page has around it. Shell."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from dashboards.alert_views import AlertsView, FiringView, IncidentView
from dashboards.assets import address, asset
from dashboards.reports.period import PRESETS as PERIODS
from dashboards.reports.views import ReportView
from dashboards.time_range import PRESETS
from dashboards.units import format_ago
from dashboards.views import ChartView, PageView


@dataclass(frozen=True, slots=True)
class PageFrame:
    """What stands around every page. `base` is the base path; `user` who is logged in, or empty; `firing`: counts."""

    base: str
    zone: ZoneInfo
    now: datetime
    user: str
    refresh_seconds: float
    version: str
    firing: FiringView = field(default_factory=FiringView)


class Renderer:
    """Renders pages; everything that is put in is escaped."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("dashboards", "templates"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["clock"] = _clock
        self._environment.filters["moment"] = _moment
        self._environment.filters["ago"] = _ago
        self._environment.globals["asset"] = address
        self._environment.globals["presets"] = PRESETS
        self._environment.globals["lines_of"] = _lines_of
        self._environment.globals["marks_of"] = _marks_of

    def page(self, view: PageView, frame: PageFrame) -> str:
        """A page of panels."""
        return self._environment.get_template("dashboard.html").render(page=view, frame=frame)

    def alerts(self, view: AlertsView, frame: PageFrame) -> str:
        """What fires, and what fired."""
        return self._environment.get_template("alerts.html").render(page=view, frame=frame)

    def incident(self, view: IncidentView, frame: PageFrame) -> str:
        """One incident, and what can be done about it."""
        return self._environment.get_template("incident.html").render(page=view, frame=frame)

    def reports(self, frame: PageFrame) -> str:
        """What reports there are."""
        return self._environment.get_template("reports.html").render(frame=frame, periods=PERIODS)

    def report(self, view: ReportView, frame: PageFrame) -> str:
        """A report, for the screen and for paper."""
        return self._environment.get_template("report.html").render(
            report=view, frame=frame, periods=PERIODS, standalone=False
        )

    def standalone_report(self, view: ReportView, frame: PageFrame) -> str:
        """A report as one file, to be kept or sent: its styles in it, no script, nothing that leads elsewhere."""
        return self._environment.get_template("report.html").render(
            report=view, frame=frame, periods=PERIODS, standalone=True, styles=_styles()
        )

    def form(self, template: str, frame: PageFrame, message: str, next_path: str = "/", *, owned: bool = True) -> str:
        """`setup.html` or `login.html`; `message` says what went wrong."""
        return self._environment.get_template(template).render(
            frame=frame, message=message, next_path=next_path, owned=owned
        )

    def error(self, frame: PageFrame, status: int, message: str) -> str:
        """A page that says what is wrong."""
        return self._environment.get_template("error.html").render(frame=frame, status=status, message=message)


def standalone_policy() -> str:
    """The content policy under which a standalone report has its styles, and nothing else."""
    digest = b64encode(sha256(_styles().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"


@lru_cache(maxsize=1)
def _styles() -> str:
    found = asset("opswatch.css")
    assert found is not None
    return found.content.decode()


def _lines_of(chart: ChartView) -> str:
    """The lines of a chart, as an attribute holds them."""
    return json.dumps([{"value": one.value, "label": one.label, "level": one.level} for one in chart.lines])


def _marks_of(chart: ChartView) -> str:
    """The marks of a chart, as an attribute holds them."""
    return json.dumps([one.drawn for one in chart.marks])


def _clock(moment: datetime, zone: ZoneInfo) -> Markup:
    local = moment.astimezone(zone)
    return _time(moment, f"{local:%H:%M:%S}", f"{local:%Y-%m-%d %H:%M:%S %Z}")


def _moment(moment: datetime, zone: ZoneInfo) -> Markup:
    local = moment.astimezone(zone)
    return _time(moment, f"{local:%Y-%m-%d %H:%M:%S}", f"{local:%Z}")


def _ago(moment: datetime, now: datetime) -> Markup:
    elapsed = max(timedelta(0), now - moment)
    return _time(moment, format_ago(elapsed), f"{moment:%Y-%m-%d %H:%M:%S} UTC")


def _time(moment: datetime, text: str, title: str) -> Markup:
    machine = moment.isoformat(timespec="seconds")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(machine, title, text)
