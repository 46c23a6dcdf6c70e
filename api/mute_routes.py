"""The routes of silences, maintenance and duty, a part of the one table in `routes`. Shell."""

from __future__ import annotations

from api import duty, maintenance, silences
from api.mute_models import (
    DutyAnswer,
    MaintenanceAnswer,
    OverrideAnswer,
    OverrideRequest,
    PreviewAnswer,
    PreviewRequest,
    SilenceAnswer,
    SilenceChange,
    SilenceRequest,
    SilencesAnswer,
    WindowAnswer,
    WindowChange,
    WindowRequest,
)
from api.route_table import Parameter, Permission, Route

_VIEWER, _OPERATOR = Permission.VIEWER, Permission.OPERATOR
_SILENCES, _SILENCE = "/api/v1/silences", "/api/v1/silences/{id}"
_WINDOWS, _WINDOW = "/api/v1/maintenance", "/api/v1/maintenance/{id}"
_OVERRIDES, _OVERRIDE = "/api/v1/duty/overrides", "/api/v1/duty/overrides/{id}"
_ALL = (Parameter("all", "true: those that are over too, the newest first; false when not given"),)
_NUMBER = (Parameter("id", "Its number", required=True, place="path"),)

MUTE_ROUTES: tuple[Route, ...] = (
    Route("GET", _SILENCES, silences.list_silences, _VIEWER, "Silences that are not over", SilencesAnswer, _ALL),
    Route(
        "POST",
        _SILENCES,
        silences.add_silence,
        _OPERATOR,
        "Mute what matches, for a while",
        SilenceAnswer,
        status=201,
        body=SilenceRequest,
    ),
    Route(
        "POST",
        f"{_SILENCES}/preview",
        silences.preview_silence,
        _OPERATOR,
        "Which of the open incidents a silence would mute",
        PreviewAnswer,
        body=PreviewRequest,
    ),
    Route("GET", _SILENCE, silences.show_silence, _VIEWER, "One silence", SilenceAnswer, _NUMBER),
    Route(
        "PUT",
        _SILENCE,
        silences.change_silence,
        _OPERATOR,
        "Change a silence that is not over; 409 when somebody else did meanwhile",
        SilenceAnswer,
        _NUMBER,
        body=SilenceChange,
    ),
    Route("DELETE", _SILENCE, silences.end_silence, _OPERATOR, "End a silence now", None, _NUMBER, status=204),
    Route("GET", _WINDOWS, maintenance.list_maintenance, _VIEWER, "Maintenance windows", MaintenanceAnswer, _ALL),
    Route(
        "POST",
        _WINDOWS,
        maintenance.add_window,
        _OPERATOR,
        "Plan a maintenance window",
        WindowAnswer,
        status=201,
        body=WindowRequest,
    ),
    Route("GET", _WINDOW, maintenance.show_window, _VIEWER, "One window that somebody planned", WindowAnswer, _NUMBER),
    Route(
        "PUT",
        _WINDOW,
        maintenance.change_window,
        _OPERATOR,
        "Change a window that somebody planned; 409 when somebody else did meanwhile",
        WindowAnswer,
        _NUMBER,
        body=WindowChange,
    ),
    Route("DELETE", _WINDOW, maintenance.end_window, _OPERATOR, "Take a window out", None, _NUMBER, status=204),
    Route("GET", "/api/v1/duty", duty.show_duty, _VIEWER, "Who is on duty, and who comes after", DutyAnswer),
    Route(
        "POST",
        _OVERRIDES,
        duty.add_override,
        _OPERATOR,
        "Step in: be on duty for a while, whoever has the week",
        OverrideAnswer,
        status=201,
        body=OverrideRequest,
    ),
    Route("DELETE", _OVERRIDE, duty.end_override, _OPERATOR, "End an override now", None, _NUMBER, status=204),
)
