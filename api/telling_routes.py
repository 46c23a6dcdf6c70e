"""The routes of deliveries, explanations and receivers, a part of the one table in `routes`. Shell."""

from __future__ import annotations

from api import deliveries, links
from api.route_table import Parameter, Permission, Route
from api.telling_models import DeliveriesAnswer, DeliveryAnswer, ExplanationAnswer, ReceiversAnswer

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
    Route("GET", "/act/{token}", links.show_link, Permission.PUBLIC, "What a link of a message would do", is_page=True),
    Route("POST", "/act/{token}", links.use_link, Permission.PUBLIC, "Do what a link says", is_page=True),
)
