"""Every bench in turn, a line each. Shell."""

from bench import http_probe, store_write
from bench.measure import machine

print(machine())
for module in (store_write, http_probe):
    print(module.main(), flush=True)
