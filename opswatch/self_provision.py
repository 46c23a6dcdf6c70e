"""A start that makes InfluxDB ours by itself, where the settings say so. Shell."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from influx.changes import plan
from influx.permissions import Permission
from opswatch.configuration_files import UnusableFile, read_secret
from opswatch.provisioning import apply, wish_of
from opswatch.settings import ProvisionSettings, Settings
from telemetry.clock import Clock
from telemetry.errors import OpsWatchError

logger = logging.getLogger(__name__)

AGAIN = timedelta(seconds=10)
_WITHIN = timedelta(seconds=30)  # that one attempt takes; the server may be starting too


class SelfProvision:
    """Attempts until one has come to its end; what then waits for somebody's word is told, and stays."""

    def __init__(self, settings: Settings, provision: ProvisionSettings, clock: Clock) -> None:
        self._settings = settings
        self._provision = provision
        self._clock = clock
        self.is_done = False
        self.note = ""  # what is not as it should be, with the way out

    async def attempt(self) -> None:
        """Once, unless one was made already; never raises for what the server is or says."""
        if self.is_done:
            return
        told = self.note
        try:
            async with asyncio.timeout(_WITHIN.total_seconds()):
                self.note = await self._apply()
            self.is_done = True
        except TimeoutError:
            self.note = f"InfluxDB was not provisioned within {_WITHIN.total_seconds():.0f} s; it is tried again"
        except (OpsWatchError, UnusableFile) as error:
            words = error.message if isinstance(error, OpsWatchError) else str(error)
            self.note = f"InfluxDB is not provisioned yet, and it is tried again and again: {words}"
        if self.note and self.note != told:
            logger.warning("provision", extra={"reason": self.note})

    async def _apply(self) -> str:
        file = self._provision.admin_token_file
        token = None if file is None else await asyncio.to_thread(read_secret, file)
        # Nobody has said that anything may be lost, so nothing is.
        wish = wish_of(self._settings, token, self._clock.now(), frozenset({Permission.SET_UP}))
        there = await apply(wish, lambda line: logger.info("provision", extra={"change": line}))
        waiting = plan(wish.wanted, there)
        if not waiting:
            return ""
        words = " ".join(dict.fromkeys(str(one.needs) for one in waiting if one.needs))
        told = "; ".join(f"{one.subject}: {one.words}" for one in waiting)
        return f"what InfluxDB should be waits for your word: {told} (`opswatch provision apply {words}`)"
