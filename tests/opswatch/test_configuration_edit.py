"""Adding a probe to a file: nothing else in it changes, and nothing wrong is ever written."""

import pytest

from opswatch.configuration_edit import NewProbe, names_for, with_probe
from opswatch.configuration_writer import STARTER
from opswatch.yaml_document import parse_document
from telemetry.errors import Conflict

ADDED = NewProbe("shop", "health", "https://shop.example/health", (("interval", "15s"),))
ITEM = """\
- name: shop
    probes:
      - name: health
        url: "https://shop.example/health"
        interval: 15s
"""
FLOW = '{name: shop, probes: [{name: health, url: "https://shop.example/health", interval: 15s}]}'

TEXTS = {
    "": f"services:\n  {ITEM}",
    "# nothing": f"# nothing\nservices:\n  {ITEM}",
    "host: {}\n\n\n": f"host: {{}}\nservices:\n  {ITEM}",
    "services:\nhost: {}\n": f"services:\n  {ITEM}host: {{}}\n",
    "services: [] # none\nhost: {}\n": f"services: # none\n  {ITEM}host: {{}}\n",
    "services: ~": f"services:\n  {ITEM}",
    "services:\n  - name: a # x\n\n# end\nhost: {}\n": f"services:\n  - name: a # x\n  {ITEM}\n# end\nhost: {{}}\n",
    "services:\n- name: a\n": "services:\n- name: a\n" + ITEM.replace("\n  ", "\n"),
    "services:\n  - name: a\n    probes:\n      - url: http://a\n        body: |\n          hi\n\nhost: 1\n":
    f"services:\n  - name: a\n    probes:\n      - url: http://a\n        body: |\n          hi\n  {ITEM}\nhost: 1\n",
    "services: [{name: a}]\n": f"services: [{{name: a}}, {FLOW}]\n",
    "services: [\n  {name: a}\n]\n": f"services: [\n  {{name: a}}\n, {FLOW}]\n",
    "services:\n  - name: shop\n    labels: {a: b}\n  - name: c\n":
    "services:\n  - name: shop\n    labels: {a: b}\n    probes:\n      - name: health\n"
    '        url: "https://shop.example/health"\n        interval: 15s\n  - name: c\n',
    "services:\n  - name: shop\n    probes:\n    - url: http://b # c\n":
    "services:\n  - name: shop\n    probes:\n    - url: http://b # c\n    - name: health\n"
    '      url: "https://shop.example/health"\n      interval: 15s\n',
    "services:\n  - {name: shop, probes: [{url: http://b}]}\n":
    "services:\n  - {name: shop, probes: [{url: http://b}, "
    '{name: health, url: "https://shop.example/health", interval: 15s}]}\n',
    "services:\r\n  - name: a\r\n": "services:\r\n  - name: a\r\n  " + ITEM.replace("\n", "\r\n"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), TEXTS.items())
def test_a_probe_is_added_and_every_other_character_stays(before: str, after: str) -> None:
    """Comments, blank lines, styles, indentation and line ends are people's own."""
    assert with_probe(before, ADDED) == after


def test_the_starter_takes_one_after_the_other() -> None:
    """From `init`, `add` and `add` come two services."""
    once = with_probe(STARTER, ADDED)
    twice = with_probe(once, NewProbe("b", "http", "http://b"))

    assert [service["name"] for service in parse_document(twice, "").value["services"]] == ["shop", "b"]
    assert twice.startswith(STARTER.removesuffix("services: []\n"))


@pytest.mark.parametrize("text", ["{}", "a: 1\n...\n", "services: [\n]\n", "services: [{name: a},]\n", "x: &b\n"])
def test_what_cannot_be_edited_safely_is_left_to_people(text: str) -> None:
    """Either the result says exactly what was meant, or the lines to add are shown."""
    try:
        result = with_probe(text, ADDED)
    except Conflict as error:
        assert "add this below `services:`\n  - name: shop" in error.message  # noqa: PT017
    else:
        value = parse_document(result, "").value
        assert value["services"][-1]["name"] == "shop"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: [{name: a, probes: [{url: 'https://shop.example/health'}]}]",
         "a/http asks https://shop.example/health already"),
        ("services: [{name: shop, probes: [{name: health, url: 'http://x'}]}]",
         "shop/health is there already and asks http://x; give this one another name with --probe"),
    ],
)  # fmt: skip
def test_a_duplicate_is_refused_by_name_and_by_url(text: str, message: str) -> None:
    """What is there already is named."""
    with pytest.raises(Conflict) as caught:
        with_probe(text, ADDED)

    assert caught.value.message == message


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("https://Shop.Example/", ("shop.example", "http")),
        ("http://checkout:8080/api/health?x=1", ("checkout", "health")),
        ("http://localhost:3000", ("localhost-3000", "http")),
        ("http://[::1]:80/..", ("1-80", "http")),
        ("http://a/he%20alth%0a/", ("a", "he-alth")),
        ("http://bücher.example", ("b-cher.example", "http")),
    ],
)
def test_names_are_taken_from_the_url(url: str, names: tuple[str, str]) -> None:
    """The host names the service, the last part of the path the probe."""
    assert names_for(url) == names
