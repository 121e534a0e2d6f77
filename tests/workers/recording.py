"""Histories made by hand, put into a real log as if appended, and cut where one likes."""

from collections import defaultdict

from events import codec, sealing
from events.catalogue import tag_of
from events.entries import ACTOR, AFTER, CAUSE, PAYLOAD, SEALED, TIME, TYPE
from events.ids import START, Position, position_of
from events.log import stream_key


async def record(log, history):
    """Append every delivery at its own position, sealed under keys that stand in the log."""
    keys = {}
    last = defaultdict(lambda: START)
    for each in sorted(history, key=lambda each: each.position):
        if each.actor not in keys:
            keys[each.actor], wrapped = log.keyring.new_key()
            log.keyring.forget(each.actor)  # that of an earlier history
            account = str(position_of(each.actor))
            await log.client.hset(f"keys:{{{each.partition}}}", account, wrapped)
        clear, half = codec.encode(each.event)
        tag = tag_of(type(each.event))
        fields = {
            TYPE: tag,
            TIME: each.time,
            ACTOR: each.actor,
            CAUSE: each.cause,
            AFTER: str(last[each.topic, each.partition]),
            PAYLOAD: clear,
            SEALED: sealing.seal(keys[each.actor], tag, half) if half else b"",
        }
        kept = {name: value for name, value in fields.items() if value}
        stream = stream_key(each.topic, each.partition)
        await log.client.xadd(stream, kept, id=str(each.position))
        last[each.topic, each.partition] = each.position
        await log.client.hset(f"head:{{{each.partition}}}", each.topic, str(each.position))


async def archive_up_to(log, archive, cut: Position):
    """Put what stands before the cut into segments and drop it from the streams."""
    before = Position(max(cut.ms - 1, 0), 1 << 40)
    for key in await log.client.keys("*:{*}"):
        topic, _, partition = key.decode().partition(":")
        if topic in {"accounts", "posts", "graph"}:
            number = int(partition.strip("{}"))
            entries = await log.page(topic, number, START, before, 10_000)
            for start in range(0, len(entries), 5):
                await archive.add(topic, number, entries[start : start + 5])
            await log.client.xtrim(key, minid=str(cut), approximate=False)
