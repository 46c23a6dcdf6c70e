"""Join alerting to the store, the ledger and what is watched. Shell."""

from __future__ import annotations

from collections.abc import Sequence

from alerting.evaluate import Evaluator, Surroundings
from alerting.summaries import Summaries
from collector.targets import ServiceSpec
from opswatch.alert_surroundings import WatchedServices
from opswatch.alerting import Alerting, Parts
from opswatch.rules_file import load_rules
from opswatch.settings import Settings
from opswatch.state import State
from telemetry.clock import Clock
from telemetry.ports import PointWriter, QueryReader
from telemetry.schema import Registry


def surroundings_of(services: Sequence[ServiceSpec], registry: Registry, clock: Clock) -> Surroundings:
    """What an evaluator is told of the house."""
    watched = WatchedServices(services)
    return Surroundings(clock, watched.lookback, watched.freshness, watched.dependencies, Summaries(registry))


async def open_alerting(
    settings: Settings,
    state: State,
    ports: tuple[QueryReader, PointWriter],
    registry: Registry,
    clock: Clock,
) -> Alerting:
    """Alerting with the rules of the settings, and what the ledger remembers. Raises ConfigurationError."""
    reader, writer = ports
    rules = load_rules(settings.thresholds_file, registry)
    around = surroundings_of(settings.services, registry, clock)
    evaluator = Evaluator(reader, state.ledger, rules, around)

    alerting = Alerting(
        Parts(
            evaluator,
            reader,
            around,
            state.ledger,
            state.incidents,
            writer,
            lambda: load_rules(settings.thresholds_file, registry),
            registry,
            clock,
        )
    )
    await alerting.start()
    return alerting
