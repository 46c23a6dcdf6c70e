"""All routes of OpsWatch, in one table: path, handler, permission, words. Shell."""

from __future__ import annotations

from alerting.ledger import Action
from api import (
    alert_pages,
    alerts,
    backup,
    export,
    health,
    incidents,
    openapi,
    pages,
    quarantine,
    reports,
    series,
    services,
    sessions,
    static,
    stream,
    tokens,
    write,
)
from api.alert_models import (
    ActionRequest,
    AlertsAnswer,
    IncidentAnswer,
    IncidentDetailAnswer,
    IncidentsAnswer,
    ReloadAnswer,
    RulesAnswer,
)
from api.models import (
    Liveness,
    NewTokenAnswer,
    QuarantineAnswer,
    QuarantinedItemAnswer,
    Readiness,
    ReplayAnswer,
    ReplayRequest,
    SchemaAnswer,
    SeriesAnswer,
    ServiceAnswer,
    ServicesAnswer,
    SystemHealthAnswer,
    TokenRequest,
    TokensAnswer,
)
from api.mute_routes import MUTE_ROUTES
from api.query_parameters import PARAMETERS
from api.report_models import ReportAnswer
from api.route_table import Parameter, Permission, Route
from api.telling_routes import TELLING_ROUTES
from dashboards.reports.period import DEFAULT_PRESET, PRESETS

API_VERSION = "1"
_PUBLIC, _VIEWER = Permission.PUBLIC, Permission.VIEWER
_OPERATOR, _ADMIN = Permission.OPERATOR, Permission.ADMIN
_NAME = Parameter("name", "The service's name", required=True, place="path")
_TOKEN = Parameter("name", "The token's name", required=True, place="path")
_VALUES = Parameter("values", "Instead of series, which values there are: tag:NAME, field or measurement")
_PRECISION = Parameter("precision", "of the timestamps: ns (the default), us, ms, s")
_BUCKET = Parameter("bucket", "accepted, and means nothing here")
_ORG = Parameter("org", "accepted, and means nothing here")
_ITEM = Parameter("id", "The item's id", required=True, place="path")
_ITEMS = (
    Parameter("limit", "how many; 100 when not given, at most 1,000"),
    Parameter("cursor", "next_cursor of the page before"),
    Parameter("source", "only what this refused: push, spool or store"),
    Parameter("measurement", "only points of this measurement"),
)
_WITH_KEYS = Parameter("with_keys", "true: the private keys of keys/ too; false when not given")
_SHAPE = Parameter("shape", "long (the default): a row per value; wide: a column per field")

_INCIDENT = Parameter("id", "The incident's number", required=True, place="path")
_INCIDENTS = (
    Parameter("status", "open or resolved; both when not given"),
    Parameter("severity", "warning or critical: the worst that an incident had"),
    Parameter("rule", "only of this rule"),
    Parameter("service", "only of this service"),
    Parameter("start", "only those that were open at start or later; RFC 3339, unix seconds, or relative as -7d"),
    Parameter("stop", "only those that opened before; as start"),
)
_INCIDENT_PAGES = (
    Parameter("limit", "how many; 100 when not given, at most 1,000"),
    Parameter("cursor", "next_cursor of the page before"),
)
_AROUND = (Parameter("start", "as for /api/v1/series"), Parameter("stop", "as start, not included"))
_DRY_RUN = Parameter("dry_run", "true: only say what would start, stop and change")

_PERIOD = (
    Parameter("start", "RFC 3339, unix seconds, relative as -7d, or a date, which is its midnight in the time zone"),
    Parameter("stop", "as start, not included; now when not given"),
    Parameter("period", f"instead of start and stop: {', '.join(PRESETS)} ({DEFAULT_PRESET} when nothing is given)"),
)
_REPORT = Parameter("name", "trend or availability; with .json, .csv or .html behind it", required=True, place="path")
_REPORT_PAGE = Parameter("name", "trend or availability", required=True, place="path")

ROUTE_TABLE: tuple[Route, ...] = (
    Route("GET", "/health", health.show_liveness, _PUBLIC, "Whether the process answers", Liveness),
    Route("GET", "/ready", health.show_readiness, _PUBLIC, "Whether it can do its work; 503 with reasons", Readiness),
    Route("GET", "/metrics", health.show_metrics, _VIEWER, "OpsWatch's own metrics for Prometheus", media="text/plain"),
    Route("GET", "/openapi.json", openapi.show_openapi, _VIEWER, "This document"),
    Route("GET", "/api/v1/health", health.show_system_health, _VIEWER, "How everything stands", SystemHealthAnswer),
    Route("GET", "/api/v1/services", services.list_services, _VIEWER, "Every service and its probes", ServicesAnswer),
    Route("GET", "/api/v1/services/{name}", services.show_service, _VIEWER, "One service", ServiceAnswer, (_NAME,)),
    Route("GET", "/api/v1/schema", series.show_schema, _VIEWER, "Measurements, tags and fields", SchemaAnswer),
    Route(
        "GET",
        "/api/v1/series",
        series.show_series,
        _VIEWER,
        "Series, raw or in windows",
        SeriesAnswer,
        (*PARAMETERS, _VALUES),
    ),
    Route(
        "GET",
        "/api/v1/export.csv",
        export.export_csv,
        _VIEWER,
        "Series as CSV",
        None,
        (*PARAMETERS, _SHAPE),
        "text/csv",
    ),
    Route(
        "GET",
        "/api/v1/reports/{name}",
        reports.show_report,
        _VIEWER,
        "A period against the one before it: JSON, or as the suffix says",
        ReportAnswer,
        (_REPORT, *_PERIOD),
    ),
    Route(
        "GET",
        "/api/v1/export.parquet",
        export.export_parquet,
        _VIEWER,
        "Samples as Parquet",
        None,
        (*PARAMETERS, _SHAPE),
        "application/vnd.apache.parquet",
    ),
    Route(
        "GET",
        "/api/v1/stream",
        stream.stream,
        _VIEWER,
        "Server-sent events: snapshot, update, heartbeat",
        media="text/event-stream",
    ),
    Route(
        "POST",
        "/api/v2/write",
        write.write_points,
        _OPERATOR,
        "InfluxDB's write call: line protocol in, 204 once it is acknowledged",
        None,
        (_PRECISION, _BUCKET, _ORG),
        status=204,
    ),
    Route(
        "GET",
        "/api/v1/alerts",
        alerts.list_alerts,
        _VIEWER,
        "Everything that is not as it should be, the worst first",
        AlertsAnswer,
        (Parameter("status", "pending, firing, recovering or unknown", repeatable=True),),
    ),
    Route(
        "GET",
        "/api/v1/incidents",
        incidents.list_incidents,
        _VIEWER,
        "Incidents, the newest first",
        IncidentsAnswer,
        (*_INCIDENTS, *_INCIDENT_PAGES),
    ),
    Route(
        "GET",
        "/api/v1/incidents.csv",
        incidents.export_incidents,
        _VIEWER,
        "Incidents as CSV",
        None,
        _INCIDENTS,
        "text/csv",
    ),
    Route(
        "GET",
        "/api/v1/incidents/{id}",
        incidents.show_incident,
        _VIEWER,
        "One incident, with everything that happened",
        IncidentDetailAnswer,
        (_INCIDENT,),
    ),
    *(
        Route(
            "POST",
            f"/api/v1/incidents/{{id}}/{action.value}",
            incidents.acting(action),
            _OPERATOR,
            words,
            IncidentAnswer,
            (_INCIDENT,),
            body=ActionRequest,
        )
        for action, words in (
            (Action.ACKNOWLEDGE, "Acknowledge an incident: somebody looks after it"),
            (Action.SNOOZE, "Hear nothing of an incident until a time"),
            (Action.NOTE, "Write a note into its timeline, also when it is over"),
            (Action.ASSIGN, "Say who looks after it; empty: nobody"),
            (Action.CLOSE, "End it, whatever its values are; if they breach, another one begins"),
        )
    ),
    Route(
        "GET",
        "/api/v1/incidents/{id}/evaluations",
        incidents.show_evaluations,
        _VIEWER,
        "What its rule read, at each evaluation, from the samples that are stored",
        SeriesAnswer,
        (_INCIDENT, *_AROUND),
    ),
    *MUTE_ROUTES,
    *TELLING_ROUTES,
    Route("GET", "/api/v1/rules", alerts.list_rules, _VIEWER, "The rules in force, and what they find", RulesAnswer),
    Route(
        "POST",
        "/api/v1/rules/reload",
        alerts.reload_rules,
        _ADMIN,
        "Read the rules anew, as a whole or not at all; 422 with every fault",
        ReloadAnswer,
        (_DRY_RUN,),
    ),
    Route("GET", "/ping", write.answer_ping, _VIEWER, "204, for InfluxDB's clients", None, status=204),
    Route(
        "GET",
        "/api/v1/quarantine",
        quarantine.list_items,
        _VIEWER,
        "What stores refused, with reasons, the newest first",
        QuarantineAnswer,
        _ITEMS,
    ),
    Route(
        "GET",
        "/api/v1/quarantine/{id}",
        quarantine.show_item,
        _VIEWER,
        "One refused item, whole",
        QuarantinedItemAnswer,
        (_ITEM,),
    ),
    Route(
        "POST",
        "/api/v1/quarantine/{id}/replay",
        quarantine.replay_item,
        _OPERATOR,
        "Give an item to the store again: 200 once it is stored, 422 when it is refused again",
        ReplayAnswer,
        (_ITEM,),
    ),
    Route(
        "POST",
        "/api/v1/quarantine/replay",
        quarantine.replay_items,
        _OPERATOR,
        "Give many items to the store again, a page at a time",
        ReplayAnswer,
        body=ReplayRequest,
    ),
    Route(
        "DELETE",
        "/api/v1/quarantine/{id}",
        quarantine.discard_item,
        _OPERATOR,
        "Take an item out of quarantine for good",
        None,
        (_ITEM,),
        status=204,
    ),
    Route(
        "POST",
        "/api/v1/backup",
        backup.make_backup,
        _ADMIN,
        "Everything that is kept, as of now: a tar file whose last member is its manifest",
        None,
        (_WITH_KEYS,),
        "application/x-tar",
    ),
    Route("GET", "/api/v1/tokens", tokens.list_tokens, _ADMIN, "All API tokens, never their values", TokensAnswer),
    Route(
        "POST",
        "/api/v1/tokens",
        tokens.create_token,
        _ADMIN,
        "Make an API token; the answer is the only place where it is ever shown",
        NewTokenAnswer,
        status=201,
        body=TokenRequest,
    ),
    Route(
        "DELETE",
        "/api/v1/tokens/{name}",
        tokens.revoke_token,
        _ADMIN,
        "Revoke an API token, and the sessions opened with it",
        None,
        (_TOKEN,),
        status=204,
    ),
    Route("GET", "/", pages.show_overview, _VIEWER, "The overview", is_page=True),
    Route(
        "GET",
        "/alerts",
        alert_pages.show_alerts,
        _VIEWER,
        "What fires, and what fired",
        None,
        (*_INCIDENTS, _INCIDENT_PAGES[1]),
        is_page=True,
    ),
    Route(
        "GET",
        "/incidents/{id}",
        alert_pages.show_incident,
        _VIEWER,
        "One incident",
        None,
        (_INCIDENT, *_AROUND),
        is_page=True,
    ),
    *(
        Route(
            "POST",
            f"/incidents/{{id}}/{action.value}",
            alert_pages.acting(action),
            _OPERATOR,
            "What somebody does, on the page",
            None,
            (_INCIDENT,),
            is_page=True,
            status=303,
        )
        for action in Action
    ),
    Route("GET", "/host", pages.show_host, _VIEWER, "This host", is_page=True),
    Route("GET", "/services/{name}", pages.show_service, _VIEWER, "One service", None, (_NAME,), is_page=True),
    Route("GET", "/reports", reports.show_reports, _VIEWER, "All reports", is_page=True),
    Route(
        "GET",
        "/reports/{name}",
        reports.show_report_page,
        _VIEWER,
        "A report, to be read and printed",
        None,
        (_REPORT_PAGE, *_PERIOD),
        is_page=True,
    ),
    Route("GET", "/status", pages.show_status, _VIEWER, "OpsWatch itself", is_page=True),
    Route("GET", "/setup", sessions.show_setup, _PUBLIC, "Become the owner", is_page=True),
    Route("POST", "/setup", sessions.claim_ownership, _PUBLIC, "Become the owner", is_page=True, status=303),
    Route("GET", "/login", sessions.show_login, _PUBLIC, "Log in", is_page=True),
    Route("POST", "/login", sessions.log_in, _PUBLIC, "Log in", is_page=True, status=303),
    Route("POST", "/logout", sessions.log_out, _VIEWER, "Log out", is_page=True, status=303),
    Route("GET", "/static/{path}", static.show_asset, _PUBLIC, "Scripts, styles, images"),
)
