"""What every test may use: a real InfluxDB where there is one, and what the run says where there is none."""

from collections.abc import Iterator

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
    """What was not proved, as the last lines of the run."""
    skipped = [report for report in terminalreporter.getreports("skipped") if server.NOT_HERE in str(report.longrepr)]
    if skipped:
        terminalreporter.section("NOT PROVED ON A REAL INFLUXDB", sep="!", red=True)
        terminalreporter.line(f"{len(skipped)} tests were skipped: {server.NOT_HERE}")
        for name in sorted({report.nodeid.split("::")[0] for report in skipped}):
            terminalreporter.line(f"  {name}")
