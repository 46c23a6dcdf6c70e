"""The line below a fault: it helps, and it gives nothing away."""

from pathlib import Path

import pytest

from opswatch.configuration_excerpt import excerpts
from opswatch.settings import load_settings
from telemetry.errors import ConfigurationError, Fault


def excerpts_for(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "o.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings({}, file)
    return excerpts(text, caught.value.faults)


def test_the_caret_stands_below_what_is_wrong(tmp_path: Path) -> None:
    """The line as it is written, and a caret below the value."""
    assert excerpts_for(tmp_path, "host: {interval: 10}  # fast\n") == [
        "    host: {interval: 10}  # fast\n                     ^"
    ]


def test_the_caret_follows_when_something_before_it_is_masked(tmp_path: Path) -> None:
    """Masks change the line's length; the caret still points."""
    text = "services: [{name: a, probes: [{url: 'http://a', body: hunter2hunter2, interval: 10}]}]"
    (found,) = excerpts_for(tmp_path, text)

    line, caret = found.split("\n")
    assert line[caret.index("^") :] == "10}]}]"
    assert "hunter2" not in line


LEAKS = [
    "services: [{name: a, probes: [{url: 'http://a', basic_auth: {username: u, passwrod: hunter2}}]}]",
    "services: [{name: a, probes: [{url: 'http://u:hunter2@a'}]}]",
    "services: [{name: a, probes: [{url: 'http://u:hunter2@a', basic_auth: hunter2}]}]",
    "services:\n  - name: a\n    probes:\n      - url: http://a\n        headers: {X: {hunter2: hunter2}}",
    "services:\n  - name: a\n    probes:\n      - url: http://a\n        headers:\n          X: [hunter2]",
    "token: hunter2",
    "smtp: {password: hunter2}",
    "services:\n  - name: a\n    probes:\n      - url: http://a\n        hedaers:\n          X: hunter2",
    # Not YAML at all: nobody can say what is what.
    "services:\n  - name: a\n    probes:\n      - url: http://a\n        headers:\n          X: 'hunter2",
    "services:\n  - name: a\n    probes:\n      - url: http://a\n        basic_auth:\n          password: %hunter2",
    "services:\n  - name: a\n    probes:\n      - url: http://a\n        body: a: hunter2",
    "foo: hunter2: x",
    "url: http://u:hunter2@a/: x: y",
    "password: &hunter2 &b x",
]


@pytest.mark.parametrize("text", LEAKS)
def test_no_excerpt_shows_a_secret(tmp_path: Path, text: str) -> None:
    """What is below a secret key, an unknown key, or cannot be told apart, is masked or not shown."""
    assert all("hunter2" not in each for each in excerpts_for(tmp_path, text))


def test_a_line_that_is_not_yaml_is_shown_when_its_keys_are_harmless(tmp_path: Path) -> None:
    """A syntax error among known keys is pointed at."""
    assert excerpts_for(tmp_path, "host:\n  interval: 10s\n enabled: true\n") == ["     enabled: true\n     ^"]


def test_a_long_line_is_cut_around_the_caret(tmp_path: Path) -> None:
    """The terminal is not flooded."""
    text = f"data_dir: {'x' * 3_000}\nhost: {{interval: 7}}  # {'y' * 3_000}"
    (found,) = excerpts_for(tmp_path, text)

    assert max(len(line) for line in found.split("\n")) < 160


def test_control_characters_do_not_reach_the_terminal() -> None:
    """A file may hold what moves a cursor."""
    found = excerpts("listne: x # \u202e\x85", [Fault("m", "f", "listne", 1, 1)])

    assert found == ["    listne: *** # ··\n    ^"]


def test_a_fault_without_a_place_has_no_excerpt() -> None:
    """Environment variables have no lines, and a file may have become shorter."""
    assert excerpts("a", [Fault("m", "environment"), Fault("m", "f", "", 7, 1)]) == ["", ""]
    assert excerpts("", [Fault("m", "/dev/stdin", "", 1, 1)]) == [""]
