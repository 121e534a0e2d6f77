"""What each engine must answer, on connections of its own, and the fix when it does not."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from redis.asyncio import Redis

from runtime.bucket import open_objects
from runtime.connections import borrowed, open_cache, open_database, open_log
from runtime.health import Check, WrongSettings
from runtime.schema import code_version
from runtime.settings import Settings
from runtime.site_record import OtherSite, hold_to_site

Probe = Callable[[], Awaitable[str]]

LOG_WANTS = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
CACHE_WANTS = {"save": "", "appendonly": "no"}
# What a window comes to before it is trimmed (tests/stores/test_feeds_packed.py): one that was ever
# longer, or held a longer name, takes four times the memory for the rest of its life.
LISTPACK_ENTRIES = 512
LISTPACK_VALUE = 32

DEGRADED = {
    "log": "commands, sign-in included, are refused (503); all reads work",
    "cache": "feeds come from PostgreSQL within a bound; rate limits are each gateway's own",
    "database": "sign-in, erasing, lists and cold pages are refused (503); uploads and feeds work",
    "objects": "uploads are refused before the body is read (503); feeds work",
}


@asynccontextmanager
async def engine_checks(
    settings: Settings,
    engines: Collection[str],
    *,
    reader: bool = False,
    optional: Collection[str] = (),
) -> AsyncIterator[list[Check]]:
    """Checks for the named engines; those in `optional` need not be up for the process to start.

    Settings are read at every look, a few seconds apart, so also after every reconnect.
    """
    async with AsyncExitStack() as stack:
        probes = {
            "log": probe_log,
            "cache": probe_cache,
            "database": probe_reader_database if reader else probe_database,
            "objects": probe_objects,
        }
        yield [
            Check(
                name=name,
                probe=await probes[name](stack, settings),
                degraded=DEGRADED[name],
                fix_when_down=f"start it, or correct HELIOGRAPH_{name.upper()}_URL",
                needed=name not in optional,
            )
            for name in engines
        ]


async def probe_log(stack: AsyncExitStack, settings: Settings) -> Probe:
    client = await stack.enter_async_context(open_log(settings, connections=1))

    async def probe() -> str:
        demand(await configuration(client, LOG_WANTS), LOG_WANTS)
        try:
            await hold_to_site(client, settings)
        except OtherSite as error:
            raise WrongSettings(str(error)) from None
        return "every append is on disk before it is acknowledged"

    return probe


async def probe_cache(stack: AsyncExitStack, settings: Settings) -> Probe:
    client = await stack.enter_async_context(open_cache(settings, connections=1))
    policy = "maxmemory-policy"
    packed = {
        "zset-max-listpack-entries": LISTPACK_ENTRIES,
        "zset-max-listpack-value": LISTPACK_VALUE,
    }

    async def probe() -> str:
        found = await configuration(client, (*CACHE_WANTS, *packed, policy))
        demand(found, CACHE_WANTS)
        for name, least in packed.items():
            if int(found[name]) < least:
                raise WrongSettings(fix(name, found[name], f"{least} or more"))
        if not found[policy].endswith(("-lru", "-lfu")):
            raise WrongSettings(fix(policy, found[policy], "allkeys-lru"))
        return "nothing on disk, least used leaves first"

    return probe


async def probe_database(
    stack: AsyncExitStack, settings: Settings, *, reader: bool = False
) -> Probe:
    pool = await open_database(settings, reader=reader, connections=1)
    # Not awaited to the end: closing must not wait for a server that hangs.
    stack.callback(pool.terminate)
    wanted = code_version()

    async def probe() -> str:
        async with borrowed(pool) as connection:
            found = await connection.fetchval("SELECT version FROM heliograph.schema_version")
        if found != wanted:
            raise WrongSettings(
                f"the database is of version {found}, this code of {wanted}: "
                + ("run python -m runtime prepare" if found < wanted else "run the newer code")
            )
        return f"tables of version {found}"

    return probe


async def probe_reader_database(stack: AsyncExitStack, settings: Settings) -> Probe:
    return await probe_database(stack, settings, reader=True)


async def probe_objects(stack: AsyncExitStack, settings: Settings) -> Probe:
    client, bucket = await stack.enter_async_context(
        open_objects(settings.objects_url, connections=1, reply_seconds=2, attempts=1)
    )

    async def probe() -> str:
        await client.head_bucket(Bucket=bucket)
        return f"the bucket {bucket} answers"

    return probe


async def configuration(client: Redis, names: Collection[str]) -> Mapping[str, str]:
    found = await client.config_get(*names)
    missing = [name for name in names if name not in found]
    if missing:
        raise WrongSettings(f"CONFIG GET must be allowed and know {', '.join(missing)}")
    return {name: str(found[name]) for name in names}


def demand(found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    for name, value in wanted.items():
        if found[name] != value:
            raise WrongSettings(fix(name, found[name], value or '""'))


def fix(name: str, found: str, wanted: str) -> str:
    """What an operator types, in one sentence."""
    return f"set `{name}` to {wanted} (it is {found!r}): CONFIG SET, and in its configuration file"
