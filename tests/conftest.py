"""Real engines for every test: started once a session, emptied for each test that asks."""

import asyncio
import gc
import signal
from contextlib import suppress

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from redis.asyncio import Redis

from events.__main__ import carry_out, parser
from runtime.bucket import make_bucket
from runtime.connections import open_cache, open_database, open_log
from runtime.engines.start import start_engines
from runtime.errors import Unavailable
from runtime.schema import bring_up
from runtime.settings import load
from stores.archive import ROOT, Archive
from stores.objects import Objects

# Tests do in seconds what people do in days; those of limits set their own.
UNLIMITED = {
    f"HELIOGRAPH_LIMIT_{name}": "1000000"
    for name in ("SIGN_UPS", "SIGN_INS", "UPLOADS", "COMMANDS", "READS")
}
SECRET = "a secret that only tests use, and no site ever should"

# The same examples every time, for CI is no place to find something new, and no minutes spent on
# making a failure smaller. `--hypothesis-profile=explore` does that, and looks elsewhere and
# further (tests/properties/exploring.py).
settings.register_profile(
    "ci",
    derandomize=True,
    print_blob=True,
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)
settings.register_profile(
    "explore",
    settings.get_profile("ci"),
    derandomize=False,
    phases=tuple(Phase),
    max_examples=2_000,
)
settings.load_profile("ci")


def pytest_configure():
    """Whoever ends a run by SIGTERM, as `timeout` does, ends its engines too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # In the background a shell has it ignored, and so would every process that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def settled_memory():
    """What outlives a file of tests is not looked through again.

    With two thousand tests behind it one collection took longer than anybody waits for an engine.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def engines(tmp_path_factory):
    """PostgreSQL, two Valkeys and S3, with the schema applied and the bucket made."""
    with start_engines(tmp_path_factory.mktemp("site")) as running:
        asyncio.run(bring_up(running.database_url))
        asyncio.run(make_bucket(running.objects_url))
        yield running


@pytest.fixture(scope="session")
def settings(engines):
    """The settings of a process of this site; `settings.replace(...)` for others."""
    return load(
        {
            "HELIOGRAPH_LOG_URL": engines.log_url,
            "HELIOGRAPH_CACHE_URL": engines.cache_url,
            "HELIOGRAPH_DATABASE_URL": engines.database_url,
            "HELIOGRAPH_DATABASE_READER_URL": engines.database_reader_url,
            "HELIOGRAPH_OBJECTS_URL": engines.objects_url,
            "HELIOGRAPH_SECRET": SECRET,
            "HELIOGRAPH_VAR": str(engines.place.var),
        }
        | UNLIMITED
    )


@pytest.fixture
async def clean_site(engines):
    """Both Valkeys and all tables are empty; objects stay, they are content-addressed."""
    for url in (engines.log_url, engines.cache_url):
        async with Redis.from_url(url) as client:
            await client.flushall()
    connection = await asyncpg.connect(engines.database_url)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', nspname, relname) AS name "
            "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
            "WHERE nspname IN ('heliograph', 'vault', 'storage') AND relkind = 'r' "
            "AND relname <> 'schema_version' ORDER BY c.oid DESC"  # whoever refers goes first
        )
        # A hundred times faster than TRUNCATE, which makes every table's files anew.
        for row in tables:
            await connection.execute(f"DELETE FROM {row['name']}")  # noqa: S608 - the catalogue's
    finally:
        await connection.close()


@pytest.fixture
async def log_client(settings, clean_site):
    async with open_log(settings) as client:
        yield client


@pytest.fixture
async def cache_client(settings, clean_site):
    async with open_cache(settings) as client:
        yield client


@pytest.fixture
async def database(settings, clean_site):
    """The pool that workers have: it reads and writes."""
    async with await open_database(settings) as pool:
        yield pool


@pytest.fixture
async def reader_database(settings, clean_site):
    """The pool that gateways have: it can only read."""
    async with await open_database(settings, reader=True) as pool:
        yield pool


@pytest.fixture
async def objects(settings):
    async with Objects(settings.objects_url) as opened:
        yield opened


@pytest.fixture
async def archive(objects):
    """An archive that is empty: unlike photos, what it holds is named for no content."""
    async with asyncio.timeout(30):
        while True:  # storage that many tests have kept busy may be silent for longer than it may
            with suppress(Unavailable):
                await objects.delete([each.key async for each in objects.list(ROOT)])
                return Archive(objects)


@pytest.fixture
def ask(settings, capsys):
    """Run a command of `python -m events` here: its exit status, its lines, what it said aside."""

    async def ask(*arguments, **changes):
        capsys.readouterr()
        parsed = parser().parse_args([str(each) for each in arguments])
        status = await carry_out(settings.replace(**changes), parsed)
        printed = capsys.readouterr()
        return status, printed.out.splitlines(), printed.err

    return ask
