"""What sends the texts of dashboards in place of a person's browser: InfluxDB's own page, and Grafana."""

import re
from collections.abc import Mapping

from influx.predicates import literal

_IMPORT = re.compile(r"^import .*\n", re.MULTILINE)


def as_influxdb_sends(
    text: str, chosen: Mapping[str, str], shown: tuple[str, str], window: str, now: str | None = None
) -> str:
    """With the record `v`, whose names are the dashboard's variables; the time is the end of what is shown."""
    start, stop = shown
    record = {"timeRangeStart": start, "timeRangeStop": stop, "windowPeriod": window}
    record |= {name: literal(value) for name, value in chosen.items()}
    options = f"option v = {{{', '.join(f'{name}: {value}' for name, value in record.items())}}}\n"
    options += f"option now = () => {now or stop}\n"
    return "".join(_IMPORT.findall(text)) + options + _IMPORT.sub("", text)


def as_grafana_sends(text: str, chosen: Mapping[str, str], shown: tuple[str, str], window: str) -> str:
    """First its page puts in what is chosen, then its server the range: as Grafana 10 to 13 do.

    Of one value the format `json` is the value as it is, without quotation marks (@grafana/scenes, formatRegistry).
    The server looks for words with a dot between them, wherever they stand (pkg/tsdb/influxdb/flux/macros.go).
    """
    chosen = {"bucket_prefix": "opswatch", **chosen}

    def put_in(found: re.Match[str]) -> str:
        name, form = found[1], found[2]
        if name not in chosen:
            return found[0]
        return re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", chosen[name]) if form == "regex" else chosen[name]

    text = re.sub(r"\$\{(\w+)(?::(\w+))?\}", put_in, text)
    words = {
        "timeRangeStart": shown[0],
        "timeRangeStop": shown[1],
        "windowPeriod": window,
        "bucket": '"the bucket of the data source"',
        "defaultBucket": '"the bucket of the data source"',
        "organization": '"ops"',
    }
    for match in re.findall(r"[a-zA-Z]+\.[a-zA-Z]+", text):
        if (word := match.partition(".")[2]) in words:
            text = text.replace(match, words[word])
    return text
