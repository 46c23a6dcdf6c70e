"""What messages say: whatever stands in names, labels and summaries, they are short, harmless and agree."""

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.message_html import MOST_HTML
from alerting.message_text import COLUMNS, MOST_SHORT, MOST_SUBJECT
from alerting.messages import PICTURE, html_of, json_of, short_of, subject_of, text_of
from alerting.outbox import Notice, NoticeKind, Occasion
from alerting.rules import Severity
from tests.alerting.notices import OPENED, OVER, digest, notice, told

ANYTHING = st.text(st.characters(), max_size=400)
NUMBERS = st.none() | st.floats()
ADDRESSES = ANYTHING | st.builds("https://ops.example/{}".format, ANYTHING)


@st.composite
def notices(draw: st.DrawFn) -> Notice:
    """Whatever a notice can hold, hostile in every text."""
    items = [
        told(
            occasion=draw(st.sampled_from(Occasion)),
            severity=draw(st.sampled_from(Severity)),
            rule=draw(ANYTHING),
            service=draw(ANYTHING),
            summary=draw(ANYTHING),
            labels=((draw(ANYTHING), draw(ANYTHING)),),
            value=draw(NUMBERS),
            unit=draw(ANYTHING),
            runbook=draw(ADDRESSES),
            page=draw(ADDRESSES),
            acknowledged_by=draw(ANYTHING),
            **draw(st.sampled_from([{}, {"is_open": False, "resolved": OPENED + timedelta(hours=30)}])),
        )
        for _ in range(draw(st.integers(0, 3)))
    ]
    return notice(
        *items,
        id=draw(ANYTHING),
        kind=draw(st.sampled_from(NoticeKind)),
        host=draw(ANYTHING),
        receiver=draw(ANYTHING),
        note=draw(ANYTHING),
        group=((draw(ANYTHING), draw(ANYTHING)),),
        acknowledge=draw(ADDRESSES),
        picture=draw(st.sampled_from([None, b"png"])),
    )


@given(notices())
@settings(deadline=None)
def test_a_subject_is_one_line_that_no_header_breaks_at(one: Notice) -> None:
    """No CR, no LF, no other character without a shape; at most 150 of them."""
    subject = subject_of(one)

    assert subject.isprintable()
    assert 0 < len(subject) <= MOST_SUBJECT


@given(notices())
@settings(deadline=None)
def test_the_text_has_lines_that_every_mail_server_takes(one: Notice) -> None:
    """At most 998 bytes, 78 columns but for addresses, nothing that moves the cursor."""
    lines = text_of(one).split("\n")

    assert all(line.isprintable() and len(line.encode()) <= 998 for line in lines)
    assert [line for line in lines if len(line) > COLUMNS and "http" not in line] == []


class Reader(HTMLParser):
    """Collects the elements of a page, the addresses in them, and its words."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.addresses: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses |= {value or "" for name, value in attrs if name in {"href", "src"}}

    def handle_data(self, data: str) -> None:
        self.words += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


@given(notices())
@settings(deadline=None)
def test_html_holds_nothing_but_what_its_template_holds(one: Notice) -> None:
    """No element, attribute or kind of address comes from a name, a label or a summary; it is whole UTF-8."""
    html = html_of(one)
    page = read(html)

    assert page.elements <= {"html", "head", "meta", "title", "style", "body", "div", "table", "tr", "td", "a", "img",
                             "br", "span"}  # fmt: skip
    assert not [name for name in page.attributes if name.startswith("on")]
    assert all(address.startswith(("https://", "http://")) for address in page.addresses - {f"cid:{PICTURE}"})
    assert len(html.encode()) < MOST_HTML


def test_a_label_is_never_markup() -> None:
    """What looks like an element is shown as it is written."""
    html = html_of(notice(told(labels=(("<b>", '"><img src=x onerror=alert(1)>'),), summary="<script>1</script>")))

    assert "<b>" not in html
    assert "<img" not in html
    assert "<script" not in html
    assert '"><img src=x onerror=alert(1)>' in read(html).words


def test_nothing_is_loaded_from_anywhere() -> None:
    """Whoever opens it tells nobody: the picture is a part of the mail."""
    html = html_of(notice(told(), picture=b"png"))

    assert re.findall(r'src="([^"]*)"', html) == [f"cid:{PICTURE}"]
    assert "url(" not in html
    assert "@import" not in html
    assert "alt=" in html
    assert "cid:" not in html_of(notice(told()))


@given(notices())
@settings(deadline=None)
def test_the_short_form_fits_a_pager(one: Notice) -> None:
    """At most a thousand characters with its title, which is one line."""
    title, body = short_of(one)

    assert title.isprintable() or "\u200b" in title
    assert len(title) + len(body) <= MOST_SHORT


@pytest.mark.parametrize("call", ["@everyone", "@here", "<!channel>", "<@U123>", "<#C1>"])
def test_a_summary_calls_nobody_in_a_chat(call: str) -> None:
    """What chat programs take for a call of everybody is broken up."""
    title, body = short_of(notice(told(summary=f"look {call}"), told(summary=f"and {call}"), note=call))

    assert call not in title + body


@given(notices())
@settings(deadline=None)
def test_json_is_json_for_every_reader(one: Notice) -> None:
    """No infinity, no half of a character; and its names are always the same."""
    body = json_of(one)
    text = json.dumps(body, allow_nan=False, ensure_ascii=False).encode()

    assert json.loads(text) == body
    assert set(body) == set(json_of(digest()))


def test_the_body_of_our_webhooks() -> None:
    """Its names and values are a promise."""
    body = json_of(notice(told(), group=(("rule", "checkout_latency"),)))

    assert {name: body[name] for name in ("version", "kind", "status", "severity", "created", "attempt", "group")} == {
        "version": 1,
        "kind": "alert",
        "status": "firing",
        "severity": "critical",
        "created": "2026-11-24T03:14:07.000Z",
        "attempt": 1,
        "group": {"rule": "checkout_latency"},
    }
    assert body["title"] == "[CRITICAL] checkout: p95 latency above 800 ms"
    assert body["text"].startswith(body["title"])
    assert body["counts"] == {"firing": 1, "resolved": 0, "critical": 1, "warning": 0, "left_out": 0}
    assert body["links"]["acknowledge"] == "https://ops.example/act/ack-link"
    assert body["incidents"] == [
        {
            "id": 4711,
            "occasion": "opened",
            "status": "firing",
            "severity": "critical",
            "level": "critical",
            "flapping": False,
            "rule": "checkout_latency",
            "service": "checkout",
            "summary": "p95 latency above 800 ms",
            "labels": {"host": "web-1", "path": "/pay", "service": "checkout", "severity": "critical"},
            "value": 1240.0,
            "value_text": "1,240 ms",
            "unit": "ms",
            "opened": "2026-11-24T03:12:07.000Z",
            "resolved": None,
            "acknowledged_by": "",
            "runbook": "https://wiki.example/checkout",
            "links": {"page": "https://ops.example/incidents/4711"},
        }
    ]


@pytest.mark.parametrize(
    ("one", "subject"),
    [
        (notice(told()), "[CRITICAL] checkout: p95 latency above 800 ms"),
        (notice(told(severity=Severity.WARNING)), "[WARNING] checkout: p95 latency above 800 ms"),
        (notice(told(**OVER)), "[RESOLVED] checkout: p95 latency above 800 ms"),
        (notice(told(summary="Checkout is down")), "[CRITICAL] Checkout is down"),
        (notice(told(), told(**OVER)), "[1 critical, 1 resolved] checkout: p95 latency above 800 ms (and 1 more)"),
        (digest(), "[14 critical, 9,976 warning, 10 resolved] shop-0: disk is 99 % full (and 9,999 more)"),
        (notice(kind=NoticeKind.TEST), "[TEST] OpsWatch on ops-1 reaches ops-mail"),
        (notice(kind=NoticeKind.OWN, note="hook refuses\nmore"), "[OPSWATCH] hook refuses"),
        (notice(told(summary="a\r\nBcc: x@example.com")), "[CRITICAL] checkout: a Bcc: x@example.com"),
        (notice(told(summary="a\u202eb\x00")), "[CRITICAL] checkout: a\\u202eb\\u0000"),
    ],
)
def test_subjects(one: Notice, subject: str) -> None:
    """How bad, what, and how many others."""
    assert subject_of(one) == subject


def test_the_whole_text() -> None:
    """What, what to do, where, since when, by which value; the id last."""
    assert text_of(notice(told(), told(number=4712, service="cart", severity=Severity.WARNING), note="A note.")) == (
        "[1 critical, 1 warning] checkout: p95 latency above 800 ms (and 1 more)\n"
        "\n"
        "A note.\n"
        "\n"
        "Acknowledge: https://ops.example/act/ack-link\n"
        "Snooze: https://ops.example/act/snooze-link\n"
        "Open: https://ops.example/alerts\n"
        "\n"
        "Service:      checkout\n"
        "Value:        1,240 ms\n"
        "Since:        Tue 24 Nov 2026, 03:12:07 UTC (for 2 m)\n"
        "Where:        host web-1, path /pay\n"
        "Rule:         checkout_latency\n"
        "Incident:     #4711\n"
        "Runbook:      https://wiki.example/checkout\n"
        "\n"
        "Also:\n"
        "  warning   cart: p95 latency above 800 ms #4712\n"
        "\n"
        "-- \n"
        "OpsWatch on ops-1, for ops-mail\n"
        "Made Tue 24 Nov 2026, 03:14:07 UTC\n"
        "Message msg_01KB3XW9G0\n"
    )


def test_a_resolved_message_says_from_when_to_when() -> None:
    """On one day the day stands once; times are those of the zone they carry, here over the end of summer time."""
    zone = ZoneInfo("Europe/Berlin")
    began = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    ended = began + timedelta(hours=2)
    text = text_of(notice(told(**OVER | {"opened": began.astimezone(zone), "resolved": ended.astimezone(zone)})))

    assert "From:         Sun 25 Oct 2026, 01:30:00 CEST to 02:30:00 CET (2 h)" in text


@pytest.mark.parametrize("occasion", [Occasion.ESCALATED, Occasion.REMINDER, Occasion.BACK, Occasion.RAISED])
def test_it_says_why_it_comes_now(occasion: Occasion) -> None:
    """In text, HTML and chat alike; never of what is over."""
    one = notice(told(occasion=occasion))
    plain = text_of(notice(told()))
    (why,) = [line for line in text_of(one).split("\n") if line and line not in plain.split("\n")]

    assert why in read(html_of(one)).words
    assert why in short_of(one)[1]


def test_a_digest_of_ten_thousand_stays_small() -> None:
    """Twenty are listed, the worst first; how many are left out is said."""
    text = text_of(digest())

    assert "and 9,980 more, all of them on the page" in text
    assert text.count("\n  critical") + text.count("\n  warning") == 19
    assert len(html_of(digest()).encode()) < 40_000
    assert json_of(digest())["counts"]["left_out"] == 9_950


def test_two_megabytes_cost_nothing() -> None:
    """What is cut is not looked at before."""
    huge = "x" * 2_000_000
    one = notice(told(summary=huge, service=huge, labels=(("a", huge),), runbook=huge), note=huge, host=huge)
    html_of(one)
    started = perf_counter()
    sizes = [len(made) for made in (subject_of(one), text_of(one), html_of(one), *short_of(one), str(json_of(one)))]

    assert perf_counter() - started < 0.5
    assert max(sizes) < 30_000


def test_only_an_address_is_a_link() -> None:
    """A runbook may be any words; what a browser would run, or a line could not hold, is shown and no link."""
    for runbook in ("javascript:alert(1)", "call Mia", "https://a.example/\r\nX", "https://a.example/" + "x" * 2_000):
        assert read(html_of(notice(told(runbook=runbook)))).addresses == {
            "https://ops.example/act/ack-link",
            "https://ops.example/act/snooze-link",
            "https://ops.example/alerts",
            "https://ops.example/incidents/4711",
        }
