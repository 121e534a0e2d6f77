"""Over the log's shoulder: that no trim passes what anybody has still to do, and when all is done.

Sites trim what is an hour old. Here it is trimmed after seconds, by the site's own function, so
that trims meet every fault. Of the notices a copy is trimmed: cards in the cache that a notice
overrules live for most of that hour, and would show again.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

from redis.exceptions import RedisError

from events import trimming
from events.log import stream_key
from events.work import FanoutChunk
from runtime.connections import open_log
from workers.house import workers_of
from workers.process import log_of
from workers.subscriptions import SUBSCRIPTIONS, topics_of

SCRIPT = (Path(__file__).parent / "undone.lua").read_text(encoding="utf-8")
KEPT_SECONDS = 15
LOOK_SECONDS = 2
COPY = "copied-notices"
TRIMMED = (COPY, "work")
TOPICS = ("accounts", "posts", "graph")


def position(name):
    return tuple(map(int, name.split(b"-")))


class Watch:
    """Looks at every stream all the time; `said` is what it objects to."""

    def __init__(self, settings):
        self.settings = settings
        self.seen, self.last = {}, {}
        self.said, self.trimmed = set(), 0

    async def run(self, stopping):
        async with open_log(self.settings, connections=4) as client:
            while not stopping.is_set():
                # The log itself is stopped and frozen: then there is nothing to see.
                with suppress(RedisError):
                    await self.look(client)
                    await self.trim(client)
                await asyncio.sleep(LOOK_SECONDS)

    async def trim(self, client):
        roles = {each: topics_of(each) for each in SUBSCRIPTIONS}
        log = log_of(self.settings, client)
        for partition in range(self.settings.partitions):
            source, copy = stream_key("notices", partition), stream_key(COPY, partition)
            await client.copy(source, copy, replace=True)
        with patch.object(trimming, "KEPT_SECONDS", KEPT_SECONDS):
            await trimming.trim_applied(log, COPY, roles)
            await trimming.trim_applied(log, FanoutChunk.TOPIC, workers_of(FanoutChunk.TOPIC))

    async def look(self, client):
        for partition in range(self.settings.partitions):
            self.judge(partition, await self.state(client, partition))

    async def state(self, client, partition):
        """Stream → first id, ids new since the last look, and oldest undone id by group."""
        names = [*TRIMMED, *TOPICS]
        keys = [stream_key(name, partition) for name in names]
        told = [self.last.get((name, partition), b"-") for name in names]
        reply = await client.eval(SCRIPT, len(keys), *keys, *told)
        return {
            name: (first, new, dict(zip(groups[::2], groups[1::2], strict=True)))
            for name, (first, new, groups) in zip(names, reply, strict=True)
        }

    def judge(self, partition, state):
        for name, (first, new, groups) in state.items():
            seen = self.seen.setdefault((name, partition), [])
            seen += new
            self.last[name, partition] = new[-1] if new else self.last.get((name, partition), b"-")
            gone = [each for each in seen if not first or position(each) < position(first)]
            if not gone:
                continue
            highest = max(gone, key=position)
            if name in TOPICS:
                self.said.add(f"{name} of partition {partition} lost entries up to {highest}")
                continue
            self.trimmed += len(gone)
            del seen[: len(gone)]
            held = {f"{name} {group}": oldest for group, oldest in groups.items()}
            if name == COPY:
                held |= {
                    f"{topic} {group}": oldest
                    for topic in TOPICS
                    for group, oldest in state[topic][2].items()
                }
            for whose, oldest in held.items():
                if oldest and position(oldest) <= position(highest):
                    self.said.add(
                        f"{name} of partition {partition} was trimmed to {highest}, "
                        f"and {whose} has still to do {oldest}"
                    )

    async def is_done(self):
        """Whether no group has anything left to do."""
        async with open_log(self.settings, connections=1) as client:
            for partition in range(self.settings.partitions):
                state = await self.state(client, partition)
                self.judge(partition, state)
                if any(oldest for _, _, groups in state.values() for oldest in groups.values()):
                    return False
        return True
