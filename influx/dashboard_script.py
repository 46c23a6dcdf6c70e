"""A Flux text for a dashboard that is being made: what it imports, defines and filters by. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from influx.dialects import Dialect, variable_of
from influx.predicates import balanced, meaning, pushed
from influx.text import encode_name
from telemetry.conditions import parse_conditions
from telemetry.errors import InvalidQuery, NotFound
from telemetry.schema import FieldType, Measurement


class DashboardScript:
    """One text. Its leaves (influx/predicates.py, `Leaves`) hold for just those series that are meant.

    A pattern is compared with what InfluxDB holds and its UI shows, where some characters are written as codes
    (influx/text.py).
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._imports: set[str] = set()
        self._patterns: dict[str, str] = {}

    def uses(self, *packages: str) -> None:
        """Import packages."""
        self._imports.update(packages)

    def literal(self, text: str) -> str:
        """A text as Flux has it."""
        return self.dialect.literal(text)

    def column(self, name: str) -> str:
        """A tag or field of a row."""
        return f"r[{self.literal(encode_name(name))}]"

    def equals(self, column: str, value: str, *, is_meant: bool) -> str:
        """See Leaves."""
        if (variable := variable_of(value)) is not None:
            return self.dialect.equals(column, variable, is_meant=is_meant)
        return f"{column} {'==' if is_meant else '!='} {self.literal(value)}"

    def matches(self, column: str, pattern: str, *, is_meant: bool) -> str:
        """See Leaves."""
        name = self._pattern(pattern)
        return (
            f"(exists {column} and {column} =~ {name})" if is_meant else f"(not exists {column} or {column} !~ {name})"
        )

    def _pattern(self, pattern: str) -> str:
        # Defined outside of the filter, for the storage takes over only what it finds as a value there.
        variable = variable_of(pattern)
        if variable is None:
            self.uses("regexp")
            made = f"regexp.compile(v: {self.literal(pattern)})"
        else:
            made = self.dialect.pattern(variable)
            if made.startswith("regexp."):
                self.uses("regexp")
        return self._patterns.setdefault(made, f"pattern{len(self._patterns) + 1}")

    def condition(self, measurement: Measurement, fields: Sequence[str], where: Sequence[str]) -> str:
        """Which rows: of some fields, or of all, where all conditions hold. Raises InvalidQuery."""
        predicate = parse_conditions(where, measurement, self.dialect.variables)
        meaning(predicate)  # a pattern that is none
        parts = [f"r._measurement == {self.literal(encode_name(measurement.name))}"]
        if fields:
            parts.append(balanced([f"r._field == {self.literal(encode_name(one))}" for one in fields], "or"))
        asked = pushed(self, predicate)
        if asked is False:  # of no series: a measurement has a name
            return 'r._measurement == ""'
        if isinstance(asked, str):
            parts.append(asked)
        return balanced(parts, "and")

    def named(self, label: Sequence[str]) -> Sequence[str]:
        """What makes `_field` the name of a line, as our pages name it (dashboards/charts.py, `label_of`)."""
        kept = () if self.dialect.keeps_tags else ('|> keep(columns: ["_time", "_value", "_field"])',)
        if tuple(label) in {("field",), ()}:
            return kept
        if len(label) == 1:
            tag = self.column(label[0])
            name = f"if exists {tag} then {tag} else r._field"
        else:
            self.uses("strings")
            words = ["r._field" if one == "field" else _or_nothing(self.column(one)) for one in label]
            name = f"""strings.trimSpace(v: {' + " " + '.join(words)})"""
        return f"|> map(fn: (r) => ({{r with _field: {name}}}))", *kept

    def text(self, *parts: str) -> str:
        """All of it; parts that are empty are left out."""
        imports = "\n".join(f'import "{one}"' for one in sorted(self._imports))
        patterns = "\n".join(f"{name} = {made}" for made, name in self._patterns.items())
        return "\n\n".join(one for one in (imports, patterns, *parts) if one) + "\n"


def windows(every: str, function: str) -> str:
    """What makes one value per window, stamped at its start, and leaves empty windows out."""
    return f'|> aggregateWindow(every: {every}, fn: {function}, createEmpty: false, timeSrc: "_start")'


def piped(*steps: str) -> str:
    """Steps one below the other; those that are empty are left out."""
    first, *rest = (step for step in steps if step)
    return "\n".join((first, *(f"    {step}" for step in rest)))


def numeric(measurement: Measurement, names: Sequence[str]) -> tuple[str, ...]:
    """Those fields that are numbers; of texts there are no windows. Raises NotFound, InvalidQuery."""
    found = []
    for name in dict.fromkeys(names):
        field = measurement.field(name)
        if field is None:
            raise NotFound(f"{measurement.name} has no field {name[:60]!r}", field="field", value=name[:60])
        if field.type is not FieldType.TEXT:
            found.append(name)
    if not found:
        raise InvalidQuery(f"no field asked of {measurement.name} is a number", field="field")
    return tuple(found)


def _or_nothing(column: str) -> str:
    return f'(if exists {column} then {column} else "")'
