"""Everything that users and operators could tell two outcomes apart by, with times taken out.

An announcement stands at another position in every run. It is named by what it says and by its
cause instead, wherever its id or its moment turns up.
"""

import json
from collections import Counter

import msgspec

from events.dead_letters import DEAD, letters_key
from events.ids import Position, make_id, shard_of
from events.log import stream_key
from stores.posts import PostState
from tests.crashes.history import FOLLOWERS
from tests.crashes.keeping import names_of_tables, stored_of
from workers.subscriptions import SUBSCRIPTIONS, topics_of

FACTS = ("accounts", "posts", "graph")


async def outcome_of(stage, people, kept) -> dict:
    names, facts = await facts_of(stage.log_client, stage.settings.partitions)
    tables = await rows_of(stage.database, names)
    gone = {row["id"] for row in tables["posts"] if row["state"] >= PostState.DELETED}
    return {
        "facts": facts,
        "tables": tables,
        "windows": await windows_of(stage.feeds, people, names, gone),
        "stored": sorted(await stored_of(stage.objects, kept.staged.values())),
        "still staged": [key for key in kept.staged if await stage.objects.exists(key)],
        "not swept": [key for key in kept.stored if await stage.objects.exists(key)],
    }


async def facts_of(client, partitions):
    """What each announcement is called, by its id; and how often each fact stands.

    A publication is called so by (post, ms) too: two may fall into one millisecond.
    """
    names, facts = {}, Counter()
    for topic in FACTS:
        for partition in range(partitions):
            for entry_id, fields in await client.xrange(stream_key(topic, partition)):
                entry = {name.decode(): value for name, value in fields.items()}
                kind, payload = entry["type"].decode(), entry.get("payload", b"").hex()
                if "cause" not in entry:
                    facts[f"{kind} at {topic}.{partition}.{entry_id.decode()}"] += 1
                    continue
                # A verdict on one wish may be announced twice, by the wish and by an open door.
                accepts = kind == "follow.accepted"
                cause = "" if accepts else entry["cause"].decode()
                name = f"{kind} {payload} {cause}"
                facts[name] = 1 if accepts else facts[name] + 1
                position = Position.parse(entry_id)
                names[make_id(position, shard_of(int(entry["actor"])))] = name
                post_id = msgspec.msgpack.decode(entry["payload"]).get("post_id")
                names[post_id, position.ms] = f"the moment of {name}"
    return names, dict(facts)


async def rows_of(database, names):
    """Every row of every table, whichever tables there are, but for what no event tells."""
    tables = {}
    for schema, table in await names_of_tables(database):
        rows = await database.fetch(f"SELECT to_jsonb(t) AS row FROM {schema}.{table} t")  # noqa: S608 - our own names
        told = [json.loads(each["row"]) for each in rows]
        for each in told:
            each.pop("pulled", None)  # decided of a post that died undeleted, not of one deleted
        named = [named_row(each, names) for each in told]
        tables[table] = sorted(named, key=json.dumps)
    return tables


def named_row(row, names):
    moment = (row.get("id"), row.get("published_ms"))
    return row | {
        column: names.get(moment if column == "published_ms" else value, value)
        for column, value in row.items()
        if type(value) is int
    }


async def windows_of(feeds, people, names, gone):
    """Every window's floor, entries and hidden authors; None where there is no window.

    Deleted posts are left out: a window may hold them, for reads pass over them.
    """
    found = {}
    for name in FOLLOWERS:
        window = await feeds.skeleton(people[name], None, 100)
        found[name] = window and (
            window.floor,
            sorted(
                (each, names.get((each, ms), ms)) for ms, each in window.entries if each not in gone
            ),
            sorted(window.hidden),
        )
    return found


async def unsettled(stage):
    """What is still pending, by stream and role, and every dead letter."""
    client, partitions, found = stage.log_client, stage.settings.partitions, {}
    for role in SUBSCRIPTIONS:
        for topic in topics_of(role):
            for partition in range(partitions):
                stream = stream_key(topic, partition)
                summary = await client.xpending(stream, role)
                if summary["pending"]:
                    found[stream, role] = summary
    for partition in range(partitions):
        if letters := await client.hgetall(letters_key(DEAD, partition)):
            found[letters_key(DEAD, partition)] = letters
    return found
