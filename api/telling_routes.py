"""The routes of deliveries, explanations and receivers, a part of the one table in `routes`. Shell."""

from __future__ import annotations

from api import deliveries, links, message_pages, mute_pages
from api.route_table import Parameter, Permission, Route
from api.telling_models import DeliveriesAnswer, DeliveryAnswer, ExplanationAnswer, ReceiversAnswer

_NUMBER = (Parameter("id", "Its number", required=True, place="path"),)
_TOKEN = (Parameter("token", "What stands in the link", required=True, place="path"),)
_VIEWER, _OPERATOR = Permission.VIEWER, Permission.OPERATOR

TELLING_ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/api/v1/incidents/{id}/explain",
        deliveries.explain_incident,
        Permission.VIEWER,
        "Why somebody was, or nobody was, told of an incident, at any moment",
        ExplanationAnswer,
        (
            Parameter("id", "Its number", required=True, place="path"),
            Parameter("at", "As of this moment; now when not given"),
        ),
    ),
    Route(
        "GET",
        "/api/v1/deliveries",
        deliveries.list_deliveries,
        Permission.VIEWER,
        "Messages, the newest first, with every try and its answer",
        DeliveriesAnswer,
        (
            Parameter("receiver", "To this receiver"),
            Parameter("state", "waiting, sending, delivered, dead or combined"),
            Parameter("before", "Older than the message of this id: that of the last one of the page before"),
            Parameter("limit", "How many, up to 500; 100 when not given"),
        ),
    ),
    Route(
        "GET",
        "/api/v1/receivers",
        deliveries.list_receivers,
        Permission.VIEWER,
        "Who can be told, and how each stands",
        ReceiversAnswer,
    ),
    Route(
        "POST",
        "/api/v1/receivers/{name}/test",
        deliveries.test_receiver,
        Permission.OPERATOR,
        "Send a receiver a message that says that it is a test",
        DeliveryAnswer,
        (Parameter("name", "Its name", required=True, place="path"),),
    ),
    Route(
        "GET",
        "/act/{token}",
        links.show_link,
        Permission.PUBLIC,
        "What a link of a message would do",
        None,
        _TOKEN,
        is_page=True,
    ),
    Route("POST", "/act/{token}", links.use_link, Permission.PUBLIC, "Do what a link says", None, _TOKEN, is_page=True),
    *(
        Route(
            method,
            path,
            handler,
            permission,
            summary,
            None,
            _NUMBER if "{id}" in path else (),
            is_page=True,
            status=303 if method == "POST" else 200,
        )
        for method, path, handler, permission, summary in (
            ("GET", "/silences", mute_pages.show_silences, _VIEWER, "Silences"),
            ("POST", "/silences", mute_pages.keep_silence, _OPERATOR, "Make or change a silence"),
            ("POST", "/silences/{id}/end", mute_pages.end_silence_on_page, _OPERATOR, "End a silence"),
            ("GET", "/maintenance", mute_pages.show_maintenance, _VIEWER, "Maintenance"),
            ("POST", "/maintenance", mute_pages.keep_window, _OPERATOR, "Plan or change a window"),
            ("POST", "/maintenance/{id}/end", mute_pages.end_window_on_page, _OPERATOR, "Take a window out"),
            ("GET", "/duty", message_pages.show_duty_page, _VIEWER, "Who is on duty"),
            ("POST", "/duty", message_pages.step_in, _OPERATOR, "Step in"),
            ("POST", "/duty/{id}/end", message_pages.end_stepping_in, _OPERATOR, "End stepping in"),
            ("GET", "/messages", message_pages.show_messages, _VIEWER, "Messages and receivers"),
            ("POST", "/messages/test", message_pages.try_receiver, _OPERATOR, "Try a receiver"),
        )
    ),
)
