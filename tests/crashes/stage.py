"""All roles in one process beside the lives that die: they prepare, and they finish."""

from contextlib import AsyncExitStack, asynccontextmanager

from runtime.connections import open_blocking_log
from workers.process import open_site, readers_of
from workers.subscriptions import SUBSCRIPTIONS

ROUNDS = 400
ROUND_SECONDS = 100  # on the clock of the readers: longer than any backoff


class Stage:
    """Every role's engines and readers, on a clock that only `drain` moves."""

    def __init__(self, settings, sites, blocking):
        self.settings, self.sites, self.blocking = settings, sites, blocking
        site, darkroom = sites["fanout"], sites["renditions"]
        self.darkroom, self.objects = darkroom, darkroom.objects
        self.database, self.feeds = site.database, site.feeds
        self.log, self.log_client, self.cache_client = site.log, site.log.client, site.feeds._cache
        self.now = 0.0

    async def drain(self, roles=tuple(SUBSCRIPTIONS), *, number=0, to_the_end=True):
        """Until nothing of these roles moves; `to_the_end`: nor is held by them."""
        # Who goes by the dead one's name holds at once what it left; others wait out its lease.
        settings = self.settings.replace(lease_seconds=0.001) if number else self.settings
        readers = [
            reader
            for role in roles
            for reader in readers_of(
                role, settings, self.sites[role], self.blocking, number=number, clock=self.clock
            )
        ]
        for _ in range(ROUNDS):
            self.now += ROUND_SECONDS
            settled = [await reader.step() for reader in readers]
            waiting = to_the_end and any(reader.claims.leases.held for reader in readers)
            if not any(settled) and not waiting:
                return
        raise TimeoutError({r.claims.stream: list(r.claims.leases.held) for r in readers})

    def clock(self):
        return self.now

    async def build_windows(self, viewer_ids):
        """Windows as complete as those of people who were here since they registered."""
        await self.feeds.refresh()
        for each in viewer_ids:
            token = await self.feeds.begin_build(each)
            await self.feeds.finish_build(each, token, [], truncated=False)


@asynccontextmanager
async def staged(settings):
    async with AsyncExitStack() as stack:
        blocking = await stack.enter_async_context(open_blocking_log(settings))
        sites = {
            role: await stack.enter_async_context(open_site(settings, role))
            for role in SUBSCRIPTIONS
        }
        yield Stage(settings, sites, blocking)
