"""What every test may use: a real InfluxDB where there is one, and what the run says where there is none."""

from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.influx import server
from tests.untold import untold

# The longest first: what begins last must not be what everybody waits for.
LONGEST = (
    "tests/embedded/test_algebra.py",
    "tests/opswatch/test_provision.py",
    "tests/opswatch/test_provision_setup.py",
    "tests/durability/",
    "tests/browser/",
    "tests/opswatch/",
    "tests/embedded/",
    "tests/api/",
    "tests/influx/test_algebra.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files stay together and in order, but for the long ones."""

    def place(item: pytest.Item) -> int:
        return next((number for number, one in enumerate(LONGEST) if item.nodeid.startswith(one)), len(LONGEST))

    items.sort(key=place)


@pytest.fixture(autouse=True)
def nobody_waits_for_an_end(request: pytest.FixtureRequest) -> Iterator[None]:
    """At the end of every test: an incident of which somebody heard has its end told, is open, or a dead letter."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    assert folder is None or untold(folder) == []


@pytest.fixture(scope="session")
def influx() -> Iterator[server.InfluxServer]:
    """A real InfluxDB 2.x, one for the whole run; a test that needs it is skipped where there is none."""
    if not server.is_here():
        pytest.skip(server.NOT_HERE)
    with server.running() as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not proved, and why, as the last lines of the run before the failures and the count."""
    skipped: dict[str, Counter[str]] = defaultdict(Counter)
    for report in terminalreporter.getreports("skipped"):
        reason = str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr)
        skipped[reason.removeprefix("Skipped: ")][report.nodeid.split("::")[0]] += 1
    if skipped:
        terminalreporter.section("NOT PROVED HERE", sep="!", red=True)
    for reason, files in skipped.items():
        terminalreporter.line(f"{files.total()} tests were skipped: {reason}")
        for name, count in sorted(files.items()):
            terminalreporter.line(f"  {name}: {count}")


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, dict[str, Any], dict[str, Any]]:
    """Hostile texts get into captured logs; half a character cannot be sent from a worker to the runner."""
    return sendable((yield))  # type: ignore[no-any-return]


def sendable(value: Any) -> Any:
    """The same, with what is no Unicode written as escapes."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        case dict():
            return {sendable(key): sendable(one) for key, one in value.items()}
        case list() | tuple():
            return type(value)(map(sendable, value))
    return value
