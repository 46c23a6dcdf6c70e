"""What the tests of the server share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.world import World, running

# What people ask for is the same on either store (docs/influxdb.md).
ON_EITHER_STORE = {"test_export", "test_health", "test_quarantine", "test_series", "test_services", "test_write"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """These modules run twice."""
    if "world" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in ON_EITHER_STORE:
        metafunc.parametrize("world", ["embedded", "influxdb"], indirect=True)


@pytest.fixture
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    influx = None
    if getattr(request, "param", "embedded") == "influxdb":
        influx = request.getfixturevalue("influx").fresh()
    async with running(tmp_path, influx=influx) as one:
        yield one
