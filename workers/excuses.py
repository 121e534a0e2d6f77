"""What explains that a row is not as it must be: events that wait, are buried, or were dropped."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from events.accounts import AccountErased
from events.entries import open_entries
from events.envelope import Delivery
from events.ids import Position, shard_of
from events.log import Log
from events.model_decided import FEEDS, touched_by
from events.model_reading import stream_of
from events.unapplied import entry_of, unapplied
from events.undone import undone
from stores.differences import Difference
from stores.digests import TABLES
from workers.subscriptions import EFFECTS, SUBSCRIPTIONS, topics_of

WRITES = {
    "accounts": ("accounts",),
    "posts": ("posts", "photo_references", "accounts"),
    "graph": ("following", "followers", "accounts"),
    "fanout": (FEEDS,),
}
"""What each role changes. A role that is not here is taken to change everything."""

EVERYTHING = (*TABLES, FEEDS)

Stream = tuple[str, int]
Heads = Mapping[Stream, Position]


class Excuses(NamedTuple):
    """Why rows may differ: by table and key, and by table where a role is far behind."""

    rows: dict[tuple[str, tuple[int, ...]], str]
    tables: dict[str, str]
    erasures: dict[tuple[str, int], str]
    """By table and account, of all of whose rows nothing is certain until its erasure is done."""

    def of(self, difference: Difference) -> str:
        """A sentence, or nothing when there is none."""
        if difference.table in self.tables:
            return self.tables[difference.table]
        ids = tuple(int(each) for each in difference.key if each.isdigit())
        keys: list[tuple[int, ...]] = [ids]
        if difference.table == FEEDS:
            keys = [(ids[1],), (ids[0], ids[2])]
        for key in keys:
            if why := self.rows.get((difference.table, key)):
                return why
        for (table, account_id), why in self.erasures.items():
            if table == difference.table and concerns(difference, account_id):
                return why
        return ""


def concerns(difference: Difference, account_id: int) -> bool:
    """Whether a row may change when this account is erased; its neighbours' counters do."""
    if str(account_id) in difference.key or set(difference.columns) & {"followers", "following"}:
        return True
    if difference.table == "photo_references":  # whose post it is, the shard alone says
        return shard_of(difference.owner) == shard_of(account_id)
    side = difference.one or difference.other or {}
    return side.get("author_id") == str(account_id)


def readings() -> Iterable[tuple[str, str]]:
    """Every role that folds into state, and each topic it reads."""
    for role in SUBSCRIPTIONS:
        if role not in EFFECTS:
            yield from ((role, topic) for topic in topics_of(role))


async def heads_of(log: Log) -> dict[Stream, Position]:
    """The last position of every stream that projections read, work included."""
    found = {}
    for topic in sorted({topic for _, topic in readings()}):
        for partition in range(log.partitions):
            told = await stream_of(log, topic, partition)
            found[topic, partition] = Position.parse(told.get("last-generated-id", b"0-0"))
    return found


async def behind(log: Log, heads: Heads) -> bool:
    """Whether any role still has to be given, or to finish, something up to there."""
    for role, topic in readings():
        for partition in range(log.partitions):
            since = (await undone(log, role, topic, partition)).since
            if since is not None and since <= heads[topic, partition]:
                return True
    return False


async def excuses(log: Log, heads: Heads) -> Excuses:
    """Everything that is not applied up to there."""
    found = Excuses({}, {}, {})
    for role, topic in readings():
        for partition in range(log.partitions):
            left = await unapplied(log, role, topic, partition, heads[topic, partition])
            if left is None:
                why = f"role {role} is far behind in {topic}.{partition}"
                found.tables.update(dict.fromkeys(WRITES.get(role, EVERYTHING), why))
            for each in left or ():
                entries = await entry_of(log, each)
                for opened in await open_entries(log, topic, partition, entries):
                    if isinstance(opened, Delivery):
                        _note(found, role, opened, f"{opened.address} {_WHERE[each.where]} {role}")
    return found


def _note(found: Excuses, role: str, delivery: Delivery[Any], why: str) -> None:
    written = WRITES.get(role, EVERYTHING)
    for table, key in touched_by(delivery):
        if table in written:
            found.rows.setdefault((table, key), why)
    if isinstance(delivery.event, AccountErased):
        for table in written:
            found.erasures[table, delivery.actor] = why


_WHERE = {"waits": "waits for", "buried": "is a dead letter of", "dropped": "was dropped for"}
