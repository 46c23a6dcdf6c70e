"""Run the application in the foreground until a signal ends it. Shell."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading

from opswatch.data_directory import DataDirectory
from opswatch.program_log import LogOptions, program_log
from opswatch.settings import Settings
from opswatch.wiring import RunningApp, open_app
from telemetry.errors import ConfigurationError, OpsWatchError

logger = logging.getLogger(__name__)

# What was acknowledged is on disk by then, so ending hard loses nothing; a supervisor would kill us at 10 s anyway.
STOP_WITHIN = 4.5  # seconds
_ONE_WISH = 0.5  # seconds in which signals to stop are one


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, and print on stdout the facts that scripts need. Raises OpsWatchError."""
    stop = asyncio.Event()
    _handle_signals(stop)
    options = LogOptions(
        level=settings.log.level,
        form=settings.log.format,
        rotation_enabled=settings.log.rotation_enabled,
        retention_days=settings.log.retention_days,
        max_size_mb=settings.log.max_size_mb,
    )
    directory = DataDirectory(settings.data_dir)
    with directory.held():
        pass  # before the log writes there: a second process must not touch the files of the first
    with program_log(options, directory.log_file) as log:
        for warning in settings.warnings:
            logger.warning("configuration: %s", warning)
        async with open_app(settings, log) as running:
            _calm_collector()
            _say(f"listening {running.url}")
            if running.owner_link is not None:
                _say(f"owner link {running.owner_link}")
            _reload_on_hangup(running)
            logger.info("started", extra={"url": running.url, "services": len(settings.services)})
            await stop.wait()
            logger.info("stopping")
    _end_undisturbed()


def _calm_collector() -> None:
    # By default it looks at everything that lives after each few hundred new objects, and what is pushed or read is
    # thousands at once: half of the time. What the start has made stays, and is not looked at again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _say(line: str) -> None:
    # One line per fact, at once: a script may be waiting for it at the other end of a pipe.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _handle_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    asked_at = float("-inf")

    def ask_to_stop() -> None:
        nonlocal asked_at
        # A shell sends it to the whole group, and make hands it on: that is one wish, however often it comes.
        if stop.is_set() and loop.time() > asked_at + _ONE_WISH:
            os._exit(1)  # whoever sends another does not want to wait
        if not stop.is_set():
            asked_at = loop.time()
            stop.set()
            _end_at_the_latest()  # also a start that waits for a store that does not answer

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask_to_stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: logger.warning("SIGHUP: not started yet, nothing to reload"))


def _reload_on_hangup(running: RunningApp) -> None:
    """SIGHUP reads the rules anew; a wrong file changes nothing, and every fault is in the log."""
    under_way: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        try:
            await running.reload("SIGHUP", dry_run=False)
        except ConfigurationError as error:
            for fault in error.faults:
                logger.error("the rules were not read anew: %s", fault)
        except OpsWatchError as error:
            logger.error("the rules were not read anew: %s", error.message)

    def begin() -> None:
        task = asyncio.get_running_loop().create_task(reload())
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, begin)


def _end_undisturbed() -> None:
    # All is kept and closed. The loop would give the signals back to their defaults, and a repeated one would then kill
    # the process in its last moment, as if something had been lost.
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)


def _end_at_the_latest() -> None:
    timer = threading.Timer(STOP_WITHIN, os._exit, args=(0,))
    timer.daemon = True
    timer.start()
