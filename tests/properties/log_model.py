"""What the append function promises, in Python: a partition as sets and lists, and its transitions.

It shares no line with log.lua. `picture_of` reads the server into the same shape, to be compared.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

from events.ids import Position

SEQUENCES = 1_024
HEAD_AHEAD_MS = 10_000
CALLER_SKEW_MS = 5_000
NOTHING = "0-0"
TOPICS = ("accounts", "posts", "graph")


class Command(NamedTuple):
    """One call, as far as the function can tell calls apart."""

    topic: str
    tag: str
    actor: int
    record: str
    """The idempotency record's key."""
    meaning: object
    """Equal for equal commands."""
    hides: bool = False
    username: str = ""
    commander: str = ""
    """The position of the account that acts."""
    sealed_by: str = ""
    destroys: bool = False
    revokes: str = ""


@dataclass
class Partition:
    """Everything of one partition, as the promises have it."""

    heads: dict = field(default_factory=dict)
    """`head`, and of each topic the last position."""
    topics: dict = field(default_factory=lambda: {topic: [] for topic in TOPICS})
    """Of each topic (position, after, tag, actor), as appended."""
    records: dict = field(default_factory=dict)
    notices: list = field(default_factory=list)
    names: dict = field(default_factory=dict)
    keys: set = field(default_factory=set)
    revoked: set = field(default_factory=set)
    meanings: dict = field(default_factory=dict)

    def copy(self):
        return deepcopy(self)

    @property
    def head(self):
        return Position.parse(self.heads.get("head", NOTHING))

    def verdict(self, command, now_ms, skew_ms):
        """What the function must answer: 'ok', 'replayed' or the refusal's code."""
        if command.record in self.records:
            same = self.meanings[command.record] == (command.tag, command.meaning)
            return "replayed" if same else "idempotency-key-reused"
        if command.username in self.names:
            return "username-taken"
        if command.commander and command.commander not in self.keys:
            return "account-erased"
        if self.head.ms - now_ms > HEAD_AHEAD_MS or abs(skew_ms) > CALLER_SKEW_MS:
            return "clock-skew"
        return "ok"

    def may_follow(self, position, before_ms, after_ms):
        """Whether this may be the next position, appended between these two moments."""
        ms, sequence = self.head
        if position.sequence == 0 and max(ms + 1, before_ms) <= position.ms <= after_ms:
            return True
        successor = Position(ms, sequence + 1)
        if successor.sequence == SEQUENCES:
            successor = Position(ms + 1, 0)
        return position == successor and ms >= before_ms

    def apply(self, command, position):
        """The command was recorded there: all that must be true in the same instant."""
        at = str(position)
        after = self.heads.get(command.topic, NOTHING)
        self.topics[command.topic].append((at, after, command.tag, command.actor))
        self.heads |= {"head": at, command.topic: at}
        self.records[command.record] = (command.topic, at)
        self.meanings[command.record] = (command.tag, command.meaning)
        if command.hides:
            self.notices.append((at, command.topic, after))
        if command.username:
            self.names[command.username] = at
            self.keys.add(at)
        if command.destroys:
            self.keys.discard(command.commander)
        if command.revokes:
            self.revoked.add(f"{command.revokes}|{at}")

    def picture(self):
        return (
            self.heads,
            self.topics,
            self.records,
            self.notices,
            self.names,
            self.keys,
            self.revoked,
        )


async def picture_of(client, partition):
    """The same, read from the server."""
    heads = await client.hgetall(f"head:{{{partition}}}")
    topics = {
        topic: [
            (entry_id.decode(), *_told(fields))
            for entry_id, fields in await client.xrange(f"{topic}:{{{partition}}}")
        ]
        for topic in TOPICS
    }
    records = {}
    for key in await client.keys(f"idem:{{{partition}}}:*"):
        topic, position, _ = (await client.get(key)).decode().split(" ")
        records[key.decode()] = (topic, position)
    notices = [
        (entry_id.decode(), fields[b"topic"].decode(), fields[b"after"].decode())
        for entry_id, fields in await client.xrange(f"notices:{{{partition}}}")
    ]
    names = await client.hgetall(f"names:{{{partition}}}")
    keys = await client.hkeys(f"keys:{{{partition}}}")
    revoked = await client.zrange(f"revoked:{{{partition}}}", 0, -1)
    return (
        _text(heads),
        topics,
        records,
        notices,
        _text(names),
        {each.decode() for each in keys},
        {each.decode() for each in revoked},
    )


def _told(fields):
    """Of a registration the actor is the account itself, so its entry names none."""
    actor = int(fields.get(b"actor", b"0"))
    return fields[b"after"].decode(), fields[b"type"].decode(), actor


def _text(found):
    return {name.decode(): value.decode() for name, value in found.items()}
