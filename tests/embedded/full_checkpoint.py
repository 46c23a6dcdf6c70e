"""Runs as a process of its own, whose files may grow no further: a store whose disk is full at a checkpoint.

`full_checkpoint.py FOLDER` prints what the test wants to know, one word each.
"""

import asyncio
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

import duckdb

from embedded.store import EmbeddedOptions, EmbeddedStore
from telemetry.errors import StoreUnavailable
from telemetry.measurements import BUILT_IN
from telemetry.ports import WriteStatus
from tests.embedded.full_disk import EVERYTHING, batch, holds

BATCHES = 70  # more samples than a slice of a stream has


async def fails(store: EmbeddedStore) -> bool:
    try:
        await store.read(EVERYTHING)
    except StoreUnavailable:
        return True
    return False


async def main(folder: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path, aside = folder / "metrics.duckdb", folder / "aside"
    async with EmbeddedStore.opened(path, EmbeddedOptions(), BUILT_IN) as store:
        for number in range(BATCHES):
            await store.write(batch(number))
        stream = store.stream(EVERYTHING)  # somebody is in the middle of an export
        await anext(stream)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 1_000, resource.RLIM_INFINITY))
        with suppress(duckdb.FatalException):
            store._connection.execute("CHECKPOINT")  # as the engine does by itself, from time to time
        print((await store.write(batch(BATCHES))).status.value)
        path.rename(aside)
        path.mkdir()  # so that it cannot be opened
        print((await store.write(batch(BATCHES))).status.value, await fails(store))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        path.rmdir()
        aside.rename(path)
        async with asyncio.timeout(20):
            while (await store.write(batch(BATCHES))).status is not WriteStatus.OK:
                await asyncio.sleep(0.1)
        print(await holds(store, BATCHES + 1), store.damage == "", store.take_statistics().written_values)
        try:
            await anext(stream)
        except StoreUnavailable:
            print("stopped")
        print(await holds(store, BATCHES + 1))
    async with EmbeddedStore.opened(path, EmbeddedOptions(), BUILT_IN) as store:
        print(await holds(store, BATCHES + 1))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
