"""Every Flux text that can be made is one that InfluxData's own checker takes; values are never in it."""

import json
import random
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from influx.answers import answer_of
from influx.asked import Asked
from influx.flux import Selection, latest_query, samples_query, values_query, windows_query
from influx.parameters import Duration, FluxQuery, Instant, Parameter, Pattern, extern
from influx.predicates import literal
from influx.values import ValuesAnswer
from telemetry.errors import InvalidQuery
from telemetry.measurements import BUILT_IN
from telemetry.schema import EARLIEST, LATEST
from telemetry.series import (
    EVERYTHING,
    AllOf,
    Coverage,
    Equals,
    Exists,
    Function,
    Latest,
    Matches,
    Not,
    OneOf,
    Predicate,
    Quantile,
    Raw,
    SeriesQuery,
    Shape,
    ValuesOf,
    ValuesQuery,
    Window,
)
from tests.algebra_cases import day_of, listed, query_of
from tests.influx.flux_checker import checker

SECOND, HOUR = 10**9, 3_600 * 10**9
START = day_of(0)
HOSTILE = ['"', "\\", "${x}", "$${x}", "a\nb", "ü", "日", '") |> yield() //', "r.host == 1", "a/b", "", "\x00", "%0A"]
NAMES = ["host", "service", *HOSTILE, "_field", "_value", "time", "my tag"]
PATTERNS = ["^a$", "[abc]", "/", "\\d+", "(?i)x", '"', "", "a{2,5}"]


def leaf(chance: random.Random) -> Predicate:
    tag = chance.choice(NAMES)
    kind = chance.randrange(4)
    if kind == 0:
        return Equals(tag, chance.choice(HOSTILE))
    if kind == 1:
        return OneOf(tag, tuple(chance.choices(HOSTILE, k=chance.randint(0, 4))))
    return Exists(tag) if kind == 2 else Matches(tag, chance.choice(PATTERNS))


def predicate(chance: random.Random, depth: int = 4) -> Predicate:
    kind = chance.randrange(3) if depth else 0
    if kind == 0:
        return leaf(chance)
    if kind == 1:
        return Not(predicate(chance, depth - 1))
    return AllOf(tuple(predicate(chance, depth - 1) for _ in range(chance.randint(0, 3))))


def shape(chance: random.Random) -> Shape:
    step, origin = chance.choice([SECOND, 7 * SECOND + 3, HOUR, 5 * HOUR]), chance.choice([0, -5, 11 * SECOND])
    return chance.choice(
        [
            Raw(chance.randint(1, 1_000_000)),
            Latest(),
            Coverage(step, origin),
            Quantile(step, (0.5, 0.99), origin),
            Window(step, tuple(chance.sample(list(Function), chance.randint(1, 9))), origin),
            Window.whole(START, START + HOUR, *Function),
        ]
    )


def queries_of(seed: int) -> list[FluxQuery]:
    """All that is asked for a random query, of values too, and of what a stream needs."""
    chance = random.Random(seed)
    measurement = chance.choice(list(BUILT_IN))
    fields = tuple(chance.sample([field.name for field in measurement.fields], min(2, len(measurement.fields))))
    where = predicate(chance)
    start = chance.choice([START, EARLIEST, -(2**62)])
    query = SeriesQuery(measurement.name, chance.choice([(), fields]), start, start + HOUR, shape(chance), where)
    made = [one.flux for one in answer_of(Asked(query, measurement, 'b"ucket')).questions()]
    of = chance.choice(list(ValuesOf))
    tag = chance.choice(NAMES) or "host"
    values = ValuesQuery(of, start, start + HOUR, "", tag if of is ValuesOf.TAG else "", where)
    made += ValuesAnswer(values, BUILT_IN).questions({"b": ["cpu", "net"], "c": ["alert"]})
    selection = Selection("b", ("net",), fields, START, START + HOUR, where)
    counts = windows_query(selection, range(START, START + HOUR, SECOND), (Function.COUNT,))
    made += [one for one in (counts, latest_query(selection), samples_query(selection, 3)) if one]
    return made


@pytest.mark.timeout(300)
@settings(max_examples=500, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_every_text_is_flux(seed: int) -> None:
    """Random queries of every shape, with hostile tags, values and patterns."""
    for flux in queries_of(seed):
        assert checker().accepts_query(flux), flux.text


@pytest.mark.timeout(300)
def test_the_texts_of_the_cases_are_flux() -> None:
    """Of those that are asked of a real server where there is one."""
    for number, case in enumerate(listed(2_000)[:600]):
        query = query_of(case, day_of(number))
        measurement = BUILT_IN.get(query.measurement)
        assert measurement is not None
        for one in answer_of(Asked(query, measurement, "b")).questions():
            assert checker().accepts_query(one.flux), one.flux.text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("|> last()", "|> lost()"),
        ("range(start: p_start", "range(begin: p_start"),
        ("p_bucket", "p_start"),
        ("and", "und"),
        ('columns: ["_start"', 'columns: [1, "_start"'),
        (")\n", "\n"),
        ("p_field", "p_nobody"),
    ],
)
def test_the_checker_refuses_what_is_broken(old: str, new: str) -> None:
    """An unknown function, argument or name, a wrong type, a missing bracket."""
    flux = latest_query(Selection("b", ("net",), ("bytes_recv",), START, START + HOUR))
    assert flux is not None
    assert checker().accepts_query(flux)
    assert old in flux.text

    assert not checker().accepts_query(replace(flux, text=flux.text.replace(old, new, 1)))


def test_values_are_beside_the_text_and_not_in_it() -> None:
    """Whatever is asked for, texts of one shape are the same; what people gave is a parameter."""
    asked = [
        latest_query(Selection(bucket, (measurement,), (field,), START + number, START + HOUR, Equals("host", value)))
        for number, (bucket, measurement, field, value) in enumerate([("a", "b", "c", "d"), (*HOSTILE[:3], HOSTILE[4])])
    ]

    assert asked[0] is not None
    assert asked[1] is not None
    assert asked[0].text == asked[1].text
    assert set(asked[1].parameters.values()) >= {'"', "%5C", "${x}", "a%0Ab", Instant(START + 1)}


@given(name=st.text(max_size=20))
@example("$${x}")
@example('"])\n')
def test_names_in_the_text_can_end_nothing(name: str) -> None:
    """Every character that is not surely harmless stands as the bytes of its UTF-8, so it reads as itself."""
    written = literal(name)

    assert re.fullmatch(r'"(?:[A-Za-z0-9 _./:@-]|\\x[0-9a-f]{2})*"', written)
    pieces = re.findall(r"\\x(..)|(.)", written[1:-1])
    assert b"".join(bytes.fromhex(code) or plain.encode() for code, plain in pieces) == name.encode("utf-8", "replace")


def text_of(where: Predicate) -> str | None:
    flux = latest_query(Selection("b", ("net",), (), START, START + HOUR, where))
    return None if flux is None else flux.text.replace(" ", "")


@pytest.mark.parametrize(
    ("where", "asked"),
    [
        (Equals("host", "a"), 'r["host"]==p_tag'),
        (Not(Equals("host", "a")), 'r["host"]!=p_tag'),
        (Not(Not(Exists("host"))), 'existsr["host"]'),
        (Not(Exists("host")), 'notexistsr["host"]'),
        (OneOf("host", ("a", "b", "")), '(r["host"]==p_tagorr["host"]==p_tag_1)'),
        (Not(OneOf("host", ("a", "b"))), '(r["host"]!=p_tagandr["host"]!=p_tag_1)'),
        (Matches("host", "^a"), '(existsr["host"]and(r["host"]=~p_patternorr["host"]=~p_encoded))'),
        (Not(Matches("host", "^a")), '(notexistsr["host"]or(r["host"]!~p_patternorr["host"]=~p_encoded))'),
        (Not(AllOf((Exists("host"), Not(Exists("cpu"))))), '(notexistsr["host"]orexistsr["cpu"])'),
    ],
)
def test_predicates_are_made_of_what_the_index_answers(where: Predicate, asked: str) -> None:
    """In negation normal form: nothing but comparisons of a tag with a parameter, joined by and and or."""
    text = text_of(where)

    assert text is not None
    assert f"(r._measurement==p_measurementand{asked})" in text


@pytest.mark.parametrize(
    "where",
    [
        Equals("host", ""),
        OneOf("host", ()),
        OneOf("host", ("",)),
        Not(EVERYTHING),
        Not(Not(Equals("host", ""))),
        AllOf((Exists("host"), Equals("host", ""))),
        Exists("_field"),
        Matches("_value", "x"),
        Equals("time", "x"),
        Not(AllOf((Not(Equals("_measurement", "x")), Not(Equals("host", ""))))),
    ],
)
def test_what_can_hold_for_nothing_is_not_asked(where: Predicate) -> None:
    """An empty tag is no tag, and columns of InfluxDB's own are none either."""
    assert text_of(where) is None


@pytest.mark.parametrize(
    "where", [EVERYTHING, Not(Equals("host", "")), Not(Exists("_field")), Not(OneOf("host", ())), AllOf((EVERYTHING,))]
)
def test_what_holds_for_everything_is_left_out(where: Predicate) -> None:
    """The text is as if nothing had been asked."""
    assert text_of(where) == text_of(EVERYTHING)


def depth_of(text: str) -> int:
    depth = deepest = 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        deepest = max(deepest, depth)
    return deepest


def test_a_long_list_is_not_nested_deeply() -> None:
    """The server refuses some twelve hundred levels; a thousand values make ten."""
    text = text_of(OneOf("host", tuple(map(str, range(1_000)))))

    assert text is not None
    assert depth_of(text) < 20


def test_a_bad_pattern_is_refused_before_it_is_sent() -> None:
    """InfluxDB would answer with a 500."""
    measurement = BUILT_IN.get("net")
    assert measurement is not None
    for where in (Matches("host", "("), Not(AllOf((Matches("host", "(?=x)"),)))):
        with pytest.raises(InvalidQuery, match="not a regular expression"):
            answer_of(Asked(SeriesQuery("net", (), START, START + 1, Latest(), where), measurement, "b"))
        with pytest.raises(InvalidQuery, match="not a regular expression"):
            ValuesAnswer(ValuesQuery(ValuesOf.FIELD, START, START + 1, where=where), BUILT_IN)


def test_texts_are_not_asked_for_windows() -> None:
    """One text among what is to be averaged fails the whole query."""
    measurement = BUILT_IN.get("probe")
    assert measurement is not None
    asked = Asked(SeriesQuery("probe", (), START, START + HOUR, Coverage(HOUR)), measurement, "b")
    (question,) = answer_of(asked).questions()

    assert "message" not in question.flux.parameters.values()
    assert "state" in question.flux.parameters.values()
    only = replace(asked, query=replace(asked.query, fields=("message",)))
    assert answer_of(only).questions() == ()


def test_ranges_are_within_what_influxdb_takes() -> None:
    """Windows reach beyond the times that points can have, and beyond 64 bits."""
    axis = range(-(2**63), 2**63, 2**62)
    flux = windows_query(Selection("b", ("net",), (), 0, 1), axis, (Function.SUM, Function.INCREASE))

    assert flux is not None
    assert {Instant(EARLIEST), Instant(LATEST + 1)} <= set(flux.parameters.values())
    assert samples_query(Selection("b", ("net",), (), LATEST + 1, 2**63)) is None


@pytest.mark.parametrize(
    ("value", "literal_of_it"),
    [
        (True, {"type": "BooleanLiteral", "value": True}),
        (2**53, {"type": "IntegerLiteral", "value": "9007199254740992"}),
        (0.5, {"type": "FloatLiteral", "value": 0.5}),
        ("${x}\n", {"type": "StringLiteral", "value": "${x}\n"}),
        (Instant(-1), {"type": "DateTimeLiteral", "value": "1969-12-31T23:59:59.999999999Z"}),
        (Duration(7), {"type": "DurationLiteral", "values": [{"magnitude": 7, "unit": "ns"}]}),
        (Pattern("a/b"), {"type": "RegexpLiteral", "value": "a/b"}),
    ],
)
def test_parameters_are_literals_of_a_syntax_tree(value: Parameter, literal_of_it: object) -> None:
    """The form that the server takes beside a text."""
    tree = extern({"p_x": value})

    assert tree == {
        "type": "File",
        "imports": [],
        "body": [
            {
                "type": "OptionStatement",
                "assignment": {
                    "type": "VariableAssignment",
                    "id": {"type": "Identifier", "name": "p_x"},
                    "init": literal_of_it,
                },
            }
        ],
    }
    assert json.loads(json.dumps(tree)) == tree


def test_a_values_question_names_only_the_columns_it_needs() -> None:
    """A pattern is decided here, so what it looks at must come too; anything else is left to the server."""
    selection = Selection("b", ("net",), (), START, START + HOUR)
    one, two = values_query(selection, ["host"]), values_query(selection, ["host", "interface"])

    assert one is not None
    assert two is not None
    assert '|> distinct(column: "host")' in one.text
    assert "distinct" not in two.text
