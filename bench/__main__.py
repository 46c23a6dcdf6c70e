"""Every bench in turn, or those that are named: `python -m bench queries disk`. Shell."""

import sys
from importlib import import_module
from time import perf_counter

from bench.measure import machine

BENCHES = (
    "store_write",
    "http_write",
    "disk",
    "queries",
    "http_queries",
    "csv_export",
    "dashboard",
    "live_stream",
    "http_probe",
    "influx_encoder",
    "influx_write",
    "influx_reader",
    "influx_store",
    "rules",
    "storm",
)

chosen = sys.argv[1:] or BENCHES
if unknown := set(chosen) - set(BENCHES):
    sys.exit(f"there is no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
print(machine(), flush=True)
for name in chosen:
    started = perf_counter()
    print(import_module(f"bench.{name}").main(), flush=True)
    print(f"  ({name}: {perf_counter() - started:.0f} s)", flush=True)
