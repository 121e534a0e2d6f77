"""Engines alone, with tables and settings, for what is measured without a site's processes."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from runtime.bucket import make_bucket
from runtime.engines.start import start_engines
from runtime.schema import bring_up
from runtime.settings import Settings, load

SECRET = "what is measured keeps no secret"  # noqa: S105 - it keeps none


@asynccontextmanager
async def bare_engines() -> AsyncIterator[Settings]:
    """In a temporary folder; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="heliograph-bench-") as var:
        # In a thread: it waits for them in loops of its own.
        engines = await asyncio.to_thread(start_engines, Path(var))
        with engines:
            await bring_up(engines.database_url)
            await make_bucket(engines.objects_url)
            yield load(
                {
                    "HELIOGRAPH_LOG_URL": engines.log_url,
                    "HELIOGRAPH_CACHE_URL": engines.cache_url,
                    "HELIOGRAPH_DATABASE_URL": engines.database_url,
                    "HELIOGRAPH_DATABASE_READER_URL": engines.database_reader_url,
                    "HELIOGRAPH_OBJECTS_URL": engines.objects_url,
                    "HELIOGRAPH_SECRET": SECRET,
                    "HELIOGRAPH_VAR": var,
                }
            )
