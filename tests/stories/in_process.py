"""All roles in the test's own process, told when to work."""

import pytest

from events.log import stream_key
from workers.process import readers_of
from workers.subscriptions import SUBSCRIPTIONS, topics_of

ROUNDS = 400


class Workers:
    """All roles in this process, on a clock of their own so that nobody waits for a backoff."""

    def __init__(self, settings, sites, blocking):
        self.settings, self.sites, self.blocking = settings, sites, blocking
        self.now = 0.0

    async def drain(self, batch, *, backwards=False):
        settings = self.settings.replace(batch_size=batch)
        readers = [
            reader
            for role, site in self.sites.items()
            for reader in readers_of(role, settings, site, self.blocking, clock=lambda: self.now)
        ]
        if backwards:
            readers.reverse()
        for _ in range(ROUNDS):
            self.now += 100
            settled = [await reader.step() for reader in readers]
            if not any(settled) and not any(reader.claims.leases.held for reader in readers):
                return
        waiting = {
            r.claims.stream: list(r.claims.leases.held) for r in readers if r.claims.leases.held
        }
        pytest.fail(f"did not settle: {waiting}")

    async def begin_again(self):
        """Every group gets the whole history once more."""
        client = self.sites["posts"].log.client
        for role in SUBSCRIPTIONS:
            for topic in topics_of(role):
                for partition in range(self.settings.partitions):
                    await client.xgroup_setid(stream_key(topic, partition), role, "0")
