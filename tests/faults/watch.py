"""Over the log's shoulder: that no trim passes what anybody has still to do, and when all is done.

Sites trim what is an hour old. Here it is trimmed after seconds, by the site's own functions, so
that trims meet every fault; topics as if there were no memory for them, as far as the archive
has come. Of the notices a copy: cards in the cache that a notice overrules live for most
of that hour, and would show again.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

from redis.exceptions import RedisError

from events import trimming
from events.history import History
from events.log import stream_key
from events.work import FanoutChunk
from runtime.connections import open_log
from workers.archive import open_library
from workers.archive_check import Audit
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
        self.said, self.trimmed, self.topics_trimmed = set(), 0, 0
        self.ever = {}
        """Every entry of a topic that was ever seen, by topic and partition."""

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
            for topic in TOPICS:
                for partition in range(self.settings.partitions):
                    roles = workers_of(topic)
                    await trimming.trim_topic(log, topic, partition, roles, budget_bytes=0)

    async def look(self, client):
        for partition in range(self.settings.partitions):
            state = await self.state(client, partition)
            # Read after it: what was archived when it was trimmed is archived still.
            archived = await client.hgetall(trimming.archived_key(partition))
            self.judge(partition, state, archived)

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

    def judge(self, partition, state, archived):
        for name, (first, new, groups) in state.items():
            seen = self.seen.setdefault((name, partition), [])
            seen += new
            self.ever.setdefault((name, partition), set()).update(new if name in TOPICS else ())
            self.last[name, partition] = new[-1] if new else self.last.get((name, partition), b"-")
            gone = [each for each in seen if not first or position(each) < position(first)]
            if not gone:
                continue
            highest = max(gone, key=position)
            if name in TOPICS:
                known = archived.get(name.encode(), b"0-0")
                if position(known) < position(highest):
                    self.said.add(
                        f"{name} of partition {partition} was trimmed to {highest}, "
                        f"and is archived up to {known}"
                    )
                self.topics_trimmed += len(gone)
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
                archived = await client.hgetall(trimming.archived_key(partition))
                self.judge(partition, state, archived)
                if any(oldest for _, _, groups in state.values() for oldest in groups.values()):
                    return False
        return True

    async def audit(self):
        """What is wrong with the archive, and what of all that was seen it and the log lack."""
        async with open_library(self.settings) as library:
            history = History(library.log, library.archive)
            for (topic, partition), seen in self.ever.items():
                if topic not in TOPICS:
                    continue
                async for fault in Audit(library, topic, partition).run():
                    if fault:
                        yield f"{topic}.{partition}: {fault}"
                lacking = set(seen)
                async for page in history.pages(topic, partition):
                    lacking -= {entry_id for entry_id, _ in page}
                if lacking:
                    yield f"{topic}.{partition} lacks {len(lacking)} entries, as {min(lacking)}"
