"""Which OpsWatch this is. Shell."""

from importlib.metadata import version

VERSION = version("opswatch")
