"""What every test may use: a real InfluxDB where there is one, and what the run says where there is none."""

from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.influx import server


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
