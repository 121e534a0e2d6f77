"""A cache that is away or hangs costs callers an error, soon; never a wait."""

import socket
import tempfile
import time
from pathlib import Path

import pytest

from runtime.connections import open_cache
from runtime.errors import Unavailable
from stores import feeds as feeds_module
from stores.feeds import Feeds

VIEWER = 77 << 10


async def test_a_cache_that_is_away_is_unavailable(settings, log_client, monkeypatch):
    """Callers hear `Unavailable`, also when the cache hangs."""
    gone = settings.replace(cache_url="unix:///tmp/no-such-heliograph-cache.sock")
    async with open_cache(gone) as client:
        with pytest.raises(Unavailable):
            await Feeds(client, log_client).skeleton(VIEWER, None, 30)

    path = Path(tempfile.mkdtemp(prefix="hang-"), "cache.sock")  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as never_accepts:
        never_accepts.bind(str(path))
        never_accepts.listen()
        async with open_cache(settings.replace(cache_url=f"unix://{path}")) as client:
            monkeypatch.setattr(feeds_module, "CALL_SECONDS", 0.05)
            hanging = Feeds(client, log_client)
            with pytest.raises(Unavailable):
                await hanging.skeleton(VIEWER, None, 30)
            started = time.monotonic()
            with pytest.raises(Unavailable):
                await hanging.skeleton(VIEWER, None, 30)
            assert time.monotonic() - started < 0.04
