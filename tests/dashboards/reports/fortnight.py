"""A fortnight of a small shop, for the tests of reports: as points, always the same."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from embedded.store import EmbeddedStore
from telemetry.health import ProbeStatus, State
from telemetry.histogram import bucket_field, bucket_of
from telemetry.points import Point
from tests.api.world import NOW, NOW_NS, World, probe, service

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True)
class Story:
    """A probe: how slow it is, and when (in ns before the end) it was down, degraded, or not asked at all."""

    service: str
    probe: str
    latency_ms: float
    down: tuple[tuple[int, int], ...] = ()
    degraded: tuple[tuple[int, int], ...] = ()
    silent: tuple[tuple[int, int], ...] = ()
    slower_since: int = 0
    born: int = 15 * DAY
    every: int = 5 * MINUTE


STORIES = (
    Story("checkout", "health", 42.0, down=((2 * DAY + 40 * MINUTE, 2 * DAY), (10 * DAY, 10 * DAY - 10 * MINUTE))),
    Story("checkout", "port", 3.0, down=((2 * DAY + 20 * MINUTE, 2 * DAY),), every=10 * MINUTE),
    Story(
        "payments", "health", 180.0, down=((25 * MINUTE, -HOUR), (5 * DAY + 3 * HOUR, 5 * DAY)), slower_since=4 * DAY
    ),
    Story(
        "search", "health", 310.0, degraded=((3 * DAY, 2 * DAY + 12 * HOUR),), silent=((5 * DAY, 4 * DAY + 8 * HOUR),)
    ),
    Story("mail", "health", 88.0, born=3 * DAY),
    Story("retired", "health", 12.0, silent=((5 * DAY, -HOUR),)),
)


def probe_points(stop: int, length: int = 15 * DAY) -> Iterator[Point]:
    """One point per attempt, ending before `stop`."""
    for story in STORIES:
        dice = random.Random(f"{story.service}/{story.probe}")
        for time in range(stop - min(length, story.born), stop, story.every):
            before_stop = stop - time
            if any(begin >= before_stop > end for begin, end in story.silent):
                continue
            yield _attempt(story, time, before_stop, dice)


def _attempt(story: Story, time: int, before_stop: int, dice: random.Random) -> Point:
    state = "up"
    if any(begin >= before_stop > end for begin, end in story.degraded):
        state = "degraded"
    if any(begin >= before_stop > end for begin, end in story.down):
        state = "down"
    day = 1 + 0.35 * math.sin(2 * math.pi * (time % DAY) / DAY)
    slower = 1.6 if before_stop < story.slower_since else 1.0
    latency = story.latency_ms * day * slower * dice.lognormvariate(0, 0.25) * (2.2 if state == "degraded" else 1.0)
    seconds = {f"{word}_s": story.every / SECOND if word == state else 0.0 for word in ("up", "degraded", "down")}
    fields = {"latency_ms": latency, bucket_field("latency_ms", bucket_of(latency)): 1, "unknown_s": 0.0, **seconds}
    # Now and then one fails although nothing is wrong; while it is slow, more often.
    fields["up"] = int(state != "down" and dice.random() > (0.04 if state == "degraded" or slower > 1 else 0.002))
    tags = {"host": "h1", "kind": "http", "probe": story.probe, "service": story.service}
    return Point.of("probe", tags, fields, time)


def host_points(stop: int, length: int = 15 * DAY, every: int = 5 * MINUTE) -> Iterator[Point]:
    """The host's samples; OpsWatch stood still for ten hours, four days before the end."""
    dice = random.Random("host")
    counters = {"eth0": [0, 0], "lo": [0, 0]}
    for time in range(stop - length, stop, every):
        if 4 * DAY + 10 * HOUR >= stop - time > 4 * DAY:
            continue
        day = 0.5 + 0.5 * math.sin(2 * math.pi * (time % DAY) / DAY)
        recent = 1.25 if stop - time < 7 * DAY else 1.0
        busy = 55.0 if 30 * HOUR >= stop - time > 29 * HOUR else 0.0
        cpu = min(99.0, (8 + 22 * day) * recent * dice.uniform(0.8, 1.2) + busy)
        yield Point.of("cpu", {"host": "h1", "cpu": "cpu-total"}, {"usage_active": cpu}, time)
        yield Point.of("mem", {"host": "h1"}, {"used_percent": 52 + 6 * day + (stop - time < 7 * DAY) * 4.0}, time)
        yield Point.of("system", {"host": "h1"}, {"load1": cpu / 25}, time)
        yield Point.of("swap", {"host": "h1"}, {"used_percent": 2.0 + day}, time)
        full = 71 + 8 * (1 - (stop - time) / length)
        for path, percent in (("/", 38.5), ("/var/lib/data", full)):
            tags = {"host": "h1", "device": "sda", "fstype": "ext4", "mode": "rw", "path": path}
            yield Point.of("disk", tags, {"used_percent": percent}, time)
        for name, count in counters.items():
            count[0] += int((200_000 + 900_000 * day) * recent * dice.uniform(0.7, 1.3) * every / SECOND)
            count[1] += int((80_000 + 300_000 * day) * dice.uniform(0.7, 1.3) * every / SECOND)
            tags = {"host": "h1", "interface": name}
            yield Point.of("net", tags, {"bytes_recv": count[0], "bytes_sent": count[1]}, time)


async def fill(world: World) -> None:
    """Samples as a store holds them that has run so long: older ones rolled up and deleted. One service is gone."""
    points = sorted([*probe_points(NOW_NS), *host_points(NOW_NS)], key=lambda point: point.time)
    for at in range(0, len(points), 5_000):
        await world.write(*points[at : at + 5_000])
    if isinstance(world.store, EmbeddedStore):  # InfluxDB still has all samples
        await world.store.roll_up(NOW)
        await world.store.delete_expired(NOW)
    watched = sorted({story.service for story in STORIES} - {"retired"})
    world.catalog.known = tuple(
        service(name, *(_status(story) for story in STORIES if story.service == name)) for name in watched
    )


def _status(story: Story) -> ProbeStatus:
    down = any(begin >= 1 > end for begin, end in story.down)
    return probe(story.probe, State.DOWN if down else State.UP, interval=timedelta(minutes=5))
