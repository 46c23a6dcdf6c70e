"""Views to HTML: the templates, their filters and what every page has around it. Shell."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from dashboards.alert_views import AlertsView, IncidentView
from dashboards.assets import address, asset
from dashboards.link_view import LinkPage
from dashboards.reports.period import PRESETS as PERIODS
from dashboards.reports.views import ReportView
from dashboards.time_range import PRESETS
from dashboards.units import format_ago
from dashboards.views import PageView

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True, slots=True)
class PageFrame:
    """What stands around every page. `base` is the base path; `user` who is logged in, or empty."""

    base: str
    zone: ZoneInfo
    now: datetime
    user: str
    refresh_seconds: float
    version: str
    critical: int = 0  # incidents that are open
    warning: int = 0


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
        self._environment.filters["json_list"] = _json_list
        self._environment.globals["asset"] = address
        self._environment.globals["presets"] = PRESETS

    def page(self, view: PageView, frame: PageFrame) -> str:
        """A page of panels."""
        return self._environment.get_template("dashboard.html").render(page=view, frame=frame)

    def alerts(self, view: AlertsView, frame: PageFrame) -> str:
        """What fires, and what fired."""
        return self._environment.get_template("alerts.html").render(page=view, frame=frame)

    def incident(self, view: IncidentView, frame: PageFrame) -> str:
        """One incident."""
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

    def of_view(self, template: str, view: object, frame: PageFrame) -> str:
        """A page that one template makes of one view."""
        return self._environment.get_template(template).render(page=view, frame=frame)

    def link(self, frame: PageFrame, view: LinkPage) -> str:
        """The page behind a link in a message."""
        return self._environment.get_template("act.html").render(frame=frame, view=view)

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


def _json_list(views: Sequence[DataclassInstance]) -> str:
    """Views for a script, in an attribute that is escaped as any other."""
    return json.dumps([asdict(view) for view in views], separators=(",", ":"))


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
