"""The heartbeat: tells an address outside that all is well, and never says where that is. Shell."""

from __future__ import annotations

import logging

import aiohttp

from opswatch.telling_settings import HeartbeatSettings

logger = logging.getLogger(__name__)


class Heartbeat:
    """Asks the address of a dead man's switch; its URL is a secret."""

    def __init__(self, settings: HeartbeatSettings) -> None:
        self._url = settings.url.get_secret_value()

    async def beat(self, patience: float) -> bool:
        """Whether somebody has heard it within so many seconds. A redirect is nobody who did. Raises nothing."""
        timeout = aiohttp.ClientTimeout(total=patience)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.get(self._url, allow_redirects=False) as answer,
            ):
                if answer.status < 300:
                    return True
                logger.warning("the dead man's switch did not take the heartbeat", extra={"status": answer.status})
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            # Not the error's words: they may hold the URL.
            logger.warning("the dead man's switch cannot be reached", extra={"reason": type(error).__name__})
        return False
