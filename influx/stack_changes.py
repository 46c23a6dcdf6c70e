"""What must change of the dashboards that OpsWatch keeps in InfluxDB, as one stack of its templates. Pure.

InfluxDB compares what it applies with names and places alone (its diff shows every cell as empty), so what is in the
cells is compared here: somebody may have edited them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from influx.blueprint import Stack
from influx.permissions import Stage

_MOST_TOLD = 3  # differences in a line


@dataclass(frozen=True, slots=True)
class Cell:
    """One chart of a dashboard: where it stands, what it is called, what it asks."""

    name: str
    place: tuple[int, int, int, int]  # x, y, width, height
    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A dashboard with its cells, a variable with its query, or a label. `kind` is InfluxDB's word.

    `id`: of one that is there.
    """

    kind: str
    name: str
    cells: frozenset[Cell] = frozenset()
    query: str = ""
    id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class SeenStack:
    """A stack of our name; `parts` by the name that the template has for them, without those that are gone."""

    id: str
    made: str
    parts: Mapping[str, Part] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApplyStack:
    """Make the dashboards what they should be. `before` None: there is no stack yet."""

    stack: Stack
    before: SeenStack | None
    stage = Stage.DASHBOARDS
    needs = None

    @property
    def kind(self) -> str:
        return "make dashboards" if self.before is None else "alter dashboards"

    @property
    def subject(self) -> str:
        return "dashboards"

    @property
    def words(self) -> str:
        wanted = parts_of(self.stack.objects)
        if self.before is None:
            return f"are missing; make {counted(wanted)}"
        told = list(differences(wanted, self.before.parts))
        more = f"; and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
        return "; ".join(told[:_MOST_TOLD]) + more + "; put them back"


@dataclass(frozen=True, slots=True)
class RemoveStack:
    """Remove the dashboards, or a second set of them, with variables and labels."""

    seen: SeenStack
    reason: str
    stage = Stage.DASHBOARDS
    needs = None
    kind = "remove dashboards"

    @property
    def subject(self) -> str:
        return "dashboards"

    @property
    def words(self) -> str:
        return f"{self.reason}; remove those of the stack {self.seen.id}, made {self.seen.made}"


StackChange = ApplyStack | RemoveStack


def stack_changes(wanted: Stack | None, there: Sequence[SeenStack]) -> Iterator[StackChange]:
    """What must change; the oldest of several stacks of our name is kept."""
    if wanted is None:
        return
    ours = sorted(there, key=lambda one: (one.made, one.id))
    if not wanted.objects:
        for one in ours:
            yield RemoveStack(one, "are not wanted by storage.influxdb.dashboards")
        return
    for one in ours[1:]:
        yield RemoveStack(one, "are there several times")
    kept = ours[0] if ours else None
    if kept is None or any(True for _ in differences(parts_of(wanted.objects), kept.parts)):
        yield ApplyStack(wanted, kept)


def parts_of(objects: Sequence[Mapping[str, Any]]) -> dict[str, Part]:
    """The parts that a template makes, by their names in it."""
    found = {}
    for one in objects:
        spec = one["spec"]
        cells = frozenset(
            Cell(
                chart["name"],
                (chart["xPos"], chart["yPos"], chart["width"], chart["height"]),
                tuple(query["query"].strip() for query in chart.get("queries", ())),  # as InfluxDB keeps them
            )
            for chart in spec.get("charts", ())
        )
        query = spec["query"].strip() if one["kind"] == "Variable" else ""
        found[one["metadata"]["name"]] = Part(one["kind"], spec["name"], cells, query)
    return found


def renamed(wanted: Mapping[str, Part], there: Mapping[str, Part]) -> Iterator[tuple[Part, str]]:
    """Variables and labels that somebody has renamed, and their names: InfluxDB's templates leave those as they are."""
    for name, part in wanted.items():
        seen = there.get(name)
        if seen is not None and seen.name != part.name and seen.kind in {"Variable", "Label"}:
            yield seen, part.name


def differences(wanted: Mapping[str, Part], there: Mapping[str, Part]) -> Iterator[str]:
    """In words, one for each part that is not as it should be."""
    for name, part in wanted.items():
        seen, what = there.get(name), f"the {part.kind.lower()} {part.name}"
        if seen is None:
            yield f"{what} is missing"
        elif seen.name != part.name:
            yield f"{what} is called {seen.name}"
        elif seen.query != part.query:
            yield f"{what} asks otherwise"
        elif changed := sorted({cell.name for cell in seen.cells ^ part.cells}):
            yield f"{what} was edited ({', '.join(changed[:_MOST_TOLD])})"
    for name, part in there.items():
        if name not in wanted:
            yield f"the {part.kind.lower()} {part.name} is no longer one of ours"


def counted(parts: Mapping[str, Part]) -> str:
    """`4 dashboards, 3 variables and 1 label`."""
    kinds = [part.kind.lower() for part in parts.values()]
    words = [
        f"{kinds.count(kind)} {kind}{'' if kinds.count(kind) == 1 else 's'}"
        for kind in ("dashboard", "variable", "label")
        if kind in kinds
    ]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
